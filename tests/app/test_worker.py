"""What needs the models: new texts, images, heat maps, edges; asked of real, small ones in processes of their own."""

import gc
import io
import json
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semlens.analysis.ask import ask, ask_spec, load
from semlens.analysis.audit import audit, check_spec
from semlens.analysis.graphs.relevance_graph import graph
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
from semlens.revisit.verify_audit import verify_audit
from semlens.testbed import SHORTCUT, World, write_world
from semlens.testbed.world import CONCEPTS
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
    opened = replace(opened, own=opened.model)  # one process, which loads the model once
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


def test_an_audit_is_put_to_the_test_as_by_the_verb(session: Session, place: Place) -> None:
    phrases = [concept.phrases[0] for concept in CONCEPTS]
    spec = {
        "output": "melanoma",
        "valid": phrases[:1],
        "spurious": phrases[1:],
        "fdr": 0.3,
    }  # so few images show little
    index, asked = session.opened[0].index, check_spec(spec)
    audited = audit(index, asked, ask_spec(index.recipe.foundation, asked, index=index))
    expected = verify_audit(audited, load_model(MODEL), load_images(place.pictures))
    found = tree(session, "POST", "0/verify", {"spec": spec})
    assert [(one["concept"], one["layer"]) for one in found] == [(one.concept, one.layer) for one in expected]
    assert [one["fall"] for one in found] == pytest.approx([one.fall for one in expected], abs=1e-3)
    assert found


def test_what_outputs_lose_without_a_component(session: Session, place: Place) -> None:
    index, images, model = session.opened[0].index, load_images(place.pictures), load_model(MODEL)
    row = int(np.flatnonzero(~index.dead)[80])
    component = index.component(row)
    found = tree(session, "GET", f"0/removed/{row}")
    assert [one["name"] for one in found] == [["melanoma", "other"][one["output"]] for one in found]
    ids = sorted({*range(len(images))})  # fewer than it would draw from: all are looked at
    x = torch.stack([model.preprocess(images.load(number)) for number in ids]).to(model.dtype)
    layer = model.net.get_submodule(component.layer)
    with torch.no_grad():
        seen = []
        with layer.register_forward_hook(lambda *args: seen.append(args[2].clone())):
            intact = model.net(x)
        mean = seen[0][:, component.unit].mean()

        def silence(*args: torch.Tensor) -> torch.Tensor:
            output = args[2].clone()
            output[:, component.unit] = mean
            return output

        with layer.register_forward_hook(silence):  # type: ignore[arg-type]
            fall = intact - model.net(x)
    own = (fall[:, 0] - fall[:, 1]).numpy()
    strongest = sorted(set(index.ids[row][index.valid[row]].tolist()))
    told = next(one for one in found if one["output"] == 0)
    assert told["fall"] == pytest.approx(float(own[strongest].mean()), abs=2e-3)
    rest = [number for number in ids if number not in strongest]
    assert told["elsewhere"] == pytest.approx(float(own[rest].mean()), abs=2e-3)
    assert told["low"] <= told["fall"] <= told["high"]
    assert (told["images"], told["others"]) == (len(strongest), len(rest))


def send(session: Session, picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return str(tree(session, "POST", "0/image", file.getvalue())["id"])


def test_a_picture_of_ones_own_is_seen_as_the_model_sees_it(session: Session, place: Place) -> None:
    index, images, model = session.opened[0].index, load_images(place.pictures), load_model(MODEL)
    row = int(np.flatnonzero(~index.dead)[40])
    picture = images.load(int(index.ids[row, 0]))  # one of the index, which holds what the row's activation on it is
    name = send(session, picture)
    found, told = arrays(session, "0/own", image=name), metadata(session, "0/own", image=name)
    with torch.no_grad():
        logits = model.net(model.preprocess(picture)[None].to(model.dtype))[0].float().numpy()
    np.testing.assert_allclose(found["logits"], logits, rtol=1e-4, atol=1e-4)
    assert json.loads(told["names"]) == ["melanoma", "other"]
    assert json.loads(told["output"]) == int(logits.argmax())
    assert found["activations"][row] == pytest.approx(float(index.activations[row, 0]), rel=1e-3)
    for axis in index.layers:
        assert np.abs(found["relevance"][axis.start : axis.stop]).sum() == pytest.approx(1, abs=1e-4)
    other = 1 - int(logits.argmax())
    mirrored = arrays(session, "0/own", image=name, output=str(other))
    assert (mirrored["relevance"] * found["relevance"]).sum() < 0  # what speaks for one of two speaks against the other
    assert refused(session, "GET", "0/own", image=name, output="2")[0] == 400


def test_components_are_switched_off_and_moved(session: Session, place: Place) -> None:
    index, model = session.opened[0].index, load_model(MODEL)
    name, axis = send(session, load_images(place.pictures).load(4)), index.layers[0]
    units = [3, 7]
    x = model.preprocess(load_images(place.pictures).load(4))[None].to(model.dtype)

    def expected(change: Callable[[torch.Tensor], torch.Tensor]) -> list[float]:
        hook = model.net.get_submodule(axis.layer).register_forward_hook(lambda *args: change(args[2].clone()))
        with hook, torch.no_grad():
            return [float(value) for value in model.net(x)[0]]

    def off(output: torch.Tensor) -> torch.Tensor:
        output[:, units] = 0
        return output

    def strongest(output: torch.Tensor) -> torch.Tensor:
        for unit in units:
            output[:, unit] += (
                float(index.activations[axis.start + unit, 0]) - output[:, unit].mean()
            )  # what the index pools by
        return output

    for setting, change in (("off", off), ("strongest", strongest)):
        chosen = {"rows": [axis.start + unit for unit in units], "setting": setting}
        logits = tree(session, "POST", "0/own/without", chosen, image=name)["logits"]
        assert logits == pytest.approx(expected(change), rel=1e-3, abs=1e-3)
    wrong: list[tuple[list[object], str]] = [([], "off"), ([10**6], "off"), ([-1], "off"), ([True], "off"), ([1], "on")]
    for rows, other in wrong:
        refusal = refused(session, "POST", "0/own/without", {"rows": rows, "setting": other}, image=name)
        assert refusal[0] == 400


def test_heat_over_a_picture_of_ones_own_is_the_portraits(session: Session, place: Place) -> None:
    index, images = session.opened[0].index, load_images(place.pictures)
    name = send(session, images.load(int(index.ids[70, 0])))
    shown = Image.open(io.BytesIO(settled(session, "GET", "0/own/heat.webp", image=name, row="70").body)).convert("RGB")
    (row,) = portraits(index, load_model(MODEL), images, [index.component(70)], examples=1)
    example = replace(row.examples[0], crop=None)
    expected = heated([example], 512)[0]
    assert shown.size == expected.size
    assert np.abs(np.asarray(shown, float) - np.asarray(expected, float)).mean() < 4
    whole = settled(session, "GET", "0/own/heat.webp", image=name, output="0").body
    assert Image.open(io.BytesIO(whole)).size == shown.size
    assert refused(session, "GET", "0/own/heat.webp", image=name, row="9999")[0] == 404
    assert refused(session, "GET", "0/own/heat.webp", image=name, output="-1")[0] == 400


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
            worker.ask("scores", index=str(place.index.parent), untrained=[])
        process = worker._process
        assert process is not None
        process.kill()
        process.wait()
        assert len(worker.ask("scores", index=str(place.index), untrained=[]).arrays["clarity"]) == 224
    finally:
        worker.close()
