"""An index of a model that reads texts, made and asked by the same verbs as one of images."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import semlens as sl
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.index import ConceptIndex, IndexWarning
from semlens.model import VisionModel
from semlens.numerics import unit
from semlens.texts import TextSet, load_texts
from semlens.types import MISSING, FoundationModel
from tests.tiny_texts import SENTENCES, bert, studied, tokenizer

LAYER = "model.encoder.layer.1"
pytestmark = pytest.mark.filterwarnings("ignore:.*copies of another", "ignore:.*never fire")


@pytest.fixture(scope="module")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> FoundationModel:
    folder = tmp_path_factory.mktemp("encoder")
    bert().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return load_foundation(f"transformers:{folder}", "cpu")


@pytest.fixture(scope="module")
def texts() -> TextSet:
    return load_texts([(text, text.split()[1]) for text in SENTENCES])


@pytest.fixture(scope="module")
def index(foundation: FoundationModel, texts: TextSet, tmp_path_factory: pytest.TempPathFactory) -> ConceptIndex:
    out = tmp_path_factory.mktemp("index") / "made"
    how = {"k": 3, "pool": "max", "crop": "activation", "batch_size": 4, "encode": "all"}
    return sl.build(studied("bert"), texts, LAYER, foundation, out, **how)  # type: ignore[arg-type]


def word_activations(model: VisionModel, text: str) -> tuple[list[tuple[int, int]], torch.Tensor]:
    """Where each word of a text lies, and its features there: transformers' own pass over the text alone."""
    batch, net = tokenizer()(text, return_tensors="pt", return_offsets_mapping=True), cast(Any, model.net.model)
    with torch.no_grad():
        states = net(batch["input_ids"], output_hidden_states=True).hidden_states[2][0, 1:-1]
    spans = batch["offset_mapping"][0, 1:-1].tolist()
    return [(start, stop) for start, stop in spans], torch.cat([states, -states], dim=1).clamp(min=0)


def test_examples_are_windows_with_the_strongest_word_marked(index: ConceptIndex, texts: TextSet) -> None:
    model = studied("bert")
    seen = {text: word_activations(model, text) for text in texts.texts}
    highest = torch.stack([acts.amax(0) for _, acts in seen.values()])
    for row in range(len(index.ids)):
        order = sorted(range(len(texts)), key=lambda id: (-round(float(highest[id, row]), 4), id))
        shown = index.ids[row]
        assert set(shown) == set(order[:3]) or np.allclose(highest[shown, row], highest[order[:3], row], atol=1e-4)
        for slot in np.flatnonzero(index.rows[row] != MISSING):
            id = shown[slot]
            spans, acts = seen[texts.texts[id]]
            place = int(acts[:, row].argmax())
            assert index.activations[row, slot] == pytest.approx(float(acts[place, row]), abs=1e-4)
            assert index.positions[row, slot] == place
            _, top, _, bottom = index.boxes[index.rows[row, slot]]
            assert top <= spans[place][0] < spans[place][1] <= bottom


def test_pieces_lie_where_their_window_does(index: ConceptIndex, texts: TextSet, foundation: FoundationModel) -> None:
    for piece in range(len(index.sources)):
        left, _, right, _ = index.boxes[piece]
        window = texts.texts[index.sources[piece]][left:right]
        expected = unit(foundation.embed_texts([window]))[0]
        np.testing.assert_allclose(index.vectors[piece].astype(np.float32), expected, atol=2e-3)


def test_the_same_questions_are_asked_of_it(index: ConceptIndex, foundation: FoundationModel) -> None:
    probes = sl.probe(foundation, ["the dog barks .", "rain fell ."])
    hits = sl.search(index, probes, top=2, by="examples")
    best = index.row(hits[0].component)
    expected = index.means[best].astype(np.float64) @ probes.vectors[0]
    assert hits[0].similarity == pytest.approx(float(expected / np.linalg.norm(index.means[best])), abs=1e-3)
    labels = sl.label(index, sl.probe(foundation, ["dog", "cat", "sea", "rain"]), by="examples", draws=1000)
    assert len(labels.accepted) == 32
    assert index.images.labels[0] == "old"
    assert index.images.names[2] == "2: the bird sings ."


def test_the_sheet_shows_texts_with_their_mark(index: ConceptIndex, foundation: FoundationModel) -> None:
    sheet = np.asarray(sl.contact_sheet(index, sl.search(index, sl.probe(foundation, ["the sea"]), top=2), 3))
    yellow = (abs(sheet.astype(int) - (255, 215, 94)) < 40).all(axis=2)
    assert yellow.sum() > 100


def test_the_result_does_not_depend_on_the_batch(texts: TextSet) -> None:
    one, other = (sl.collect(studied("bert"), texts, LAYER, k=3, pool="mean", batch_size=size) for size in (3, 10))
    np.testing.assert_allclose(one.activations, other.activations, atol=1e-5)


def test_a_text_that_is_too_long_is_reported_and_left_out(foundation: FoundationModel, tmp_path: Path) -> None:
    texts = load_texts([" ".join(["dog"] * 30), *SENTENCES])
    with pytest.warns(IndexWarning, match="it has 32 tokens and the model takes 1 to 16"):
        index = sl.build(studied("bert"), texts, LAYER, foundation, tmp_path / "made", k=2, encode="none")
    assert [id for id, error in enumerate(index.images.errors) if error] == [0]
    assert index.recipe.images.unreadable == 1
    assert 0 not in index.ids


def test_no_dictionary_is_learned_of_padding(texts: TextSet) -> None:
    with pytest.raises(SemlensError, match="has vectors at padding too"):
        sl.learn_dictionary(studied("bert"), texts, LAYER, n=8, k=2)


def test_crops_by_relevance_lie_inside_the_text(texts: TextSet, foundation: FoundationModel) -> None:
    examples = sl.collect(studied("bert"), texts, LAYER, k=2, pool="max")
    index = sl.embed(examples, texts, foundation, crop="relevance", model=studied("bert"))
    for source, (left, top, right, bottom) in zip(index.sources, index.boxes, strict=True):
        assert 0 <= left <= top < bottom <= right <= len(texts.texts[source])
