"""Conservation: how much of the relevance each layer's bias and stabiliser absorb on the way, and how much arrives at
inputs that are no pixels."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from semlens.types import Bool, Float

WARN_ABOVE = 0.5
"""Share of the relevance that entered which one layer may absorb before a warning names it."""

_NAMELESS = "(the model itself)"


@dataclass(frozen=True)
class Absorbed:
    """The absorption of one layer: mean over images of |absorbed| over |entered|, in [0, inf)."""

    layer: str
    bias: float
    stabiliser: float

    @property
    def total(self) -> float:
        """That of bias and stabiliser together."""
        return self.bias + self.stabiliser


@dataclass(frozen=True)
class Conservation:
    """How much relevance entered, how much arrived, and where the rest went, in the unit of the explained output.

    `entered = arrived + bias + stabiliser + inputs + rest`. All are sums over images, of amounts that count as positive
    where they have the sign of the image's explained value, so that images whose values have different signs add up.

    Args:
        entered: sum of |explained value|.
        bias, stabiliser: absorbed by all layers together.
        layers: by absorption, the most absorbing first.
        inputs: what arrived at inputs that are no pixels, such as position embeddings and class tokens, by the name of
            the parameter; most first.
    """

    images: int
    entered: float
    arrived: float
    bias: float
    stabiliser: float
    layers: tuple[Absorbed, ...] = ()
    inputs: Mapping[str, float] = field(default_factory=dict)

    @property
    def elsewhere(self) -> float:
        """What neither pixels nor layers have: that of other inputs, and the rest."""
        return self.entered - self.arrived - self.bias - self.stabiliser

    @property
    def rest(self) -> float:
        """What nothing accounts for: what the softmax rule, which does not conserve by its nature, adds or drops."""
        return self.elsewhere - sum(self.inputs.values())

    def share(self, amount: float) -> float:
        """The amount as a share of what entered; 0 if nothing did."""
        return amount / self.entered if self.entered else 0.0

    def shares_of_inputs(self) -> dict[str, float]:
        """The inputs' shares of what entered, most first; those of equal parts of the network (names that differ by a
        number) taken together under `*`."""
        alike: dict[str, list[str]] = {}
        for name in self.inputs:
            alike.setdefault(re.sub(r"\d+", "*", name), []).append(name)
        shares = {
            names[0] if len(names) == 1 else pattern: self.share(sum(self.inputs[name] for name in names))
            for pattern, names in alike.items()
        }
        return dict(sorted(shares.items(), key=lambda item: -abs(item[1])))

    def __str__(self) -> str:
        named = [f"{name} {share:.1%}" for name, share in self.shares_of_inputs().items()]
        named += [f"rest {self.share(self.rest):.1%}"]
        return (
            f"relevance entered {self.entered:.4g} over {self.images} images: arrived {self.share(self.arrived):.1%}, "
            f"absorbed by biases {self.share(self.bias):.1%}, by stabilisers {self.share(self.stabiliser):.1%}, "
            f"elsewhere: {', '.join(named)}"
        )

    def suspicious(self, threshold: float = WARN_ABOVE) -> list[Absorbed]:
        """The layers that absorb more than `threshold` of the relevance that entered."""
        return [layer for layer in self.layers if layer.total > threshold]


def joined(reports: Sequence[Conservation]) -> Conservation:
    """One report of several passes: amounts are summed, shares averaged over all images."""
    images = sum(report.images for report in reports)
    names = dict.fromkeys(row.layer for report in reports for row in report.layers)
    rows = []
    for name in names:
        weighted = [(report.images, row) for report in reports for row in report.layers if row.layer == name]
        bias = sum(n * row.bias for n, row in weighted) / max(images, 1)
        rows.append(Absorbed(name, bias, sum(n * row.stabiliser for n, row in weighted) / max(images, 1)))
    return Conservation(
        images=images,
        entered=sum(report.entered for report in reports),
        arrived=sum(report.arrived for report in reports),
        bias=sum(report.bias for report in reports),
        stabiliser=sum(report.stabiliser for report in reports),
        layers=tuple(sorted(rows, key=lambda row: -row.total)),
        inputs=_most_first([item for report in reports for item in report.inputs.items()]),
    )


def _most_first(amounts: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The sums of what bears one name, the largest first; what is zero is left out."""
    sums: dict[str, float] = {}
    for name, amount in amounts:
        sums[name] = sums.get(name, 0.0) + amount
    return {name: sums[name] for name in sorted(sums, key=lambda name: -abs(sums[name])) if sums[name]}


class ConservationWarning(UserWarning):
    """A layer absorbs much of the relevance: heat maps below it explain only the rest."""


def warn(report: Conservation, threshold: float = WARN_ABOVE) -> None:
    """Issues a ConservationWarning that names the layers above the threshold, if there are any."""
    layers = report.suspicious(threshold)
    if layers:
        named = ", ".join(f"{a.layer} ({a.bias:.0%} bias, {a.stabiliser:.0%} stabiliser)" for a in layers[:3])
        more = f" and {len(layers) - 3} more" if len(layers) > 3 else ""
        warnings.warn(
            f"these layers absorb more than {threshold:.0%} of the relevance: {named}{more}; what arrives below them "
            "explains only the rest (docs/attribution.md, Conservation)",
            ConservationWarning,
            stacklevel=3,
        )


class Entry(NamedTuple):
    """What one layer or constant kept in a backward pass.

    Args:
        bias, stabiliser: what each of them absorbed; None for nothing.
    """

    layer: str
    bias: Float[Tensor, "n"] | None
    stabiliser: Float[Tensor, "n"] | None


class Accounts(NamedTuple):
    """What layers and inputs absorbed, each named once: by its bias, and by its stabiliser."""

    names: list[str]
    bias: Float[Tensor, "accounts n"]
    stabiliser: Float[Tensor, "accounts n"]


@dataclass
class Ledger:
    """Notes what layers absorb during a backward pass. Mutable: the backward pass fills it.

    Args:
        on: whether backward passes are recorded.
        images: the size of the batch; 0 if the first axis of every tensor is that of the images.
        entries: what was noted so far. It is added up when the pass is over, for all layers at once.
        inputs: the accounts that are those of inputs which are no pixels.
    """

    on: bool = False
    images: int = 0
    entries: list[Entry] = field(default_factory=list)
    inputs: set[str] = field(default_factory=set)

    def accounts(self, like: Float[Tensor, "n"]) -> Accounts:
        """What was absorbed so far.

        Args:
            like: a tensor of the type of the amounts.
        """
        if not self.entries:
            return Accounts([], like.new_zeros(0, len(like)), like.new_zeros(0, len(like)))
        amounts = [a for entry in self.entries for a in entry[1:]]
        nothing = torch.zeros_like(next(a for a in amounts if a is not None))
        stacked = torch.stack([nothing if a is None else a for a in amounts])
        places = {layer: place for place, layer in enumerate(dict.fromkeys(entry.layer for entry in self.entries))}
        rows = torch.tensor([places[entry.layer] for entry in self.entries], device=stacked.device)
        sums = stacked.new_zeros(len(places), 2, stacked.shape[1]).index_add_(0, rows, stacked.unflatten(0, (-1, 2)))
        return Accounts([*places], *sums.unbind(1))

    def account_of_input(self, name: str) -> str:
        """The name, from now on that of an input's account and no layer's."""
        self.inputs.add(name)
        return name

    def book(
        self,
        layer: str,
        bias: Float[Tensor, "n"] | None,
        stabiliser: Float[Tensor, "n"],
    ) -> None:
        """Records how much of a layer's relevance its bias absorbed, and how much its stabiliser."""
        per_image = self._per_image
        bias = None if bias is None else per_image(bias)
        self.entries.append(Entry(layer or _NAMELESS, bias, per_image(stabiliser)))

    def absorb(self, layer: str, amount: Float[Tensor, "..."]) -> None:
        """Records relevance that a constant absorbs whole: `amount` is that of each of its elements, images first."""
        absorbed = self._per_image(amount.flatten(1).sum(1) if amount.ndim > 1 else amount.reshape(-1))
        self.entries.append(Entry(layer or _NAMELESS, absorbed, None))

    def _per_image(self, amount: Float[Tensor, "..."]) -> Float[Tensor, "n"]:
        """The rows of each image summed, for windows of attention or flattened tokens, where images vary slowest.

        If the rows are no multiple of the images (a model with tokens first), the total is spread evenly over them.
        """
        rows = amount.shape[0]
        if not self.images or rows == self.images:
            return amount
        if rows % self.images == 0:
            return amount.unflatten(0, (self.images, -1)).sum(1)
        return (amount.sum() / self.images).expand(self.images)

    def close(
        self,
        entered: Float[Tensor, "n"],
        arrived: Sequence[Float[Tensor, "n"]],
        counted: Bool[Tensor, "n"] | None = None,
    ) -> Conservation:
        """The report of one backward pass over the images that are `counted`, all if None; empties the ledger."""
        rows = torch.ones_like(entered, dtype=torch.bool) if counted is None else counted
        entered = entered[rows]
        sign, size = entered.sign(), entered.abs().clamp(min=1e-30)
        names, *absorbed = self.accounts(rows.to(entered.dtype))
        bias, stabiliser = (amount[:, rows] for amount in absorbed)
        self.entries.clear()
        shares = zip(names, *((account.abs() / size).mean(1).tolist() for account in (bias, stabiliser)), strict=True)
        amounts = dict(zip(names, (bias * sign).sum(1).tolist(), strict=True))
        inputs = [(name, amounts.pop(name)) for name in names if name in self.inputs]
        layers = [Absorbed(*row) for row in shares if row[0] not in self.inputs]
        return Conservation(
            images=len(entered),
            entered=float(size.sum()),
            arrived=float(sum((amount[rows] * sign).sum() for amount in arrived)),
            bias=sum(amounts.values()),
            stabiliser=float((stabiliser * sign).sum()),
            layers=tuple(sorted(layers, key=lambda row: -row.total)),
            inputs=_most_first(inputs),
        )


def per_image(x: Tensor, g: Tensor) -> Float[Tensor, "n"]:
    """Relevance x * g summed per image, in float32 or more precise."""
    if x.dtype in (torch.bfloat16, torch.float16):
        x, g = x.float(), g.float()
    amounts = x.conj() * g
    return amounts.flatten(1).sum(1) if amounts.ndim > 1 else amounts
