import hashlib
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

from semlens.analysis.labels import label
from semlens.analysis.probe import probe
from semlens.analysis.search import search
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.images import ImageSet, load_images
from semlens.index import IndexWarning, remarks
from semlens.index.index import load_index
from semlens.model import as_model
from semlens.pipeline import build, build_shard
from semlens.pipeline.partial import check_free, claimed, partial_folder
from semlens.pipeline.replacing import ReplacedWarning
from tests.toy import ColourSpace, colours, random_images

LAYERS = ["act", "fc"]


def content(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def many() -> ImageSet:
    """More images than lie between two checkpoints."""
    return random_images(130)


@pytest.fixture(scope="module")
def whole(many: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("built") / "whole"
    build(colours(), many, LAYERS, ColourSpace(), folder, k=60, batch_size=1)
    return content(folder)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["collect", "embed"])
def test_a_build_stopped_at_any_step_resumes_to_the_same_index(
    tmp_path: Path, many: ImageSet, whole: dict[str, str], step: str
) -> None:

    def stop(at: str, done: int, total: int) -> None:
        if at == step and done > total // 2 and done > 110:
            raise Stop

    with pytest.raises(Stop):
        build(colours(), many, LAYERS, ColourSpace(), tmp_path / "part", k=60, batch_size=1, progress=stop)
    assert not (tmp_path / "part").exists()
    seen: list[tuple[str, int]] = []
    build(
        colours(),
        many,
        LAYERS,
        ColourSpace(),
        tmp_path / "part",
        k=60,
        batch_size=1,
        resume=True,
        progress=lambda *s: seen.append(s[:2]),
    )
    assert content(tmp_path / "part") == whole
    assert not partial_folder(tmp_path / "part").exists()
    assert ("collect", 101) in seen if step == "collect" else not [s for s in seen if s[0] == "collect"]


@pytest.mark.slow
def test_shards_in_any_order_give_the_index_of_one_pass(tmp_path: Path) -> None:
    images = random_images(23)
    build(colours(), images, LAYERS, ColourSpace(), tmp_path / "whole", k=3)
    for i in (2, 0, 1):
        build_shard(colours(), images, LAYERS, tmp_path / "parts", (i, 3), k=3, foundation=ColourSpace())
    seen: list[str] = []
    build(
        colours(),
        images,
        LAYERS,
        ColourSpace(),
        tmp_path / "parts",
        k=3,
        resume=True,
        progress=lambda s, d, t: seen.append(s),
    )
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert "collect" not in seen


def test_a_missing_shard_is_collected(tmp_path: Path) -> None:
    images = random_images(23)
    build(colours(), images, LAYERS, ColourSpace(), tmp_path / "whole", k=3)
    build_shard(colours(), images, LAYERS, tmp_path / "parts", (1, 3), k=3, foundation=ColourSpace())
    build(colours(), images, LAYERS, ColourSpace(), tmp_path / "parts", k=3, resume=True)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_what_is_loaded_answers_as_what_was_built(tmp_path: Path) -> None:
    images = random_images(20)
    built = build(colours(), images, LAYERS, ColourSpace(), tmp_path / "index", k=3)
    loaded = load_index(tmp_path / "index", verify=True)
    probes = probe(ColourSpace(), ["red", "blue"])
    assert search(built, probes) == search(loaded, probes)
    np.testing.assert_array_equal(built.vectors, loaded.vectors)
    assert loaded.unit_names[3:] == ("red", "green", "blue", "not red")
    assert loaded.recipe.images.count == 20


def test_a_second_build_replaces_the_index_only_when_it_is_whole(tmp_path: Path) -> None:
    images = random_images(20)
    build(colours(), images, LAYERS, ColourSpace(), tmp_path / "index", k=3)
    before = content(tmp_path / "index")

    def stop(at: str, done: int, total: int) -> None:
        if at == "embed":
            raise Stop

    with pytest.raises(Stop):
        build(colours(), images, LAYERS, ColourSpace(), tmp_path / "index", k=5, replace=True, progress=stop)
    assert content(tmp_path / "index") == before
    with pytest.raises(SemlensError, match="holds unfinished work"):
        build(colours(), images, LAYERS, ColourSpace(), tmp_path / "index", k=5, replace=True)
    shutil.rmtree(partial_folder(tmp_path / "index"))
    build(colours(), images, LAYERS, ColourSpace(), tmp_path / "index", k=5, replace=True)
    assert load_index(tmp_path / "index").recipe.k == 5


def test_another_index_is_replaced_if_that_is_said_and_its_notes_stay_its_own(tmp_path: Path) -> None:
    images, out = random_images(20), tmp_path / "index"
    build(colours(), images, LAYERS, ColourSpace(), out, k=3)
    before = content(out)
    (out / "annotations.sqlite").write_bytes(b"notes")
    build(colours(), images, LAYERS, ColourSpace(), out, k=3)  # the same one
    assert content(out) == {**before, "annotations.sqlite": hashlib.sha256(b"notes").hexdigest()}
    sentence = r"index holds an index already, of toy:colours over list of 20 images, which differs in images, k: give"
    for resume in (False, True):
        with pytest.raises(SemlensError, match=sentence):
            build(colours(), random_images(20, seed=1), LAYERS, ColourSpace(), out, k=4, resume=resume)
    kept = tmp_path / "index.annotations-1.sqlite"
    with pytest.warns(ReplacedWarning, match=f"the notes of the index that was replaced are kept as {kept}"):
        build(colours(), random_images(20, seed=1), LAYERS, ColourSpace(), out, k=4, replace=True)
    assert kept.read_bytes() == b"notes"
    assert load_index(out).recipe.k == 4
    assert "annotations.sqlite" not in content(out)


def test_copies_are_counted_and_equal_images_get_a_true_sentence(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (8, 8), colour) for colour in ("red", "red", "red", "green", "blue", "green")]
    sentence = r"^3 of the 6 pictures among the examples are copies of another; 2 components have one picture as all"
    among_all = "^3 of the 6 images are copies of another, as the model sees them, first image 2 of image 0"
    with pytest.warns(IndexWarning, match=sentence), pytest.warns(IndexWarning, match=among_all):
        index = build(colours(), load_images(pictures), ["act"], ColourSpace(), tmp_path / "index", k=3)
    assert any("copies" in told for told in remarks(index))
    with pytest.raises(SemlensError, match="6 images were read, and every component is as active on each of them: are"):
        build(colours(), load_images(pictures[:1] * 6), ["act"], ColourSpace(), tmp_path / "same", k=3)
    broken = load_images([Image.new("F", (8, 8), 9.0)] * 3)
    with pytest.raises(SemlensError, match="no image could be read, the first: grey from 9.0 to 9.0"):
        build(colours(), broken, ["act"], ColourSpace(), tmp_path / "broken", k=3)


def test_a_build_says_what_never_fires_and_what_was_left_out_once_each(tmp_path: Path) -> None:
    for name, colour in (("a", "red"), ("b", "blue"), ("d", "green")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no picture")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        index = build(colours(), tmp_path, ["act"], ColourSpace(), tmp_path / "index", k=3)
    told = [str(warning.message) for warning in caught if warning.category is IndexWarning]
    assert told == list(remarks(index))  # and no word of copies, since there are none
    assert told[0].startswith("skipped c.png: not an image in one of the formats")
    assert told[1] == "0 components never fire; 3 fire on fewer than 3 images"


@pytest.mark.slow
def test_names_do_as_well_as_what_they_name(tmp_path: Path) -> None:
    for number in range(12):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    index = build("testbed:shortcut", str(tmp_path), "block4", "testbed:clip", tmp_path / "index", k=3)
    assert [axis.layer for axis in index.layers] == ["block4"]
    found = search(index, "band-aid", layers="block4")
    assert {hit.probe for hit in found} == {"band-aid"}
    same = search(index, probe(load_foundation("testbed:clip"), "band-aid"))
    assert [hit.component for hit in found] == [hit.component for hit in same]
    # a text is rounded otherwise beside others, by one unit of float32
    assert [hit.alignment for hit in found] == pytest.approx([hit.alignment for hit in same], abs=1e-6)
    assert set(label(index, ["band-aid", "hair"]).vocabulary) == {"band-aid", "hair"}
    with pytest.raises(SemlensError, match="a list is nothing to ask for: give texts, or probes of probe"):
        search(index, [])
    with pytest.raises(SemlensError, match=r"a Linear is no model: give sl.VisionModel\(net, preprocess\), or a name"):
        as_model(nn.Linear(1, 1))


def test_mistakes_are_known_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(SemlensError, match="unknown crop"):
        build(colours(), random_images(3), LAYERS, ColourSpace(), tmp_path / "index", crop="all")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    with pytest.raises(SemlensError, match="not an index"):
        build(
            colours(),
            random_images(3),
            LAYERS,
            ColourSpace(),
            tmp_path / "full",
            k=1,
            progress=lambda *_: pytest.fail("worked"),
        )
    assert (tmp_path / "full" / "thesis.txt").read_text() == "precious"


HOLD = """
import sys
from semlens.pipeline.partial import claimed
with claimed(sys.argv[1], resume=True, part=sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(out: Path, part: str = "") -> subprocess.Popen[str]:
    """Another process that is at work there."""
    started = [sys.executable, "-c", HOLD, str(out), part]
    process = subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.slow
def test_a_second_build_into_a_folder_is_told_at_the_start_and_a_killed_one_leaves_it_free(tmp_path: Path) -> None:
    out, images = tmp_path / "index", random_images(20)
    with holding(out) as other:
        for resume in (False, True):
            with pytest.raises(SemlensError, match=r"another process is building .*index at this moment"):
                build(colours(), images, LAYERS, ColourSpace(), out, k=3, resume=resume)
        with pytest.raises(SemlensError, match="another process"):
            build_shard(colours(), images, LAYERS, out, (0, 2), k=3, encode="none")
        other.kill()
        other.wait()
        check_free(out, resume=False)  # what is left of it is no work
    assert not partial_folder(out).exists()
    build(colours(), images, LAYERS, ColourSpace(), out, k=3)


@pytest.mark.slow
@pytest.mark.slow
def test_shards_are_collected_side_by_side_but_each_once(tmp_path: Path) -> None:
    out, images = tmp_path / "index", random_images(20)
    with holding(out, "shard-00000-of-00002") as other:
        with pytest.raises(SemlensError, match="another process is building shard-00000-of-00002 of"):
            build_shard(colours(), images, LAYERS, out, (0, 2), k=3, encode="none")
        assert build_shard(colours(), images, LAYERS, out, (1, 2), k=3, encode="none").exists()
        with pytest.raises(SemlensError, match=r"another process is building .*index at"):
            build(colours(), images, LAYERS, ColourSpace(), out, k=3, resume=True)
        other.communicate("")
    build(colours(), images, LAYERS, ColourSpace(), out, k=3, encode="none", resume=True)
    assert not partial_folder(out).exists()


@pytest.mark.slow
def test_a_folder_claimed_by_this_process_is_taken(tmp_path: Path) -> None:
    with claimed(tmp_path / "index", resume=False):
        with pytest.raises(SemlensError, match="another process is building"):
            check_free(tmp_path / "index", resume=False)
        with holding(tmp_path / "other") as other:
            other.communicate("")
    check_free(tmp_path / "index", resume=False)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SemlensError, match=r"cannot write to .*index.partial: Not a directory; give another --out"):
        build(colours(), random_images(3), LAYERS, ColourSpace(), tmp_path / "file" / "index", k=1)
