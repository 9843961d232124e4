"""Work on an array stretch by stretch, on several cores: numpy lets other threads run while it counts."""

import os
from collections.abc import Callable, Iterable

MAX_THREADS = 4
"""That many stretches are in memory at once, at most."""


def each(work: Callable[[slice], None], parts: Iterable[slice]) -> None:
    """Does the work on every part; what it writes must not overlap. An error in any part is raised.

    Matrix products keep to one thread meanwhile: threads within threads wait for each other.
    """
    from concurrent.futures import ThreadPoolExecutor  # a search that needs no threads need not wait for it

    from threadpoolctl import threadpool_limits  # looks through all loaded libraries when it is imported

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1)) as threads:
        list(threads.map(work, parts))
