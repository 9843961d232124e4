import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from semlens.numerics.parallel import MAX_THREADS, each


def parts(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, count, size)]


def test_every_part_is_worked_on_once() -> None:
    done = np.zeros(103, int)

    def work(part: slice) -> None:
        done[part] += 1

    each(work, parts(103, 10))
    assert (done == 1).all()
    each(work, [])
    assert (done == 1).all()


def test_an_error_in_a_part_is_raised() -> None:
    def work(part: slice) -> None:
        if part.start == 30:
            raise ValueError("part 30")

    with pytest.raises(ValueError, match="part 30"):
        each(work, parts(100, 10))


def test_matrix_products_keep_to_one_thread_meanwhile_and_get_theirs_back() -> None:
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    seen: list[int] = []
    threads: set[int] = set()

    def work(part: slice) -> None:
        threads.add(threading.get_ident())
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    each(work, parts(40, 10))
    assert set(seen) == {1}
    assert 1 <= len(threads) <= MAX_THREADS
    assert [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"] == before
