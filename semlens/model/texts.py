"""Models that read texts: a tokenizer as preprocessing, a network of transformers as one that takes token numbers."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from semlens.errors import SemlensError, UnreadableItem
from semlens.model.vision_model import VisionModel
from semlens.model.words import PAD, Words
from semlens.types import Bool, Float, Int64

LENGTH = 64
"""Tokens of a text that a model takes, where nothing else is asked."""

AROUND = 8
"""Tokens of a window on either side of what is marked."""

_EXAMPLE = "The old dog slept by the door while rain fell on the grey roofs, and nobody in the village spoke of it. "


@final
@dataclass(frozen=True, eq=False)
class Tokenise:
    """The preprocessing of texts: their token numbers, PAD behind the end, `length` in all.

    Args:
        tokenizer: a fast one of transformers, which says where in a text a token comes from.
        length: tokens of every text, marks at its ends among them.
    """

    tokenizer: Any
    length: int

    def __call__(self, item: Any) -> Int64[Tensor, "p"]:
        """The tokens of a text.

        Raises:
            UnreadableItem: there are none, or too many.
        """
        ids = self.tokenizer(str(item), verbose=False)["input_ids"]
        if not 0 < len(ids) <= self.length:
            raise UnreadableItem(
                repr(str(item)[:40]),
                f"it has {len(ids)} tokens and the model takes 1 to {self.length}: load texts with fewer words "
                f"(longest=), or the model with more tokens (hf:NAME?tokens={max(len(ids), 1)})",
            )
        return torch.tensor([*ids, *[PAD] * (self.length - len(ids))])

    @property
    def example(self) -> str:
        """A text that fills most of the length."""
        words = (_EXAMPLE * (1 + self.length // 8)).split()
        kept = next(n for n in range(min(self.length, len(words)), 0, -1) if self._tokens(words[:n]) <= self.length)
        return " ".join(words[:kept])

    def _tokens(self, words: Sequence[str]) -> int:
        return len(self.tokenizer(" ".join(words), verbose=False)["input_ids"])

    def spans(self, item: Any) -> Int64[np.ndarray, "m 2"]:
        """Where in the text each token begins and ends, without space around it; a mark at an end has no letters."""
        text = str(item)
        found = self.tokenizer(text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        tight = []
        for start, stop in found:
            start += len(text[start:stop]) - len(text[start:stop].lstrip())
            tight.append((start, max(start + len(text[start:stop].rstrip()), start)))
        return np.array(tight, np.int64).reshape(-1, 2)

    def places(self, item: Any, part: str) -> tuple[int, ...]:
        """The places of a part of a text among its words, as `patch` takes them: of each of its tokens, counted behind
        the marks that the text begins with.

        Raises:
            SemlensError: the part is not in the text, or more than once.
        """
        text = str(item)
        if not part or text.count(part) != 1:
            times = text.count(part) if part else 0
            raise SemlensError(f"{part!r} stands {times} times in {text!r}: name a part that stands there once")
        start, spans = text.index(part), self.spans(item)
        first = int(np.flatnonzero(spans[:, 1] > spans[:, 0])[0])
        inside = (spans[:, 1] > start) & (spans[:, 0] < start + len(part)) & (spans[:, 1] > spans[:, 0])
        return tuple((np.flatnonzero(inside) - first).tolist())

    def place(self, item: Any, boxes: Int64[np.ndarray, "m 4"]) -> Int64[np.ndarray, "m 4"]:
        """Boxes over tokens, from left to right, as boxes of the text: a window around them, and they marked in it."""
        spans = self.spans(item)
        real = np.flatnonzero(spans[:, 1] > spans[:, 0])
        whole = np.array([0, 0, len(str(item)), len(str(item))])
        placed = [self._placed(spans, real, int(left), int(right), whole) for left, _, right, _ in boxes]
        return np.array(placed, np.int64).reshape(-1, 4)

    def _placed(
        self, spans: Int64[np.ndarray, "m 2"], real: Int64[np.ndarray, "r"], left: int, right: int,
        whole: Int64[np.ndarray, "4"],
    ) -> Int64[np.ndarray, "4"]:  # fmt: skip
        inside = np.flatnonzero((real >= left) & (real < right))
        if not len(inside):
            return whole
        marked = spans[real[inside]]
        window = spans[real[max(inside[0] - AROUND, 0) : inside[-1] + 1 + AROUND]]
        start = 0 if inside[0] <= AROUND else int(window[0, 0])
        stop = whole[2] if inside[-1] + 1 + AROUND >= len(real) else window[-1, 1]
        return np.array([start, marked[0, 0], stop, marked[-1, 1]])

    def __repr__(self) -> str:
        told = self.tokenizer.backend_tokenizer.to_str()
        return f"Tokenise({hashlib.sha256(told.encode()).hexdigest()}, {self.length})"


class TextNet(nn.Module):
    """A network of transformers as one that takes token numbers, of which those below 0 are padding.

    What it gives is a row of numbers per text: a classifier's logits, a decoder's logits of the token that comes next,
    an encoder's mean over the tokens.
    """

    def __init__(self, model: nn.Module, words: Words, pad: int, outputs: Sequence[int] = ()) -> None:
        super().__init__()
        self.model, self.words, self.pad = model, words, pad
        self.columns = tuple(outputs)

    def forward(self, ids: Int64[Tensor, "n p"]) -> Float[Tensor, "n y"]:
        """The row of each text."""
        self.words.note(ids)
        there = ids >= 0
        found = self.model(input_ids=ids.masked_fill(~there, self.pad), attention_mask=there.long(), return_dict=True)
        if "last_hidden_state" in found:
            return _mean(found["last_hidden_state"], there)
        logits: Tensor = found["logits"]
        if logits.ndim == 3:
            last = there.sum(1) - 1
            logits = logits[torch.arange(len(ids), device=ids.device), last]
        return logits[:, list(self.columns)] if self.columns else logits


def _mean(states: Float[Tensor, "n p d"], there: Bool[Tensor, "n p"]) -> Float[Tensor, "n d"]:
    """The mean over the tokens."""
    weights = there.to(states.dtype) / there.sum(1, keepdim=True)
    return (states * weights[..., None]).sum(1)


def text_model(
    net: nn.Module,
    tokenizer: Any,
    *,
    length: int | None = None,
    outputs: Sequence[str] = (),
    class_names: Sequence[str] = (),
    name: str = "model",
) -> VisionModel:
    """A network of transformers and its tokenizer as a model that is studied by the same verbs as one of images.

    Args:
        net: an encoder, a classifier of texts or a decoder, as transformers loads it.
        tokenizer: a fast one.
        length: tokens of a text at most, marks at its ends among them; by default 64, or what the network has positions
            for. A text that has more is left out and reported.
        outputs: of a decoder, the tokens whose logits are the outputs, each a text of one token; all if empty.
        class_names: of a classifier; by default what its configuration says.

    Raises:
        SemlensError: the tokenizer is slow, or an output is no single token.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise SemlensError(
            f"{type(tokenizer).__name__} does not say where in a text its tokens come from: load a fast tokenizer "
            "(tokenizer.json), as AutoTokenizer.from_pretrained(..., use_fast=True) does"
        )
    config: Any = getattr(net, "config", None)
    length = _length(length, config)
    marks = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}
    marks = {number for number in marks if number is not None}
    numbers = [_number(tokenizer, text) for text in outputs]
    first = _first(tokenizer, marks)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    words = Words(length, first, frozenset(marks))
    wrapped = TextNet(net, words, pad, numbers)
    wrapped.train(net.training)
    names = tuple(class_names) or tuple(outputs) or _labels(net, config)
    return VisionModel(wrapped, Tokenise(tokenizer, length), names, name)


def _length(asked: int | None, config: Any) -> int:
    """Tokens of a text.

    Raises:
        SemlensError: the network has no positions for as many.
    """
    most = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None) or 2**20
    if getattr(config, "model_type", "") in _OFFSET_POSITIONS:
        most -= int(config.pad_token_id or 0) + 1
    if asked is not None and not 2 <= asked <= most:
        raise SemlensError(f"{asked} tokens of a text are asked for, and the model has positions for 2 to {most}")
    return asked or min(LENGTH, most)


_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet", "xmod", "roberta-prelayernorm", "data2vec-text")
"""Models whose positions are counted from behind the number of padding."""


def _number(tokenizer: Any, text: str) -> int:
    numbers = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    if len(numbers) != 1:
        raise SemlensError(
            f"the output {text!r} is {len(numbers)} tokens ({tokenizer.tokenize(text)}): give one token each"
        )
    return int(numbers[0])


def _first(tokenizer: Any, marks: set[int]) -> int:
    """How many marks every text begins with."""
    ids = tokenizer("a", verbose=False)["input_ids"]
    return next((at for at, number in enumerate(ids) if number not in marks), 0)


def _labels(net: nn.Module, config: Any) -> tuple[str, ...]:
    """The names of a classifier's outputs, or of none."""
    labels = getattr(config, "id2label", None) or {}
    return tuple(labels[i] for i in sorted(labels)) if "Classification" in type(net).__name__ else ()
