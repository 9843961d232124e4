"""An index of a dictionary's units, end to end: crops, relevance, heat maps, edges, and who is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import semlens as sl
from semlens.analysis.audit import check_spec
from semlens.analysis.graphs import graph
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.model import Dictionary, Linear, VisionModel, save_dictionary
from semlens.pipeline import build
from semlens.revisit.example_heatmaps import portraits
from semlens.revisit.graph_edges import flows
from tests.toy import ColourSpace, colours, random_images

IMAGES = random_images(30)


def directions(model: VisionModel, seed: int = 0) -> Dictionary:
    """As many random directions as `act` has channels, beside the identity."""
    width = 3
    draw = torch.randn(4, width, generator=torch.Generator().manual_seed(seed))
    decoder = torch.cat([torch.eye(width), torch.nn.functional.normalize(draw, dim=1)])
    return Dictionary(
        "act", decoder.T.contiguous(), torch.zeros(len(decoder)), decoder, torch.zeros(width), Linear(),
        tuple(f"direction {i}" for i in range(len(decoder))),
    )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[ConceptIndex, VisionModel, Dictionary, Path]:
    model, folder = colours(), tmp_path_factory.mktemp("directions")
    given = save_dictionary(directions(model), folder / "d.safetensors")
    index = build(
        model, IMAGES, ["act", given, "fc"], ColourSpace(), folder / "index", k=3, classes=[0, 1], of="all",
        crop="activation",
    )  # fmt: skip
    return index, model, given, folder


Built = tuple[ConceptIndex, VisionModel, Dictionary, Path]


def test_the_identitys_units_have_the_examples_boxes_and_relevance_of_channels(built: Built) -> None:
    index, _, given, _ = built
    act, latents, _ = index.layers
    assert (latents.layer, latents.kind) == (given.text, given.kind)
    assert index.unit_names[latents.start] == "direction 0"
    n = act.components
    plain, same = slice(act.start, act.stop), slice(latents.start, latents.start + n)
    assert np.array_equal(index.ids[plain], index.ids[same])
    assert np.array_equal(index.boxes[index.rows[plain]], index.boxes[index.rows[same]])
    assert index.relevance is not None
    mean = index.relevance.positive - index.relevance.negative
    a, b = mean[plain], mean[same]
    np.testing.assert_allclose(a / np.abs(a).sum(0), b / np.abs(b).sum(0), rtol=1e-3, atol=1e-6)


def test_heat_maps_and_edges_of_an_index_with_a_dictionary(built: Built) -> None:
    index, model, given, _ = built
    plain, same = portraits(index, model, IMAGES, ["act:1", f"{given.text}:1"], examples=2)
    for one, other in zip(plain.examples, same.examples, strict=True):
        np.testing.assert_allclose(one.heat, other.heat, rtol=1e-5, atol=1e-7)
    layers = [given.text, "fc"]
    edges = flows(index, 1, model, IMAGES, layers=layers)
    assert {(edge.upper, edge.lower) for edge in edges} == {("fc", given.text)}
    assert graph(index, 1, edges=edges, layers=layers).nodes


def test_another_dictionary_in_its_place_is_noticed(built: Built, tmp_path: Path) -> None:
    index, model, given, folder = built
    file = folder / "d.safetensors"
    before = file.read_bytes()
    try:
        save_dictionary(directions(model, 1), file)
        with pytest.raises(SemlensError, match="is not the dictionary that was used then"):
            portraits(index, model, IMAGES, ["act:1"])
        with pytest.raises(SemlensError, match="differs in dictionaries"):
            build(model, IMAGES, ["act", given.text, "fc"], ColourSpace(), folder / "index", k=3, crop="activation")
    finally:
        file.write_bytes(before)


def test_a_dictionary_in_memory_is_found_by_its_digest(tmp_path: Path) -> None:
    model = colours()
    given = replace(directions(model), name="")
    index = build(model, IMAGES, given, ColourSpace(), tmp_path / "index", k=3, crop="relevance")
    assert index.layers[0].layer == f"act@dictionary:{given.digest[:16]}"
    assert portraits(index, model, IMAGES, [f"{given.text}:4"], examples=1)[0].examples


def test_a_question_to_the_identitys_units_has_the_answer_that_channels_give(built: Built) -> None:
    index, _, given, _ = built
    foundation = ColourSpace()
    probes = sl.probe(foundation, ["red", "green", "blue"])
    for by in ("examples", "auto"):
        plain = sl.search(index, probes, layers=["act"], by=by, top=3)
        ours = [hit for hit in sl.search(index, probes, layers=[given.text], by=by, top=7) if hit.component.unit < 3]
        assert [(hit.probe, hit.component.unit) for hit in ours] == [(hit.probe, hit.component.unit) for hit in plain]
        np.testing.assert_allclose([hit.alignment for hit in ours], [hit.alignment for hit in plain], rtol=1e-5)
    labels = sl.label(index, probes)
    act, latents, _ = index.layers
    best = [labels.best(row) for row in range(latents.start, latents.start + 3)]
    assert best == [labels.best(row) for row in range(act.start, act.stop)]
    assert index.component(latents.start).layer == given.text
    scores = sl.score(index, draws=50)
    np.testing.assert_allclose(
        scores.clarity[latents.start : latents.start + 3], scores.clarity[act.start : act.stop], rtol=1e-6
    )
    listed = sl.unexpected(index, probes, 0, layers=[given.text], least=0.0)
    assert {row.component.layer for row in listed} <= {given.text}


TILTED = torch.tensor([[0.96, 0.0, 0.28]])


def few(decoder: torch.Tensor) -> Dictionary:
    """A dictionary of some orthonormal directions of `act`."""
    return Dictionary("act", decoder.T.contiguous(), torch.zeros(len(decoder)), decoder, torch.zeros(3), Linear())


@pytest.mark.parametrize("decoder", [torch.eye(3), TILTED], ids=["all", "a part"])
def test_an_audit_says_how_much_relevance_passes_what_the_dictionary_does_not_explain(
    decoder: torch.Tensor, tmp_path: Path
) -> None:
    model, foundation = colours(), ColourSpace()
    given = few(decoder)
    built = build(model, IMAGES, [given], foundation, tmp_path / "index", k=3, classes=[0], of="all", encode="none")
    index = sl.load_index(tmp_path / "index")
    assert index.relevance is not None
    assert built.relevance is not None
    assert index.relevance.unread == built.relevance.unread
    share = index.relevance.error("red", given.text)
    x = torch.stack([model.preprocess(IMAGES.load(i)) for i in range(len(IMAGES))])
    with torch.no_grad(), sl.record(model.net, ["act"]) as seen:
        model.net(x)
        acts = seen["act"].flatten(2)
    g = sl.attribute(model, x, 0, layers=["act"], warn_above=9.0).layers["act"].sum(0) / acts.sum(0).clamp(min=1e-9)
    read = torch.einsum("ncp,uc->nup", acts, decoder)
    units = read * torch.einsum("cp,uc->up", g, decoder)
    error = ((acts * g).sum(1) - units.sum(1)).abs().sum(1)
    assert share == pytest.approx(float((error / (error + units.abs().sum((1, 2)))).mean()), abs=1e-4)
    spec = check_spec({
        "output": "red", "valid": ["red"], "spurious": ["blue"], "layers": [given.text],
        "requirements": ["relevance_mass(spurious) <= 0.9"],
    })  # fmt: skip
    found = sl.audit(index, spec, sl.probe_spec(foundation, spec), by="examples")
    (figures,) = found.figures
    assert figures.error == pytest.approx(share)
    said = [doubt for doubt in found.doubts if "what the dictionary does not explain" in doubt]
    sentence = f"{share:.0%} of the relevance at {given.text} passes what the dictionary does not explain"
    assert said == ([] if len(decoder) == 3 else [sentence])
    assert figures.unexplained == pytest.approx(share + (1 - share) * float(figures.mass[0, 3]))
