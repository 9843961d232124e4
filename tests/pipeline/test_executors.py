"""Parts of a build that other processes do give the bytes of one process, whatever becomes of these."""

import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

from semlens.collection import FIRST, drawn
from semlens.errors import SemlensError
from semlens.images import ImageSet, UnreadableImage
from semlens.images.decode import Raw
from semlens.index import ConceptIndex
from semlens.pipeline import build, partial_folder
from semlens.pipeline.distribute import MOST_SKIPPED, PartWarning
from semlens.pipeline.executors import Died, Outcome, executor_named
from semlens.pipeline.work import Part, Work
from tests.pipeline.test_build import content
from tests.toy import ColourSpace, colours, random_images

LAYERS = ["act", "fc"]
HOW: dict[str, Any] = {
    "k": 5, "batch_size": 2, "classes": [0, 2], "of": "all", "vectors": 9, "crop": "activation", "workers": 0,
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::semlens.index.IndexWarning")


class Killed(BaseException):
    """Stands for the end of a process."""


@dataclass
class Here:
    """An executor whose processes are all this one; the latest part is done first, so that none ends in its order."""

    slots: int = 2
    dies: Callable[[Part], bool] = lambda part: False
    work: list[Work] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    done: list[Part] = field(default_factory=list)
    closed: int = 0

    def open(self, work: Work) -> None:
        self.work.append(work)

    def begin(self, inputs: Sequence[Path]) -> None:
        assert all(path.exists() for path in inputs)

    def submit(self, part: Part) -> None:
        assert len(self.parts) < self.slots
        self.parts.append(part)

    def finished(self, seconds: float) -> Sequence[Outcome]:
        part = self.parts.pop()
        self.done.append(part)
        try:
            if self.dies(part):
                raise Killed
            return [Outcome(part, tuple(self.work[-1].do(part)))]
        except Killed:
            return [Outcome(part, fault=Died())]
        except Exception as fault:
            return [Outcome(part, fault=fault)]

    def missing(self) -> str:
        return ""

    def close(self) -> None:
        self.closed += 1


@dataclass(frozen=True)
class Deadly:
    """Reads images, some of which end the process."""

    images: ImageSet
    ids: tuple[int, ...]
    end: Callable[[int], Any]

    def __call__(self, id: int) -> Raw:
        if id in self.ids:
            self.end(id)
        return self.images.read(id)


def killing(id: int) -> None:
    raise Killed


def deadly(images: ImageSet, ids: tuple[int, ...], end: Callable[[int], Any] = killing) -> ImageSet:
    return replace(images, read=Deadly(images, ids, end))


@dataclass(frozen=True)
class KilledOnce:
    """Ends the process by the signal that cannot be caught, the first time."""

    marker: Path

    def __call__(self, id: int) -> None:
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


IMAGES = random_images(50)
LATE = next(id for id in range(16, 24) if id not in drawn(50, None)[:FIRST])  # no part but its own looks at it


def built(folder: Path, images: ImageSet = IMAGES, **how: Any) -> ConceptIndex:
    return build(colours(), images, LAYERS, ColourSpace(), folder, **HOW | how)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("local") / "index"
    built(folder)
    return content(folder)


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("encode", [5000, "none"])
def test_parts_in_any_order_give_the_bytes_of_one_process(
    tmp_path: Path, whole: dict[str, str], slots: int, encode: int | str
) -> None:
    executor = Here(slots)
    seen: list[tuple[str, int, int]] = []
    built(tmp_path / "parts", executor=executor, encode=encode, progress=lambda *told: seen.append(told))
    if encode == "none":
        built(tmp_path / "whole", encode=encode)
    assert content(tmp_path / "parts") == (content(tmp_path / "whole") if encode == "none" else whole)
    assert executor.closed == 1
    assert not partial_folder(tmp_path / "parts").exists()
    assert {part.step for part in executor.done} == {"look", "collect", "relevance", "locate", "embed"}
    assert ("collect", 50, 50) in seen
    assert all(done <= total for _, done, total in seen)
    assert not any(step == "embed images" for step, _, _ in seen), "left to the process that asked"


@pytest.mark.parametrize("ids", [(7,), (1, 48, 49)])
def test_an_image_that_kills_whoever_reads_it_is_found_skipped_and_counted(
    tmp_path: Path, ids: tuple[int, ...]
) -> None:
    def unreadable(id: int) -> None:
        raise UnreadableImage(IMAGES.names[id], "the process that worked on it died")

    built(tmp_path / "whole", deadly(IMAGES, ids, unreadable))
    executor = Here(dies=lambda part: False)
    with pytest.warns(PartWarning) as told:
        index = built(tmp_path / "parts", deadly(IMAGES, ids), executor=executor)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert index.recipe.images.unreadable == len(ids)
    for id in ids:
        assert index.images.errors[id] == "the process that worked on it died"
        assert any(f"{IMAGES.names[id]} kills the process" in str(note.message) for note in told)


def test_a_process_killed_by_chance_costs_no_image(tmp_path: Path, whole: dict[str, str]) -> None:
    died: set[Part] = set()

    def once(part: Part) -> bool:
        new = part not in died
        died.add(part)
        return new

    with pytest.warns(PartWarning, match="it is done again"):
        index = built(tmp_path / "parts", executor=Here(dies=once))
    assert index.recipe.images.unreadable == 0
    assert content(tmp_path / "parts") == whole


def test_where_ever_more_images_kill_a_build_gives_up_and_keeps_its_work(tmp_path: Path) -> None:
    with (
        pytest.warns(PartWarning),
        pytest.raises(SemlensError, match=r"21 images killed the process .* smaller batch size"),
    ):
        built(tmp_path / "parts", deadly(IMAGES, tuple(range(1, 50))), executor=Here())
    folder = partial_folder(tmp_path / "parts")
    assert len(json.loads((folder / "skipped.json").read_text())) == MOST_SKIPPED
    with pytest.raises(SemlensError, match="unfinished work"):
        built(tmp_path / "parts", executor=Here())
    index = built(tmp_path / "parts", executor=Here(), resume=True)
    assert index.recipe.images.unreadable == MOST_SKIPPED


def test_a_step_without_images_that_kills_is_an_error_of_one_sentence(tmp_path: Path, whole: dict[str, str]) -> None:
    with pytest.warns(PartWarning), pytest.raises(SemlensError, match=r"at work on locate, part \d of 8 died twice"):
        built(tmp_path / "parts", executor=Here(dies=lambda part: part.step == "locate"))
    built(tmp_path / "parts", resume=True)  # by another executor, this process
    assert content(tmp_path / "parts") == whole


@pytest.mark.parametrize("step", ["collect", "relevance", "embed"])
def test_what_one_executor_began_another_ends(tmp_path: Path, whole: dict[str, str], step: str) -> None:
    def stop(at: str, done: int, total: int) -> None:
        if at == step and done >= total // 2:
            raise Killed

    executor = Here()
    with pytest.raises(Killed):
        built(tmp_path / "parts", executor=executor, progress=stop)
    assert executor.closed == 1
    with pytest.raises(Killed):  # in this process, of another cut
        built(tmp_path / "parts", resume=True, batch_size=1, progress=stop)
    built(tmp_path / "parts", resume=True, executor=Here(3))
    assert content(tmp_path / "parts") == whole


def test_an_error_of_a_part_is_the_errors_own(tmp_path: Path) -> None:
    gone = deadly(IMAGES, (30,), lambda id: open(tmp_path / "away"))  # noqa: SIM115
    assert built(tmp_path / "index", gone, executor=Here()).recipe.images.unreadable == 1

    class Failing(ColourSpace):
        def embed_images(self, images: Sequence[Any]) -> np.ndarray:
            if len(images) > 1:
                raise SemlensError("the foundation model has no room")
            return super().embed_images(images)

    with pytest.raises(SemlensError, match="the foundation model has no room"):
        build(colours(), IMAGES, LAYERS, Failing(), tmp_path / "failing", executor=Here(), **HOW)


@pytest.mark.parametrize("text", ["cluster", "processes:0", "processes:many", ""])
def test_an_executor_that_does_not_exist_is_an_error(text: str) -> None:
    with pytest.raises(SemlensError, match="write local, processes, processes:N, ray or ray:ADDRESS"):
        executor_named(text)
    assert executor_named("local") is None


def test_what_cannot_be_sent_is_an_error_before_the_work(tmp_path: Path) -> None:
    lock = Lock()
    images = deadly(IMAGES, (), lambda id: lock.acquire())
    with pytest.raises(SemlensError, match="cannot be sent to other processes"):
        built(tmp_path / "index", images, executor="processes:2")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
def test_processes_give_the_same_bytes_when_one_is_killed(tmp_path: Path, whole: dict[str, str]) -> None:
    images = deadly(IMAGES, (LATE,), KilledOnce(tmp_path / "killed"))
    with pytest.warns(PartWarning, match="collect, images 16 to 24 died: it is done again"):
        built(tmp_path / "parts", images, executor="processes:2")
    assert (tmp_path / "killed").exists()
    assert content(tmp_path / "parts") == whole


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
def test_ray_gives_the_same_bytes_when_a_worker_is_killed_and_shares_no_folder(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    ray = pytest.importorskip("ray")
    from semlens.pipeline.executors.ray import Ray

    images = deadly(IMAGES, (LATE,), KilledOnce(tmp_path / "killed"))
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000)
    try:
        with pytest.raises(SemlensError, match="has 2 CPU, and a part needs 64 CPU: nothing would ever begin"):
            built(tmp_path / "large", executor=Ray(cpus=64))
        executor = Ray()
        with pytest.warns(PartWarning, match="collect, images 16 to 24 died: it is done again"):
            built(tmp_path / "parts", images, executor=executor)
        assert executor.missing() == "Ray has 2 CPU free of 2 CPU, and a part needs 1 CPU"
    finally:
        ray.shutdown()
    assert content(tmp_path / "parts") == whole
