"""Work in lanes: what a person waits for stands behind no heat map, and what nobody asks for any more is dropped."""

import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest

from semlens.app import jobs
from semlens.app.jobs import ASKED, HEAT, LONG, Job, Jobs, Pending
from semlens.types import Progress


@pytest.fixture
def work() -> Iterator[Jobs]:
    opened = Jobs()
    yield opened
    opened.close()


def until(there: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not there():
        assert time.monotonic() < limit
        time.sleep(0.002)


def begin(work: Jobs, key: str, run: Callable[[Progress], object], lane: jobs.Lane) -> None:
    """Asks without waiting."""
    with pytest.raises(Pending):
        work.get((key,), Job(0, key), run, 0.0, lane)


def hold(work: Jobs, key: str, lane: jobs.Lane) -> Event:
    """Keeps a thread of a lane busy, from now until the event is set."""
    started, free = Event(), Event()

    def run(_: Progress) -> bool:
        started.set()
        return free.wait(60)

    begin(work, key, run, lane)
    assert started.wait(60)
    return free


def test_a_search_is_answered_while_twelve_heat_maps_and_a_map_wait(work: Jobs) -> None:
    free = Event()
    for number in range(12):
        begin(work, f"heat {number}", lambda _: free.wait(10), HEAT)
    for number in range(3):
        begin(work, f"map {number}", lambda _: free.wait(10), LONG)
    start = time.monotonic()
    assert work.get(("search",), Job(0, "search"), lambda _: "found", 5.0, ASKED) == "found"
    assert time.monotonic() - start < 0.3
    assert len(work.running()) == 15
    free.set()
    until(lambda: not work.running())


def test_of_what_is_looked_at_in_passing_the_newest_comes_first(work: Jobs) -> None:
    free, done = hold(work, "first", HEAT), list[int]()
    for number in range(4):
        begin(work, str(number), lambda _, number=number: done.append(number), HEAT)  # type: ignore[misc]
    free.set()
    until(lambda: not work.running())
    assert done == [3, 2, 1, 0]


def test_long_work_is_done_in_its_order(work: Jobs) -> None:
    held, done = [hold(work, f"long {number}", LONG) for number in range(LONG.threads)], list[int]()
    for number in range(4):
        begin(work, str(number), lambda _, number=number: done.append(number), LONG)  # type: ignore[misc]
    for free in held:
        free.set()
    until(lambda: not work.running())
    assert sorted(done) == [0, 1, 2, 3]
    assert done.index(0) < done.index(3)


def test_what_nobody_asks_for_any_more_is_dropped_and_begins_anew_when_it_is(
    work: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PATIENCE", 0.15)
    free, done = hold(work, "first", HEAT), list[str]()
    begin(work, "left", lambda _: done.append("left"), HEAT)
    begin(work, "watched", lambda _: done.append("watched"), HEAT)
    limit = time.monotonic() + 0.3
    while time.monotonic() < limit:
        begin(work, "watched", lambda _: done.append("another"), HEAT)
        time.sleep(0.02)
    free.set()
    until(lambda: not work.running())
    assert done == ["watched"]
    assert work.get(("left",), Job(0, "left"), lambda _: "anew", 5.0, HEAT) == "anew"


def test_progress_is_told_at_once(work: Jobs) -> None:
    free = Event()

    def run(progress: Progress) -> bool:
        progress("drawing", 3, 7)
        return free.wait(10)

    start = time.monotonic()
    begin(work, "slow", run, LONG)
    until(lambda: work.running()[0].step == "drawing")
    assert time.monotonic() - start < 0.2
    with pytest.raises(Pending) as told:
        work.get(("slow",), Job(0, "slow"), run, 0.0, LONG)
    assert (told.value.job.done, told.value.job.total) == (3, 7)
    free.set()
