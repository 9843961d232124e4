"""Which places of the texts that pass are words: the others, padding and the marks at a text's ends, are not read."""

from typing import final

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.components import Pooled, pool_rows
from semlens.types import Bool, Float, Int64

PAD = -1
"""The number of a place behind the end of a text, which no token has."""


@final
class Words:
    """The words of the batch that passes. Mutable: a `TextNet` notes them at the start of each forward pass, since no
    layer's output says of itself where a text ends.

    Args:
        length: places of every text, with padding.
        first: marks that every text begins with (`[CLS]`, `<s>`).
        marks: the numbers of tokens that are no words of a text.
    """

    def __init__(self, length: int, first: int, marks: frozenset[int]) -> None:
        self.length, self.first = length, first
        self._marks = torch.tensor(sorted({PAD, *marks}))
        self._there: Bool[Tensor, "n p"] | None = None

    def note(self, ids: Int64[Tensor, "n p"]) -> None:
        """Takes in the tokens of a batch; a padded place has number PAD."""
        self._there = torch.isin(ids.detach().as_subclass(Tensor), self._marks.to(ids.device), invert=True)

    def there(self, images: int, places: int) -> Bool[Tensor, "n p"]:
        """Which of the last so many places of each text are words.

        Raises:
            SemlensError: what is read is not of the batch that passed last.
        """
        there = self._there
        if there is None or len(there) != images or places > there.shape[1]:
            raise SemlensError(
                "activations of texts can be read only as they pass, in a batch of the model's own length"
            )
        return there[:, there.shape[1] - places :]

    def only(self, acts: Float[Tensor, "n c p"]) -> Float[Tensor, "n c p"]:
        """The activations, zero where there is no word."""
        return acts.masked_fill(~self.there(len(acts), acts.shape[2])[:, None], 0)

    def where(self, acts: Float[Tensor, "n c p"], others: Float[Tensor, "n c p"]) -> Float[Tensor, "n c p"]:
        """The activations where there is a word, the others elsewhere."""
        return acts.where(self.there(len(acts), acts.shape[2])[:, None], others)

    def pool(self, acts: Float[Tensor, "n c p"], how: str) -> Pooled:
        """The activations reduced over the words of each text; zero for one without."""
        there = self.there(len(acts), acts.shape[2])
        counts = there.sum(1, keepdim=True)
        if how == "mean":
            sums = acts.masked_fill(~there[:, None], 0).sum(2, dtype=torch.float32)
            return Pooled(sums / counts.clamp(min=1), None)
        low = torch.finfo(acts.dtype).min
        highest = pool_rows(acts.masked_fill(~there[:, None], low).transpose(1, 2), how)
        assert highest.positions is not None
        empty = counts == 0
        return Pooled(highest.activations.masked_fill(empty, 0), highest.positions.masked_fill(empty, 0))


def words_of(net: nn.Module) -> Words | None:
    """What knows the words of a network that reads texts; None for any other."""
    words = getattr(net, "words", None)
    return words if isinstance(words, Words) else None
