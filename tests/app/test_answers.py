"""What the app answers, without a server: the same as the verbs give, and a sentence for what cannot be answered."""

import gc
import io
import json
import time
import weakref
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load

from semlens.analysis.ask import ask
from semlens.analysis.audit.audit import audit
from semlens.analysis.audit.spec import check_spec
from semlens.analysis.comparisons import compare
from semlens.analysis.graphs.relevance_graph import graph
from semlens.analysis.labels.labelling import label
from semlens.analysis.outputs import relevance_of
from semlens.analysis.probe import Probes
from semlens.analysis.results import plain
from semlens.analysis.scores import score
from semlens.analysis.search import aligned_baseline, search
from semlens.app.export import PER_FILE, _kept
from semlens.app.jobs import Job
from semlens.app.request import Answer, Request
from semlens.app.routes import answer
from semlens.app.session import Recent, Session, open_session
from semlens.index.encodings import Encodings
from semlens.index.index import ConceptIndex, load_index
from semlens.index.records import Thumbnails
from semlens.types import Component
from tests.app.conftest import LAYERS, WORDS, known, picture
from tests.encoded_audit import encoded_index
from tests.planted import SPACE

pytestmark = pytest.mark.slow

SPEC = {
    "output": "cat",
    "valid": ["concept 0", "concept 1"],
    "spurious": ["concept 5"],
    "requirements": ["relevance_mass(spurious) <= 0.1"],
}


def settled(session: Session, method: str, path: str, body: Any = None, **query: str) -> Answer:
    """The answer, once it is there."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    for _ in range(600):
        found = answer(session, Request(method, path, query, data))
        if found.status != 202:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path} is still being computed")


def tree(session: Session, method: str, path: str, body: Any = None, **query: str) -> Any:
    found = settled(session, method, path, body, **query)
    assert found.status == 200, found.body
    return json.loads(found.body)


def arrays(session: Session, path: str, **query: str) -> dict[str, np.ndarray]:
    found = settled(session, "GET", path, **query)
    assert found.status == 200, found.body
    return load(found.body)


def metadata(session: Session, path: str, **query: str) -> dict[str, str]:
    body = settled(session, "GET", path, **query).body
    told: dict[str, str] = json.loads(
        json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])["__metadata__"]["told"]
    )
    return told


def refused(session: Session, method: str, path: str, body: Any = None, **query: str) -> tuple[int, str]:
    found = settled(session, method, path, body, **query)
    return found.status, json.loads(found.body)["error"]


@pytest.fixture
def index(session: Session) -> ConceptIndex:
    return session.opened[0].index


def test_the_session_says_what_is_there(session: Session, index: ConceptIndex) -> None:
    found = tree(session, "GET", "session")
    (info,) = found["indexes"]
    assert info["components"] == sum(LAYERS)
    assert [layer["layer"] for layer in info["layers"]] == ["layer0", "layer1", "layer2"]
    assert [layer["dead"] for layer in info["layers"]] == [1, 0, 0]
    assert info["classes"] == [{"name": "cat", "number": 0, "images": 50}, {"name": "dog", "number": 1, "images": 50}]
    assert info["foundation"]["licence"] == "CC0-1.0"
    assert (info["whole"], info["heat"], found["comparable"]) == (False, False, False)
    assert found["can"] == {"search": True, "annotate": True, "audit": True, "parquet": True}


def test_the_base_columns_are_the_index(session: Session, index: ConceptIndex) -> None:
    found = arrays(session, "0/base")
    assert found["layer"].tolist() == [0] * LAYERS[0] + [1] * LAYERS[1] + [2] * LAYERS[2]
    assert (found["dead"] == index.dead).all()
    assert found["crop"][LAYERS[0] - 1] == -1
    alive = ~index.dead
    assert (found["crop"][alive] == index.rows[alive, 0]).all()
    assert (found["examples"] == index.valid.sum(axis=1)).all()
    np.testing.assert_allclose(found["fired"], index.fired / 600, rtol=1e-6)
    assert np.isnan(found["strongest"][~alive]).all()


def test_labels_are_those_of_the_verb(session: Session, index: ConceptIndex) -> None:
    found, said = arrays(session, "0/labels"), metadata(session, "0/labels")
    expected = label(index, ask(index.recipe.foundation, WORDS))
    phrases = json.loads(said["phrases"])
    assert [phrases[at] if at >= 0 else None for at in found["label"]] == [
        expected.of(row) for row in range(len(index.rows))
    ]
    assert [phrases[at] if at >= 0 else "" for at in found["best"]] == [
        expected.best(row) for row in range(len(index.rows))
    ]
    np.testing.assert_allclose(found["p_value"], expected.p_value, rtol=1e-6)
    assert float(said["fdr"]) == expected.fdr
    assert (found["label"] >= 0).sum() > 20


def test_scores_are_those_of_the_verb(session: Session, index: ConceptIndex) -> None:
    found, expected = arrays(session, "0/scores"), score(index)
    np.testing.assert_allclose(found["clarity"], expected.clarity, rtol=1e-5)
    np.testing.assert_allclose(found["redundancy"], expected.redundancy, rtol=1e-5)
    summary = json.loads(metadata(session, "0/scores")["summary"])
    for told, row in zip(summary, expected.summary.records(), strict=True):
        words = ("layer", "measure", "untrained")
        assert [told[name] for name in words] == [row[name] for name in words]
        figures = {name: value for name, value in row.items() if name not in words}
        assert {name: value for name, value in told.items() if name not in words} == pytest.approx(figures, rel=1e-5)


def test_the_map_has_a_place_for_all_but_the_dead(session: Session, index: ConceptIndex) -> None:
    found = arrays(session, "0/atlas")
    assert (np.isnan(found["x"]) == index.dead).all()
    assert (np.isnan(found["y"]) == index.dead).all()
    assert ((found["cluster"] == -1) == index.dead).all()
    assert np.bincount(found["cluster"][~index.dead]).argmax() == 0


def test_relevance_is_the_stored_one(session: Session, index: ConceptIndex) -> None:
    found = arrays(session, "0/relevance/1")
    np.testing.assert_array_equal(found["positive"], relevance_of(index).positive[:, 1])
    np.testing.assert_array_equal(found["negative"], relevance_of(index).negative[:, 1])
    assert refused(session, "GET", "0/relevance/7")[0] == 400


def test_a_search_ranks_as_the_verb(session: Session, index: ConceptIndex) -> None:
    found = arrays(session, "0/search", text="concept 3")
    hits = search(index, ask(index.recipe.foundation, ["concept 3"]), top=10)
    order = np.lexsort((np.arange(len(index.rows)), -np.nan_to_num(found["alignment"], nan=-np.inf)))
    assert [str(index.component(int(row))) for row in order[:10]] == [str(hit.component) for hit in hits]
    np.testing.assert_allclose(found["similarity"][order[:10]], [hit.similarity for hit in hits], atol=1e-5)
    assert np.isnan(found["similarity"][index.dead]).all()
    assert float(metadata(session, "0/search", text="concept 3")["aligned"]) == pytest.approx(
        float(aligned_baseline(index, ask(SPACE, ["concept 3"]))[0]), abs=1e-6
    )
    assert float(metadata(session, "0/search", text="concept 3")["baseline"]) == pytest.approx(
        hits[0].baseline, abs=1e-6
    )


@pytest.fixture
def encoded(stored: Path, tmp_path: Path) -> Iterator[Session]:
    """A session over an index with encodings, and a picture of every second image that was kept."""
    index = encoded_index([{0: 1.0}, {3: 1.0}, {3: 0.5, 4: 1.0}, {}], [0.4, 0.3, 0.2, 0.1])
    kept = index.encodings
    assert kept is not None
    shown = Thumbnails.pack([picture(image) if image % 2 == 0 else b"" for image in kept.ids.tolist()])
    replace(index, read_thumbnails=lambda: Thumbnails.pack([picture(n) for n in range(600)])).with_addition(
        replace(kept, thumbnails=shown)
    ).save(tmp_path / "encoded")
    opened = open_session([tmp_path / "encoded"], vocabulary=str(stored.parent / "words.txt"))
    yield opened
    opened.close()


def test_a_search_ranks_by_encoding_where_there_are_any(encoded: Session) -> None:
    index = encoded.opened[0].index
    found, told = arrays(encoded, "0/search", text="concept 3"), metadata(encoded, "0/search", text="concept 3")
    hits = search(index, ask(index.recipe.foundation, ["concept 3"]), top=4)
    rows = np.argsort(-found["effect"])
    assert [int(row) for row in rows] == [index.row(hit.component) for hit in hits]
    assert rows[0] == 1
    np.testing.assert_allclose(found["effect"][rows], [hit.effect for hit in hits], rtol=1e-5)
    np.testing.assert_allclose(found["effect"][rows] / float(told["error"]), [hit.z for hit in hits], rtol=1e-4)
    assert float(told["chance"]) / float(told["error"]) == pytest.approx(hits[0].permuted, rel=1e-5)
    assert (told["by"], told["remark"]) == ("encoding", "")
    assert "similarity" in found


def test_a_component_shows_images_of_lower_levels(encoded: Session) -> None:
    index = encoded.opened[0].index
    kept = index.encodings
    assert kept is not None
    levels = tree(encoded, "GET", "0/component/1")["levels"]
    (ids,) = kept.level_ids([1]).tolist()
    expected = [(level, image) for level, image in zip((0.99, 0.9, 0.5), reversed(ids), strict=True) if image % 2 == 0]
    assert expected
    assert [(one["quantile"], one["image"]) for one in levels] == expected
    assert levels[0]["name"] == index.images.names[expected[0][1]]
    for _, image in expected:
        assert settled(encoded, "GET", f"0/kept/{image}.webp").body == picture(image)
    assert refused(encoded, "GET", "0/kept/1.webp") == (404, "there is no picture of image 1")
    assert refused(encoded, "GET", "0/kept/99999.webp")[0] == 404


def test_a_label_by_encoding_is_told_by_z(encoded: Session) -> None:
    settled(encoded, "GET", "0/labels")
    told = tree(encoded, "GET", "0/component/1")["label"]
    own = label(encoded.opened[0].index, ask(SPACE, WORDS)).at(1)
    assert (told["by"], told["label"], told["z"], told["alignment"]) == ("encoding", "concept 3", own.z, None)
    assert [one["z"] for one in told["runners_up"]] == [one.z for one in own.runners_up]
    assert metadata(encoded, "0/labels")["by"] == "encoding"


def test_an_index_without_encodings_has_no_levels(session: Session) -> None:
    assert tree(session, "GET", "0/component/25")["levels"] == []
    assert refused(session, "GET", "0/kept/0.webp") == (404, "there is no picture of image 0")
    assert metadata(session, "0/search", text="concept 3")["by"] == "examples"


def test_levels_are_exported_too(encoded: Session, tmp_path: Path) -> None:
    written = dict(_kept(encoded.opened[0]))
    kept = encoded.opened[0].index.encodings
    assert kept is not None
    shown = [int(image) for image in np.unique(kept.level_ids()) if image % 2 == 0]
    for image in shown:
        packed = load(written[f"0/kept/{image // PER_FILE}"])
        start, stop = packed["offsets"][image % PER_FILE : image % PER_FILE + 2].tolist()
        assert packed["data"][start:stop].tobytes() == picture(image)


def test_a_text_that_cannot_be_embedded_is_refused(session: Session) -> None:
    status, said = refused(session, "GET", "0/search", text="never asked")
    assert status == 400
    assert "toy:planted" in said
    assert refused(session, "GET", "0/search", text="  ")[1] == "ask for a text of 1 to 1,000 letters"
    assert refused(session, "GET", "0/search", text="x" * 1001)[0] == 400
    assert refused(session, "GET", "0/search", image="0" * 16) == (
        404,
        "this picture was sent in another session, or too many after it: drop it here again",
    )


def test_an_image_is_searched_by_its_id(session: Session, index: ConceptIndex) -> None:
    foundation, vector = index.recipe.foundation, index.means[5:6].astype(np.float32)
    session.sent.put((0, "abc"), Image.new("RGB", (4, 4)))
    probes = Probes(("an image",), vector, 0 * vector, foundation)
    session.jobs.get(("probe image", 0, foundation.digest, "abc"), Job(0, "tower"), lambda _: probes, wait=5.0)
    found = arrays(session, "0/search", image="abc")
    assert int(np.nanargmax(found["alignment"])) == 5


def test_a_picture_finds_the_crops_that_are_most_like_it_one_of_an_image(session: Session, index: ConceptIndex) -> None:
    foundation, crop = index.recipe.foundation, 17
    vector = index.vectors[crop : crop + 1].astype(np.float32)
    session.sent.put((0, "abc"), Image.new("RGB", (4, 4)))
    probes = Probes(("an image",), vector, 0 * vector, foundation)
    session.jobs.get(("probe image", 0, foundation.digest, "abc"), Job(0, "tower"), lambda _: probes, wait=5.0)
    found = tree(session, "GET", "0/own/similar", image="abc")
    similarity = index.vectors.astype(np.float32) @ vector[0]
    best: dict[int, float] = {}
    for image, value in zip(index.sources.tolist(), similarity.tolist(), strict=True):
        best[image] = max(best.get(image, -1.0), value)
    assert found[0]["image"] == index.sources[crop]
    assert [one["similarity"] for one in found] == pytest.approx(sorted(best.values(), reverse=True)[:12], abs=1e-6)
    assert len({one["image"] for one in found}) == len(found)


def test_a_picture_that_is_sent_is_kept_small_and_only_the_last_ones_are(session: Session) -> None:
    file = io.BytesIO()
    Image.new("RGB", (3000, 30), "red").save(file, "PNG")
    told = tree(session, "POST", "0/image", file.getvalue())
    assert (told["width"], told["height"], told["reduced"]) == (3000, 30, True)
    kept = session.sent.get((0, told["id"]))
    assert kept is not None
    assert kept.size == (2048, 20)
    assert session.sent.get((1, told["id"])) is None  # another index reads pictures in a way of its own
    for number in range(8):
        session.sent.put((0, str(number)), kept)
    assert refused(session, "GET", "0/own/similar", image=told["id"])[0] == 404


def test_what_a_model_makes_of_a_picture_needs_the_model(session: Session) -> None:
    session.sent.put((0, "abc"), Image.new("RGB", (4, 4)))
    needs = (404, "what the model makes of a picture needs the model: start with --model MODEL")
    assert refused(session, "GET", "0/own", image="abc") == needs
    assert refused(session, "GET", "0/own/ready") == needs
    assert not tree(session, "GET", "session")["indexes"][0]["own"]


def test_a_component_is_described(session: Session, index: ConceptIndex) -> None:
    settled(session, "GET", "0/labels")
    found = tree(session, "GET", "0/component/25")
    assert (found["component"], found["layer"], found["unit"]) == ("layer1:5", "layer1", 5)
    assert [one["crop"] for one in found["examples"]] == index.rows[25].tolist()
    assert [one["name"] for one in found["examples"]] == [f"{image}.png" for image in index.ids[25]]
    assert found["examples"][0]["activation"] == 2
    labels = label(index, ask(index.recipe.foundation, WORDS))
    assert found["label"]["best"] == labels.best(25)
    assert found["label"]["p_value"] == pytest.approx(labels.p_value[25])
    shares = relevance_of(index).positive[25]
    assert [one["class"] for one in found["relevance"]] == ["cat", "dog"] if shares[0] >= shares[1] else ["dog", "cat"]
    near = index.means.astype(np.float32) @ index.means[25].astype(np.float32)
    near[25] = -1
    assert found["neighbours"][0]["row"] == int(near.argmax())
    assert found["elsewhere"] == []


def test_a_dead_component_is_described_too(session: Session) -> None:
    found = tree(session, "GET", f"0/component/{LAYERS[0] - 1}")
    assert found["dead"]
    assert found["examples"] == []
    assert found["neighbours"] == []
    assert found["label"] is None


@pytest.mark.parametrize(
    "path", ["9/base", "0/component/90", "0/component/999999999", "0/crop/600.webp", "0/whole/700.webp",
             "0/frame/5/9.webp", "0/frame/5/0.webp", "0/whole/5.webp", "0/heat/5", "0/nothing", "", "0/component/1/",
             "0/crop/-1.webp", "0/component/\u0661"],
)  # fmt: skip
def test_what_is_not_there_is_a_404_with_a_sentence(session: Session, path: str) -> None:
    status, said = refused(session, "GET", path)
    assert status == 404
    assert said


def test_crops_are_the_thumbnails(session: Session, index: ConceptIndex) -> None:
    found = settled(session, "GET", "0/crop/7.webp")
    assert found.media == "image/webp"
    assert found.body == index.thumbnails.get(7)
    assert found.cache == "no-store"
    digest = session.opened[0].digest[:12]
    assert "immutable" in settled(session, "GET", "0/crop/7.webp", v=digest).cache
    assert settled(session, "GET", "0/crop/7.webp", v="0" * 12).cache == "no-store"


def test_an_audit_is_that_of_the_verb(session: Session, index: ConceptIndex) -> None:
    settled(session, "GET", "0/labels")
    found = tree(session, "POST", "0/audit", {"spec": SPEC})
    spec = check_spec(SPEC)
    labels = label(index, ask(index.recipe.foundation, WORDS))
    expected = audit(index, spec, ask(index.recipe.foundation, ["concept 0", "concept 1", "concept 5"]), labels=labels)
    assert found["passed"] == expected.passed
    assert found["masses"] == expected.masses.records()
    assert found["verdicts"] == expected.verdicts.records()
    assert [one["component"] for one in found["rows"]] == [str(one.component) for one in expected.rows]
    first = found["rows"][0]
    assert first["quadrant"] == expected.rows[0].quadrant
    assert first["label"] == plain(expected.rows[0].label)
    assert (first["valid"] > first["valid_critical"]) == (first["quadrant"] in ("valid", "both"))


def test_a_report_is_a_page_to_be_saved(session: Session) -> None:
    found = settled(session, "POST", "0/report", {"spec": SPEC})
    assert (found.status, found.name) == (200, "audit.html")
    assert found.body.startswith(b"<!doctype html>")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({**SPEC, "output": "bird"}, "unknown class 'bird'"),
        ({**SPEC, "requirements": ["be good"]}, "is not understood"),
        ({**SPEC, "colour": 1}, "unknown key"),
        ({**SPEC, "valid": [{"name": "x", "images": ["/etc/passwd"]}]}, "given by images are for the command line"),
    ],
)
def test_a_wrong_spec_is_refused_in_a_sentence(session: Session, spec: dict[str, Any], said: str) -> None:
    status, error = refused(session, "POST", "0/audit", {"spec": spec})
    assert status == 400
    assert said in error


def test_specs_are_shipped_kept_and_forgotten(session: Session) -> None:
    found = tree(session, "GET", "0/specs")
    assert [one["name"] for one in found["shipped"]] == ["melanoma", "ox"]
    assert found["saved"] == []
    kept = tree(session, "POST", "0/specs", {"name": "mine", "spec": SPEC})
    assert kept["saved"] == [{"name": "mine", "spec": SPEC}]
    assert tree(session, "POST", "0/specs", {"name": "mine", "spec": None})["saved"] == []


def test_a_spec_goes_to_yaml_and_back(session: Session) -> None:
    written = settled(session, "POST", "spec/write", {"spec": SPEC, "verdicts": ["not met:\n  0.5"]})
    assert written.body.startswith(b"# not met: 0.5\n")
    assert tree(session, "POST", "spec/read", written.body)["spec"] == SPEC
    assert refused(session, "POST", "spec/read", b"valid: [")[0] == 400
    assert refused(session, "POST", "spec/read", b"\xff\xfe")[1] == "the file is not text in UTF-8"


def test_a_graph_is_that_of_the_verb(session: Session, index: ConceptIndex) -> None:
    settled(session, "GET", "0/labels")
    found = tree(session, "GET", "0/graph", **{"class": "1"})
    expected = graph(index, "dog", labels=label(index, ask(index.recipe.foundation, WORDS)))
    assert [node["id"] for node in found["nodes"]] == [node.id for node in expected.nodes]
    first = expected.nodes[0]
    assert [index.component(row) for row in found["nodes"][0]["rows"]] == list(first.components)
    assert not found["edges_possible"]
    for way in ("right", "up"):
        drawn = found["layouts"][way]
        wide, high = drawn["box"]
        boxes = {box["node"]: box for rank in drawn["ranks"] for box in rank}
        assert sorted(boxes) == list(range(len(found["nodes"])))
        assert [found["nodes"][rank[0]["node"]]["layer"] for rank in drawn["ranks"]] == [*found["layers"], ""]
        assert sorted(line["link"] for line in drawn["lines"]) == list(range(len(found["links"])))
        assert max(box["x"] for box in boxes.values()) + wide + 16 == drawn["width"]
        assert max(box["y"] for box in boxes.values()) + high + 16 == drawn["height"]
    assert refused(session, "GET", "0/graph")[1] == "give the class by its number"


def test_layers_of_one_index_are_compared(session: Session, index: ConceptIndex) -> None:
    found = tree(session, "GET", "compare", a="layer1", b="layer2")
    expected = compare([index, index], layers=[["layer1"], ["layer2"]])
    assert [pair["similarity"] for pair in found["pairs"]] == pytest.approx(
        [pair.similarity for pair in expected.pairs]
    )
    best = found["matches"][0]
    match = next(one for one in expected.matches if one.component == index.component(best["row"]))
    assert index.component(best["match"]) == match.match
    assert refused(session, "GET", "compare", a="layer1", b="layer1")[0] == 400
    words = compare([index, index], layers=[["layer1"], ["layer2"]], vocabulary=ask(SPACE, WORDS)).changes
    assert [(one["label"], one["change"], one["before"], one["after"]) for one in found["changes"]] == [
        (one.label, one.change, one.before, one.after) for one in words
    ]
    told = found["changes"][0]
    assert [index.component(row) for row in told["rows"]] == list(words[0].components)


def test_two_indexes_are_held_against_an_untrained_network(folder: Path, tmp_path: Path) -> None:
    known(seed=3).save(tmp_path / "twin")
    with closing(open_session([folder], untrained=tmp_path / "twin")) as session:
        index, twin = session.opened[0].index, load_index(tmp_path / "twin")
        found = tree(session, "GET", "compare", a="layer0", b="layer2")
        expected = compare([index, index], layers=[["layer0"], ["layer2"]], draws=200, untrained=twin)
        assert [one["untrained"] for one in found["pairs"]] == pytest.approx([one.untrained for one in expected.pairs])
        assert all(one["untrained"] is not None for one in found["changes"])
        assert len(tree(session, "GET", "session")["indexes"]) == 1


def test_the_last_audit_is_remembered_beside_the_specs(session: Session) -> None:
    assert tree(session, "GET", "0/specs")["last"] is None
    verdict = tree(session, "POST", "0/audit", {"spec": SPEC})["verdict"]
    found = tree(session, "GET", "0/specs")
    assert found["last"] == {"spec": SPEC, "output": "cat", "verdict": verdict}
    assert found["saved"] == []
    assert refused(session, "POST", "0/specs", {"name": "", "spec": SPEC})[0] == 400


def test_to_verify_needs_the_model(session: Session) -> None:
    assert "--model MODEL" in refused(session, "POST", "0/verify", {"spec": SPEC})[1]


def test_the_first_view_knows_outputs_and_what_is_explained(tmp_path: Path) -> None:
    index = encoded_index([{0: 1.0}, {1: 1.0}, {2: 1.0}], [0.5, 0.3, 0.2], logits=[{0: 1.0}, {1: 1.0}])
    encodings = index.encodings
    assert encodings is not None
    r2 = np.array([0.9, 0.1, 0.5, 0.0, 0.0], np.float32)  # of three components and two outputs
    kept = {**index.read_additions, Encodings: lambda: replace(encodings, r2=r2)}
    replace(index, read_additions=kept).save(tmp_path / "index")
    with closing(open_session([tmp_path / "index"])) as session:
        (info,) = tree(session, "GET", "session")["indexes"]
    assert info["outputs"] == {"count": 2, "first": list(encodings.outputs)}
    assert info["explained"] == pytest.approx(0.5)


def test_what_people_say_is_kept_and_taken_back(session: Session, index: ConceptIndex) -> None:
    tree(session, "POST", "0/annotations", {"row": 25, "tag": "spurious"})
    tree(session, "POST", "0/annotations", {"row": 25, "note": "a ruler, <b>I think</b>"})
    found = tree(session, "POST", "0/annotations", {"row": 3, "label": "ruler"})
    assert found["rows"] == [
        {"row": 25, "tag": "spurious", "note": "a ruler, <b>I think</b>", "label": ""},
        {"row": 3, "tag": None, "note": "", "label": "ruler"},
    ]
    assert found["undo"] == "label 'ruler' of layer0:3"
    assert len(tree(session, "POST", "0/annotations/undo")["rows"]) == 1
    assert tree(session, "POST", "0/annotations", {"row": 25, "tag": None})["rows"][0]["tag"] is None
    assert tree(session, "GET", "0/annotations")["undo"] == "tag '' of layer1:5"


@pytest.mark.parametrize(
    "body", [{}, {"row": 25}, {"row": "25", "tag": "valid"}, {"row": 25, "tag": "bad"}, {"row": 25, "tag": 1},
             {"row": 25, "tag": "valid", "note": "x"}, {"row": 900, "tag": "valid"}, {"row": -1, "tag": "valid"},
             {"row": 25, "note": "x" * 20_001}, {"row": True, "tag": "valid"}, b"[1]", b"no json", b"[" * 100_000],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(session: Session, body: Any) -> None:
    status, said = refused(session, "POST", "0/annotations", body)
    assert status == 400
    assert said
    assert tree(session, "GET", "0/annotations")["rows"] == []


def test_a_table_becomes_a_parquet_file(session: Session) -> None:
    import io

    import pyarrow.parquet as pq

    columns = {"component": ["layer0:1", "layer0:2"], "clarity": [0.5, None]}
    found = settled(session, "POST", "0/table.parquet", {"name": "../all <components>", "columns": columns})
    assert found.name == "all-components.parquet"
    assert pq.read_table(io.BytesIO(found.body)).to_pydict() == columns
    assert refused(session, "POST", "0/table.parquet", {"name": "x", "columns": {"a": [1], "b": [1, 2]}})[0] == 400


def test_a_fault_of_a_job_is_told_once_and_the_next_asks_anew(session: Session) -> None:
    from semlens.errors import SemlensError

    tries = []

    def run(progress: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise SemlensError("not today")
        return 7

    with pytest.raises(SemlensError, match="not today"):
        session.jobs.get(("x",), Job(0, "x"), run, wait=5.0)
    assert session.jobs.get(("x",), Job(0, "x"), run, wait=5.0) == 7
    assert session.jobs.get(("x",), Job(0, "x"), run, wait=5.0) == 7
    assert len(tries) == 2


def test_a_closed_session_frees_its_index_and_all_that_was_computed_of_it(folder: Path, stored: Path) -> None:
    indexes = []
    for _ in range(3):
        session = open_session([folder], vocabulary=str(stored.parent / "words.txt"))
        indexes.append(weakref.ref(session.opened[0].index))
        for path in ("0/base", "0/labels", "0/scores", "0/component/25", "0/crop/7.webp"):
            assert settled(session, "GET", path).status == 200
        assert settled(session, "GET", "0/search", text="concept 3").status == 200
        assert settled(session, "GET", "0/graph", **{"class": "1"}).status == 200
        assert settled(session, "POST", "0/audit", {"spec": SPEC}).status == 200
        session.close()
        del session
    gc.collect()
    assert [index() for index in indexes] == [None, None, None]


def test_the_values_last_used_are_kept() -> None:
    recent: Recent[str] = Recent(2)
    assert recent.put("a", "x") == "x"
    recent.put("b", "y")
    assert recent.get("a") == "x"
    recent.put("c", "z")
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == ("x", None, "z")
    recent.put("c", "new")
    assert (recent.get("a"), recent.get("c")) == ("x", "new")


def test_components_are_written_as_everywhere(index: ConceptIndex) -> None:
    assert index.component(25) == Component("layer1", 5)
