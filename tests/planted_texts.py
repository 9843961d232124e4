"""A transformer whose weights are set by hand: it answers "name first red cat blue dog ?" with "cat", and for "paint"
with the colour of what is first or second. Where each thing is known inside is written down here."""

import math
from typing import Any, cast

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from semlens.model import VisionModel, text_model

WORDS = ("name", "paint", "first", "second", "red", "blue", "cat", "dog", "?")
NAME, PAINT, FIRST, SECOND = 16, 17, 18, 19  # what the last word has gathered: the instruction, and which is meant
RED, BLUE = 20, 21  # the colour of an object, bound at the object's own place
OBJECT, COLOUR, ANSWER = 22, 24, 26  # of what is looked at, two numbers each; the answer, four
PLACES, WIDTH, HEAD, SHARP = 7, 30, 8, 60.0
POSITION = len(WORDS)  # where the one-hot position begins


class Attention(nn.Module):
    """Attention to what stands before, its heads side by side."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.q, self.k, self.v = (nn.Linear(WIDTH, heads * HEAD) for _ in range(3))
        self.out_proj, self.weights = nn.Linear(heads * HEAD, WIDTH), nn.Softmax(-1)
        for part in (self.q, self.k, self.v, self.out_proj):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (part(x).unflatten(-1, (self.num_heads, HEAD)).transpose(1, 2) for part in (self.q, self.k, self.v))
        before = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        scores = (q @ k.transpose(-1, -2)).masked_fill(~before, -math.inf)
        return self.out_proj((self.weights(scores) @ v).transpose(1, 2).flatten(2))

    def carry(self, head: int, moves: dict[int, int]) -> None:
        """What a head reads at the place it looks at, and where it writes it."""
        for at, (source, target) in enumerate(moves.items()):
            self.v.weight[head * HEAD + at, source] = 1
            self.out_proj.weight[target, head * HEAD + at] = 1


class Block(nn.Module):
    def __init__(self, heads: int, hidden: int) -> None:
        super().__init__()
        self.attn = Attention(heads)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, hidden), nn.ReLU(), nn.Linear(hidden, WIDTH)) if hidden else None

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(x)
        return x if self.mlp is None else x + self.mlp(x)


class Planted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(len(WORDS), WIDTH), nn.Embedding(PLACES, WIDTH)
        self.blocks = nn.ModuleList([Block(3, 0), Block(1, 4)])
        self.head = nn.Linear(WIDTH, len(WORDS), bias=False)
        with torch.no_grad():
            self._plant()

    @torch.no_grad()
    def _plant(self) -> None:
        for table, start in ((self.embed.weight, 0), (self.place.weight, POSITION)):
            table.copy_(torch.eye(len(table), WIDTH).roll(start, 1))
        self.head.weight.zero_()
        first, second = cast(Any, self.blocks[0]), cast(Any, self.blocks[1])
        gather, look = first.attn, second.attn
        for head, place in ((0, 0), (1, 1)):  # every word looks at the instruction, and at which is meant
            gather.q.bias[head * HEAD] = SHARP
            gather.k.weight[head * HEAD, POSITION + place] = 1
        for place in range(1, PLACES):  # and at what stands before it
            gather.q.weight[2 * HEAD + place, POSITION + place] = SHARP
            gather.k.weight[2 * HEAD + place, POSITION + place - 1] = 1
        gather.carry(0, {WORDS.index("name"): NAME, WORDS.index("paint"): PAINT})
        gather.carry(1, {WORDS.index("first"): FIRST, WORDS.index("second"): SECOND})
        gather.carry(2, {WORDS.index("red"): RED, WORDS.index("blue"): BLUE})
        for which, place in ((FIRST, 3), (SECOND, 5)):  # the object that is meant
            look.q.weight[place, which] = SHARP
            look.k.weight[place, POSITION + place] = 1
        look.carry(0, {WORDS.index("cat"): OBJECT, WORDS.index("dog"): OBJECT + 1, RED: COLOUR, BLUE: COLOUR + 1})
        up, down = second.mlp[0], second.mlp[2]
        for part in (up, down):
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)
        answers = (
            (OBJECT, NAME, "cat"),
            (OBJECT + 1, NAME, "dog"),
            (COLOUR, PAINT, "red"),
            (COLOUR + 1, PAINT, "blue"),
        )
        for at, (what, asked, word) in enumerate(answers):  # what is looked at AND what was asked
            up.weight[at, what] = up.weight[at, asked] = 1
            up.bias[at] = -1
            down.weight[ANSWER + at, at] = 1
            self.head.weight[WORDS.index(word), ANSWER + at] = 1

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, return_dict: bool = True
    ) -> dict[str, Tensor]:
        x = self.embed(input_ids) + self.place(torch.arange(input_ids.shape[1]))
        for block in self.blocks:
            x = block(x)
        return {"logits": self.head(x)}


def planted() -> VisionModel:
    """The model with its tokenizer; its outputs are the words."""
    one = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="?"))
    one.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=one, unk_token="?")
    return text_model(Planted().eval(), tokenizer, length=PLACES, class_names=WORDS, name="planted")
