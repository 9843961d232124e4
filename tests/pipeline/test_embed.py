import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlens.analysis.probe import probe
from semlens.analysis.search import search
from semlens.collection.collect import collect
from semlens.errors import SemlensError
from semlens.images import load_images
from semlens.numerics.vectors import unit
from semlens.pipeline import pieces
from semlens.pipeline.embed import RANDOM_COMPONENTS, embed
from semlens.types import MISSING, Component
from tests.toy import ColourSpace, colours, flat_images, random_images

PRIMARIES = [(200, 0, 0), (0, 150, 0), (0, 0, 90), (120, 120, 120), (10, 0, 0)]


def test_each_distinct_image_is_embedded_once() -> None:
    """C of PERFORMANCE: the published package embeds every image of the data set, needed or not."""
    fm = ColourSpace()
    images = random_images(30)
    examples = collect(colours(), images, ["act", "fc"], k=3)
    index = embed(examples, images, fm)
    assert fm.embedded == len(np.unique(examples.ids[examples.valid])) < 30
    assert len(index.vectors) == fm.embedded
    assert np.array_equal(index.sources, np.unique(examples.ids[examples.valid]))


def test_semantic_embeddings_are_means_of_unit_vectors() -> None:
    images = flat_images(PRIMARIES)
    examples = collect(colours(), images, ["act"], k=2)
    index = embed(examples, images, ColourSpace())
    for c in range(3):
        assert index.example_names(c) == tuple(images.names[i] for i in examples.ids[c][examples.valid[c]])
        vectors = [unit(np.array(PRIMARIES[i], dtype=np.float32)) for i in examples.ids[c][examples.valid[c]]]
        np.testing.assert_allclose(index.means[c].astype(np.float32), unit(np.mean(vectors, axis=0)), atol=2e-3)


def test_a_dead_component_has_a_zero_vector_and_is_never_found() -> None:
    images = flat_images([(200, 0, 0), (100, 90, 0)])
    index = embed(collect(colours(), images, ["act"], k=2), images, ColourSpace())
    assert index.dead.tolist() == [False, False, True]
    assert (index.means[2] == 0).all()
    assert (index.rows[2] == MISSING).all()
    hits = search(index, probe(ColourSpace(), ["green"], null="none"), top=5)
    assert [hit.component for hit in hits] == [Component("act", 1), Component("act", 0)]


def test_boxes_are_the_whole_image_and_thumbnails_show_it() -> None:
    images = load_images([Image.new("RGB", (300, 150), "red"), Image.new("RGB", (40, 80), "blue")])
    index = embed(collect(colours(), images, ["act"], k=1), images, ColourSpace())
    assert index.boxes.tolist() == [[0, 0, 300, 150], [0, 0, 40, 80]]
    shown = Image.open(io.BytesIO(index.thumbnails.get(0)))
    assert shown.size == (128, 64)
    assert np.abs(np.asarray(shown, dtype=int)[30, 60] - [255, 0, 0]).max() < 12


def test_crops_are_cut_from_the_original_without_stretching() -> None:
    """T13: grey 102 to 115 became 0 to 255."""
    pixels = np.full((64, 64, 3), 102, dtype=np.uint8)
    pixels[:16, :16] = (115, 102, 102)
    images = load_images([Image.fromarray(pixels), Image.new("RGB", (8, 8), (60, 60, 60))])
    fm = ColourSpace()
    examples = collect(colours(), images, ["act"], k=1)
    index = embed(examples, images, fm, crop="activation", model=colours())
    red = index.rows[0, 0]
    assert index.sources[red] == 0
    left, top, right, bottom = index.boxes[red].tolist()
    expected = pixels[top:bottom, left:right].mean((0, 1))
    np.testing.assert_allclose(index.vectors[red].astype(float), expected / np.linalg.norm(expected), atol=2e-3)
    assert index.recipe.crop.kind == "activation"
    assert index.recipe.crop.parameters == {"threshold": 0.5, "minimum": 0.21}


@pytest.mark.parametrize("place", [(0, 0), (0, 20), (20, 0), (44, 44)])
def test_a_crop_at_any_edge_shows_its_box_and_nothing_else(place: tuple[int, int]) -> None:
    left, top = place
    pixels = np.full((64, 64, 3), (0, 100, 0), dtype=np.uint8)
    pixels[top : top + 20, left : left + 20] = (200, 0, 0)
    images = load_images([Image.fromarray(pixels), Image.new("RGB", (64, 64), (0, 200, 0))])
    index = embed(
        collect(colours(), images, ["act"], k=1, pool="max"), images, ColourSpace(), crop="activation", model=colours()
    )
    red = index.rows[0, 0]
    x, y, right, bottom = index.boxes[red].tolist()
    assert (x <= left, y <= top, right >= left + 16, bottom >= top + 16) == (True,) * 4
    assert (right - x) * (bottom - y) < 64 * 64 / 2
    shown = unit(pixels[y:bottom, x:right].mean((0, 1)).astype(np.float32))
    np.testing.assert_allclose(index.vectors[red].astype(float), shown, atol=2e-3)
    assert shown[0] > 0.8 > 2 * unit(pixels.mean((0, 1)).astype(np.float32))[0]  # red, and the whole image is green
    assert Image.open(io.BytesIO(index.thumbnails.get(int(red)))).size == (right - x, bottom - y)


def test_an_index_just_made_can_be_pickled() -> None:
    images = random_images(9)
    index = embed(collect(colours(), images, ["act", "fc"], k=2), images, ColourSpace())
    again = pickle.loads(pickle.dumps(index))
    for name in ("means", "vectors", "rows", "boxes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(index, name))
    assert again.unit_names == index.unit_names == (None,) * 3 + ("red", "green", "blue", "not red")
    assert again.images.names == images.names
    assert again.thumbnails.get(0) == index.thumbnails.get(0)
    assert (again.relevance, again.labels) == (None, None)


def test_the_baseline_is_random_examples_of_the_index() -> None:
    images = random_images(20)
    index, again = (embed(collect(colours(), images, ["act"], k=3), images, ColourSpace(), seed=s) for s in (0, 0))
    other = embed(collect(colours(), images, ["act"], k=3), images, ColourSpace(), seed=1)
    assert index.random.shape == (RANDOM_COMPONENTS, 3)
    assert np.array_equal(index.random, again.random)
    assert not np.array_equal(index.random, other.random)
    np.testing.assert_allclose(np.linalg.norm(index.random.astype(float), axis=1), 1, atol=2e-3)


def test_embedding_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_CHUNK", 4)
    images = random_images(30)
    examples = collect(colours(), images, ["act", "fc"], k=4)
    whole = embed(examples, images, ColourSpace())

    class Stop(Exception):
        pass

    def stop(step: str, done: int, total: int) -> None:
        if step == "embed" and done > 6:
            raise Stop

    with pytest.raises(Stop):
        embed(examples, images, ColourSpace(), batch_size=2, keep=tmp_path, progress=stop)
    fm = ColourSpace()
    resumed = embed(examples, images, fm, batch_size=2, keep=tmp_path)
    assert fm.embedded == len(whole.vectors) - 4
    assert np.array_equal(resumed.vectors, whole.vectors)
    assert resumed.thumbnails.data.tobytes() == whole.thumbnails.data.tobytes()
    (tmp_path / "vectors-00000000.safetensors").write_bytes(b"damaged")
    fm = ColourSpace()
    embed(examples, images, fm, keep=tmp_path)
    assert fm.embedded == 4
    fm = ColourSpace("another")
    embed(examples, images, fm, keep=tmp_path)
    assert fm.embedded == len(whole.vectors)


def test_mistakes() -> None:
    images = random_images(5)
    examples = collect(colours(), images, ["act"], k=2)
    with pytest.raises(SemlensError, match="unknown crop 'activations'; nearest: activation"):
        embed(examples, images, ColourSpace(), crop="activations")
    with pytest.raises(SemlensError, match="give embed the model"):
        embed(examples, images, ColourSpace(), crop="activation")
    with pytest.raises(SemlensError, match="not these images"):
        embed(examples, random_images(5, seed=3), ColourSpace())


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (8, 8), (50 * i + 50, 0, 0)).save(tmp_path / f"{i}.png")
    images = load_images(tmp_path)
    examples = collect(colours(), images, ["act"], k=2)
    (tmp_path / "2.png").unlink()
    with pytest.raises(SemlensError, match=r"2\.png could be read when"):
        embed(examples, images, ColourSpace())
