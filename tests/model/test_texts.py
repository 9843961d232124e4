"""Models that read texts: padding changes nothing and is never read; every token has its place in the text."""

from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from semlens.errors import SemlensError, UnreadableItem
from semlens.model import VisionModel, parse_all, record, text_model
from semlens.model.components import tensor_in
from semlens.model.words import PAD
from tests.tiny_texts import SENTENCES, WORDS, bert, gpt2, studied, tokenizer

BLOCKS = {
    "bert": "model.encoder.layer.1", "classifier": "model.bert.encoder.layer.1", "gpt2": "model.transformer.h.1",
    "llama": "model.model.layers.1",
}  # fmt: skip


def batch(model: VisionModel) -> torch.Tensor:
    return torch.stack([model.preprocess(text) for text in SENTENCES])


def alone(model: VisionModel, text: str, layer: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The words' vectors in a layer and the output, of a text without padding: transformers' own forward pass."""
    ids = model.preprocess(text)
    ids = ids[ids != PAD][None]
    net: Any = model.net.model
    with torch.no_grad(), record(model.net, [layer], lambda _, output: tensor_in(output).clone()) as seen:
        found = net(input_ids=ids)
    states = seen[layer][0]
    words = torch.tensor([number not in (2, 3) for number in ids[0].tolist()])
    if "last_hidden_state" in found:
        return states[words], found["last_hidden_state"][0].mean(0)
    return states[words], found["logits"][0] if found["logits"].ndim == 2 else found["logits"][0, -1]


@pytest.mark.parametrize("name", BLOCKS)
def test_the_output_is_what_each_text_gives_alone(name: str) -> None:
    model = studied(name)
    with torch.no_grad():
        rows = model.net(batch(model))
    for text, row in zip(SENTENCES, rows, strict=True):
        assert torch.allclose(row, alone(model, text, BLOCKS[name])[1], atol=1e-5)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("kind", ["", "@channels:-1"])
@pytest.mark.parametrize("how", ["max", "mean"])
def test_only_words_are_pooled(name: str, kind: str, how: str) -> None:
    """The slow twin has no padding, and leaves the marks at the ends out."""
    model = studied(name)
    x = batch(model)
    ((components, count),) = parse_all(model.net, [BLOCKS[name] + kind], x[:1])
    with torch.no_grad(), record(model.net, [components.site], lambda _, output: components.pool(output, how)) as seen:
        model.net(x)
    pooled = seen[components.site]
    for at, text in enumerate(SENTENCES):
        states = alone(model, text, BLOCKS[name])[0]
        if not kind:
            states = torch.cat([states.clamp(min=0), (-states).clamp(min=0)], dim=1)
        expected = states.amax(0) if how == "max" else states.mean(0)
        assert len(expected) == count
        assert torch.allclose(pooled.activations[at], expected, atol=1e-5)
        if how == "max":
            fired = expected > 0
            before = int(kind != "" and name in ("bert", "classifier"))  # channels count [CLS] as a place too
            assert pooled.positions is not None
            assert torch.equal(pooled.positions[at][fired].long() - before, states.argmax(0)[fired])


@pytest.mark.parametrize("kind", ["", "@channels:-1", "@cls"])
def test_what_is_read_and_written_back_changes_nothing_bit_by_bit(kind: str) -> None:
    model = studied("bert")
    x = batch(model)
    ((components, _),) = parse_all(model.net, [BLOCKS["bert"] + kind], x[:1])

    def written(_: object, output: Any) -> bool:
        return torch.equal(tensor_in(components.write(output, components.read(output))), tensor_in(output))

    with torch.no_grad(), record(model.net, [components.site], written) as same:
        model.net(x)
    assert same[components.site]


@pytest.mark.parametrize(
    ("name", "layer", "expected"),
    [("gpt2", "model.transformer.h.0.attn", 2), ("llama", "model.model.layers.0.self_attn", 4)],
)
def test_heads_are_read_at_words_alone(name: str, layer: str, expected: int) -> None:
    model = studied(name)
    x = batch(model)
    ((heads, count),) = parse_all(model.net, [f"{layer}@heads"], x[:1])
    assert count == expected
    with torch.no_grad(), record(model.net, [heads.site], lambda _, output: heads.read(output)) as seen:
        model.net(x)
    lengths = seen[heads.site]
    assert torch.equal(lengths.gt(0).sum(2), (x != PAD).sum(1, keepdim=True).expand(-1, expected))


@pytest.mark.parametrize("name", BLOCKS)
def test_every_layer_with_a_place_per_token_is_listed(name: str) -> None:
    rows = {row.layer: row for row in studied(name).layers()}
    assert (rows[BLOCKS[name]].kind, rows[BLOCKS[name]].components) == ("tokens", 32)
    assert rows[BLOCKS[name]].also == (("cls",) if name in ("bert", "classifier") else ())
    if name == "bert":
        assert (rows["model.pooler.dense"].kind, rows["model.pooler.dense"].components) == ("channels", 16)


def test_a_layer_without_a_place_per_token_is_refused() -> None:
    model = studied("bert")

    class Folded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner: Any = model.net
            self.words: Any = self.inner.words
            self.odd = torch.nn.Identity()

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            self.words.note(ids)
            states = self.inner.model(input_ids=ids.clamp(min=0))["last_hidden_state"]
            return self.odd(torch.stack([states, states], 1).flatten(1, 2)).mean(1)

    with pytest.raises(SemlensError, match="has 32 positions for the 16 tokens of a text"):
        parse_all(Folded(), ["odd"], model.example_input())


def test_tokens_have_their_place_in_the_text() -> None:
    model = studied("bert", 40)
    text = "The  old dog , sleeps."
    lower = text.lower()
    spans = model.preprocess.spans(lower)  # type: ignore[attr-defined]
    assert [lower[start:stop] for start, stop in spans] == ["", "the", "old", "dog", ",", "sleeps", ".", ""]
    boxes = model.preprocess.place(lower, np.array([[2, 0, 4, 1], [0, 0, 1, 1], [7, 0, 8, 1]]))  # type: ignore[attr-defined]
    assert boxes.tolist() == [[0, 5, 22, 12], [0, 0, 22, 22], [0, 0, 22, 22]]
    long = " ".join(["dog"] * 30)
    left, top, right, bottom = model.preprocess.place(long, np.array([[16, 0, 17, 1]]))[0]  # type: ignore[attr-defined]
    assert (left, top, right, bottom) == (7 * 4, 15 * 4, 24 * 4 - 1, 15 * 4 + 3)


def test_a_text_that_is_too_long_says_so_and_is_left_out() -> None:
    with pytest.raises(UnreadableItem, match="has 32 tokens and the model takes 1 to 16"):
        studied("bert").preprocess(" ".join(["dog"] * 30))
    with pytest.raises(UnreadableItem, match="has 0 tokens"):
        studied("gpt2").preprocess("")


def test_outputs_of_a_decoder_are_the_tokens_that_are_asked_for() -> None:
    model = text_model(gpt2(), tokenizer(True), length=12, outputs=["dog", "cat"])
    every = text_model(gpt2(), tokenizer(True), length=12)
    x = batch(every)[:, :12]
    with torch.no_grad():
        assert torch.equal(model.net(x), every.net(x)[:, [WORDS.index("dog"), WORDS.index("cat")]])
    assert model.class_names == ("dog", "cat")
    with pytest.raises(SemlensError, match="the output 'dog cat' is 2 tokens"):
        text_model(gpt2(), tokenizer(True), outputs=["dog cat"])


def test_what_the_network_has_no_positions_for_is_refused() -> None:
    with pytest.raises(SemlensError, match="positions for 2 to 40"):
        text_model(bert(), tokenizer(), length=41)
    assert text_model(bert(), tokenizer()).example_input().shape == (1, 40)
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    )
    assert text_model(bert(), made, length=8).preprocess("a").tolist() == [0, *[PAD] * 7]


def test_another_tokenizer_is_another_model() -> None:
    one, other, longer = (studied(name, length) for name, length in (("bert", 16), ("bert", 16), ("bert", 17)))
    assert one.fingerprint() == other.fingerprint() != longer.fingerprint()
