"""Sentence encoders: pooled as their folder says, padding left out, and refused where anything is made up."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.foundation.sentences import pooled
from tests.tiny_texts import SENTENCES, bert, tokenizer


def saved(folder: Path, pooling: str = "", *more: str) -> Path:
    """A tiny encoder as sentence-transformers saves one; without a pooling as transformers does."""
    bert().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    if pooling:
        kinds = ["Transformer", "Pooling", *more]
        paths = ["", *(f"{n}_{kind}" for n, kind in enumerate(kinds[1:], 1))]
        types = [f"sentence_transformers.models.{kind}" for kind in kinds]
        modules = [{"type": one, "path": path} for one, path in zip(types, paths, strict=True)]
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 16, pooling: True}))
    return folder


def states(text: str) -> torch.Tensor:
    with torch.no_grad():
        return bert()(**tokenizer()(text, return_tensors="pt")).last_hidden_state[0]


@pytest.mark.parametrize(
    ("pooling", "vector"),
    [
        ("", lambda x: x.mean(0)), ("pooling_mode_mean_tokens", lambda x: x.mean(0)),
        ("pooling_mode_cls_token", lambda x: x[0]), ("pooling_mode_lasttoken", lambda x: x[-1]),
    ],
)  # fmt: skip
def test_a_text_lies_where_its_own_pooling_puts_it(tmp_path: Path, pooling: str, vector: object) -> None:
    """The slow twin embeds each text alone, without padding."""
    foundation = load_foundation(f"transformers:{saved(tmp_path, pooling, 'Normalize')}", "cpu")
    found = foundation.embed_texts(SENTENCES)
    for text, row in zip(SENTENCES, found, strict=True):
        expected = vector(states(text))  # type: ignore[operator]
        np.testing.assert_allclose(row, expected / expected.norm(), atol=1e-5)
    assert foundation.identity.dimension == 16
    with pytest.raises(SemlensError, match="places texts only"):
        foundation.embed_images([Image.new("RGB", (8, 8))])


def test_another_pooling_is_another_space(tmp_path: Path) -> None:
    poolings = ("pooling_mode_mean_tokens", "pooling_mode_cls_token")
    one, other = (load_foundation(f"transformers:{saved(tmp_path / p, p)}", "cpu").identity.digest for p in poolings)
    assert one != other


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SemlensError, match="a module Dense behind its encoder"):
        load_foundation(f"transformers:{saved(tmp_path / 'a', 'pooling_mode_cls_token', 'Dense')}", "cpu")
    with pytest.raises(SemlensError, match="pools by pooling_mode_max_tokens"):
        load_foundation(f"transformers:{saved(tmp_path / 'b', 'pooling_mode_max_tokens')}", "cpu")
    broken = saved(tmp_path / "c", "pooling_mode_cls_token")
    (broken / "modules.json").write_text("{")
    with pytest.raises(SemlensError, match="modules.json cannot be read"):
        load_foundation(f"transformers:{broken}", "cpu")


def test_pooling_skips_the_padding() -> None:
    states = torch.tensor([[[3.0, 0.0], [0.0, 4.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1, 0]])
    assert torch.allclose(pooled(states, mask, "mean"), torch.tensor([[0.6, 0.8]]))
    assert pooled(states, mask, "cls").tolist() == [[1, 0]]
    assert pooled(states, mask, "lasttoken").tolist() == [[0, 1]]


def test_minilm_is_the_text_tower_of_conse() -> None:
    minilm, conse = load_foundation("offline:minilm", "cpu"), load_foundation("offline:conse", "cpu")
    texts = ["a dog in the snow", "the price of wheat"]
    assert np.array_equal(minilm.embed_texts(texts), conse.embed_texts(texts))
    assert minilm.identity.digest != conse.identity.digest
    puppy, wheat = minilm.embed_texts(["a puppy plays in the snow", texts[1]]) @ minilm.embed_texts(texts[:1])[0]
    assert puppy > 0.6
    assert wheat < 0.2
