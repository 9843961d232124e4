"""A small contrastive image-text model of the world: the networks of `testbed:clip`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from semlens.testbed.nets import ConvNet, load
from semlens.testbed.world import split
from semlens.types import Float, Int64

DIMENSION = 128
LONGEST = 64
"""Words of a text that are read."""

PADDING, START, UNKNOWN = 0, 1, 2
FIRST = 3
"""The number of the first word."""


class TextTower(nn.Module):
    """Reads words: a transformer of two layers whose first position is the text."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = nn.Embedding(FIRST + words, DIMENSION, padding_idx=PADDING)
        self.places = nn.Parameter(torch.randn(LONGEST, DIMENSION) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(DIMENSION, 4, 2 * DIMENSION, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(DIMENSION)
        self.out = nn.Linear(DIMENSION, DIMENSION, bias=False)

    def forward(self, tokens: Int64[Tensor, "n t"]) -> Float[Tensor, "n d"]:
        """A vector per text; not unit."""
        x = self.words(tokens) + self.places[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=tokens == PADDING)
        return self.out(self.norm(x[:, 0]))


class Clip(nn.Module):
    """Both towers, and how sharply and from where on a cosine means that picture and text fit."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self.words = tuple(words)
        self.image = ConvNet(DIMENSION, (16, 32, 64, 128, 192))
        self.text = TextTower(len(self.words))
        self.scale = nn.Parameter(torch.tensor(10.0).log())
        self.shift = nn.Parameter(torch.tensor(-3.0))

    def tokens(self, texts: Sequence[str]) -> Int64[Tensor, "n t"]:
        """The words of texts as numbers, padded to the longest. A word is known in its singular and its plural."""
        numbers = {word: FIRST + i for i, word in enumerate(self.words)}
        for word in self.words:
            numbers.setdefault(word.removesuffix("s") if word.endswith("s") else f"{word}s", numbers[word])
        rows = [[START, *(numbers.get(word, UNKNOWN) for word in split(text))][:LONGEST] for text in texts]
        width = max(map(len, rows), default=1)
        return torch.tensor([row + [PADDING] * (width - len(row)) for row in rows])


def load_clip_net() -> Clip:
    """The trained networks, in eval mode."""
    net = load("clip", lambda told: Clip(told["words"].split()))
    assert isinstance(net, Clip)
    return net
