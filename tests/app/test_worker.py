"""What needs the models: new texts, images, heat maps, edges; asked of real, small ones in processes of their own."""

import gc
import io
import weakref
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semlens.analysis.ask import ask, load
from semlens.analysis.graph.graph import graph
from semlens.analysis.probe import probe_images
from semlens.analysis.search import search
from semlens.app.jobs import Worker
from semlens.app.session import Session, open_session
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.model.loading import load_model
from semlens.pipeline.build import build
from semlens.revisit.example_heatmaps import portraits
from semlens.revisit.graph_edges import flows
from semlens.testbed import SHORTCUT, World, write_world
from semlens.testbed.world.files import TABLE
from semlens.views.heatmap import heated
from tests.app.test_answers import arrays, metadata, refused, settled, tree
from tests.planted import planted

pytestmark = pytest.mark.slow

MODEL = "testbed:shortcut"


@dataclass(frozen=True)
class Place:
    pictures: str
    index: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("worker")
    write_world(World.of(SHORTCUT, 30, 5), folder / "world", workers=0)
    at = Place(str(folder / "world" / TABLE), folder / "index")
    build(
        load_model(MODEL), load_images(at.pictures), ["block3", "block4"], load_foundation("testbed:clip"), at.index,
        k=3, crop="activation", classes=("melanoma", "other"), workers=0,
    )  # fmt: skip
    return at


@pytest.fixture(scope="module")
def session(place: Place) -> Iterator[Session]:
    opened = open_session([place.index], images=[place.pictures], model=[MODEL])
    yield opened
    opened.close()


def test_a_new_text_is_embedded_in_a_process_of_its_own(session: Session) -> None:
    index = session.opened[0].index
    found = arrays(session, "0/search", text="a ruler beside a lesion")
    hits = search(index, ask(index.recipe.foundation, ["a ruler beside a lesion"]), top=5, by="examples")
    order = np.argsort(-found["alignment"], kind="stable")[:5]
    assert [str(index.component(int(row))) for row in order] == [str(hit.component) for hit in hits]


def test_an_image_finds_what_its_embedding_finds(session: Session, place: Place) -> None:
    index, picture = session.opened[0].index, load_images(place.pictures).load(4)
    file = io.BytesIO()
    picture.save(file, "PNG")
    name = tree(session, "POST", "0/image", file.getvalue())["id"]
    found = arrays(session, "0/search", image=name)
    probes = probe_images(load(index.recipe.foundation), [picture])
    expected = index.means.astype(np.float32) @ probes.vectors[0]
    np.testing.assert_allclose(found["similarity"], expected, atol=2e-3)
    assert refused(session, "POST", "0/image", b"no image")[0] == 400


def test_whole_images_have_the_crop_framed(session: Session, place: Place) -> None:
    index = session.opened[0].index
    image = int(index.ids[70, 0])
    whole = Image.open(io.BytesIO(settled(session, "GET", f"0/whole/{image}.webp").body))
    framed = Image.open(io.BytesIO(settled(session, "GET", "0/frame/70/0.webp").body))
    photo = load_images(place.pictures).load(image)
    assert max(whole.size) == 512
    assert whole.size == framed.size
    small = np.asarray(photo.resize(whole.size), float)
    assert np.abs(np.asarray(whole.convert("RGB"), float) - small).mean() < 8
    assert np.abs(np.asarray(framed.convert("RGB"), float) - np.asarray(whole.convert("RGB"), float)).max() > 60


def test_whole_images_are_kept_with_their_index_and_freed_with_it(place: Place) -> None:
    session = open_session([place.index], images=[place.pictures])
    opened = session.opened[0]
    image, crop = int(opened.index.ids[70, 0]), int(opened.index.rows[70, 0])
    whole, framed = (settled(session, "GET", path).body for path in (f"0/whole/{image}.webp", "0/frame/70/0.webp"))
    assert (opened.pictures.get(image), opened.pictures.get((image, crop))) == (whole, framed)
    index = weakref.ref(opened.index)
    session.close()
    del session, opened
    gc.collect()
    assert index() is None


def test_heat_maps_are_the_portraits(session: Session, place: Place) -> None:
    index = session.opened[0].index
    assert tree(session, "GET", "0/heat/70") == {"slots": [0, 1, 2]}
    shown = Image.open(io.BytesIO(settled(session, "GET", "0/heat/70/1.webp").body)).convert("RGB")
    images = load_images(place.pictures)
    (row,) = portraits(index, load_model(MODEL), images, [index.component(70)], examples=3)
    expected = heated(row.examples, 512)[1]
    assert shown.size == expected.size
    assert np.abs(np.asarray(shown, float) - np.asarray(expected, float)).mean() < 4
    assert refused(session, "GET", "0/heat/70/3.webp") == (404, "there is no heat map 3")


def test_edges_are_those_of_the_verb(session: Session, place: Place) -> None:
    index = session.opened[0].index
    found = tree(session, "GET", "0/graph", **{"class": "1", "edges": "1"})
    made = flows(index, 1, load_model(MODEL), load_images(place.pictures))
    expected = graph(index, 1, edges=made)
    assert found["edges_possible"]
    assert len(found["links"]) == len(expected.edges)
    assert found["links"][0]["weight"] == pytest.approx(expected.edges[0].weight, rel=1e-4)


def test_a_map_is_drawn_where_none_is_stored(tmp_path: Path) -> None:
    """Of so few components that UMAP need not be compiled; that it draws in a worker too is tested with the atlas."""
    planted([(c,) for c in range(5)], absent={3: 10}).save(tmp_path / "few")
    with closing(open_session([tmp_path / "few"])) as session:
        index, found = session.opened[0].index, arrays(session, "0/atlas")
        assert index.dead.tolist() == [False, False, False, True, False]
        assert (np.isnan(found["x"]) == index.dead).all()
        assert ((found["cluster"] == -1) == index.dead).all()
        drawn_by = metadata(session, "0/atlas")["drawing"]
        assert drawn_by == ("umap" if find_spec("umap") else "principal")


def test_other_images_than_the_indexs_are_refused(place: Place, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(SemlensError, match="does not hold the images the index was made from"):
        open_session([place.index], images=[str(tmp_path)])


def test_images_are_read_as_those_of_the_index_were(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGBA", (8, 8), (number, 0, 0, 9 * number)).save(tmp_path / f"{number}.png")
    black = load_images(tmp_path, background="black")
    index = planted([(c,) for c in range(2)])
    images = replace(index.recipe.images, source=black.source, fingerprint=black.fingerprint)
    replace(index, recipe=replace(index.recipe, images=images)).save(tmp_path / "index")
    with closing(open_session([tmp_path / "index"], images=[str(tmp_path)])) as session:
        assert session.opened[0].images == black
    with pytest.raises(SemlensError, match="does not hold the images the index was made from"):
        open_session([tmp_path / "index"], images=[f"{tmp_path}?background=white"])


def test_a_worker_that_ended_is_started_anew(place: Place) -> None:
    worker = Worker()
    try:
        with pytest.raises(SemlensError, match="is not an index"):
            worker.ask("scores", index=str(place.index.parent))
        process = worker._process
        assert process is not None
        process.kill()
        process.wait()
        assert len(worker.ask("scores", index=str(place.index)).arrays["clarity"]) == 224
    finally:
        worker.close()
