"""Conservation: how much of the relevance each layer's bias and stabiliser absorb on the way."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from semlens.shapes import Bool, Float

WARN_ABOVE = 0.5
"""Share of the relevance that entered which one layer may absorb before a warning names it."""


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

    `entered = arrived + bias + stabiliser + elsewhere`, all sums over images.

    Args:
        bias, stabiliser: absorbed by all layers together.
        layers: by absorption, the most absorbing first.
    """

    images: int
    entered: float
    arrived: float
    bias: float
    stabiliser: float
    layers: tuple[Absorbed, ...] = ()

    @property
    def elsewhere(self) -> float:
        """What no layer accounts for: what the softmax rule adds or drops, and the relevance of constants that are
        concatenated, such as a class token."""
        return self.entered - self.arrived - self.bias - self.stabiliser

    def __str__(self) -> str:
        def share(value: float) -> str:
            return f"{value / self.entered:.1%}" if self.entered else f"{value:.3g}"

        return (
            f"relevance entered {self.entered:.4g} over {self.images} images: arrived {share(self.arrived)}, absorbed "
            f"by biases {share(self.bias)}, by stabilisers {share(self.stabiliser)}, elsewhere {share(self.elsewhere)}"
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
    )


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


@dataclass
class Ledger:
    """Sums what layers absorb during a backward pass. Mutable: the backward pass fills it.

    Args:
        on: whether backward passes are recorded.
        images: the size of the batch; 0 if the first axis of every tensor is that of the images.
        bias, stabiliser: relevance absorbed so far, by layer.
    """

    on: bool = False
    images: int = 0
    bias: dict[str, Float[Tensor, "n"]] = field(default_factory=dict)
    stabiliser: dict[str, Float[Tensor, "n"]] = field(default_factory=dict)

    def book(
        self,
        layer: str,
        entered: Float[Tensor, "n"],
        left: Float[Tensor, "n"],
        bias: Float[Tensor, "n"] | None,
    ) -> None:
        """Records how much of the relevance that entered a layer left it below, and how much its bias absorbed."""
        entered, left = self._per_image(entered), self._per_image(left)
        of_bias = torch.zeros_like(entered) if bias is None else self._per_image(bias)
        layer = layer or "(position embeddings and other constants)"
        for account, value in ((self.bias, of_bias), (self.stabiliser, entered - left - of_bias)):
            account[layer] = account[layer] + value if layer in account else value

    def absorb(self, layer: str, amount: Float[Tensor, "..."]) -> None:
        """Records relevance that a constant absorbs whole: `amount` is that of each of its elements, images first."""
        absorbed = amount.flatten(1).sum(1)
        self.book(layer, absorbed, torch.zeros_like(absorbed), absorbed)

    def _per_image(self, amount: Float[Tensor, "..."]) -> Float[Tensor, "n"]:
        """The rows of each image summed, for windows of attention or flattened tokens, where images vary slowest.

        If the rows are no multiple of the images (a model with tokens first), the total is spread evenly over them.
        """
        if not self.images or len(amount) == self.images:
            return amount
        if len(amount) % self.images == 0:
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
        entered, accounts = entered[rows], [
            {name: amount[rows] for name, amount in account.items()} for account in (self.bias, self.stabiliser)
        ]  # fmt: skip
        size = entered.abs().clamp(min=1e-30)
        shares = [
            Absorbed(name, *(float((account[name].abs() / size).mean()) for account in accounts)) for name in self.bias
        ]
        self.bias.clear()
        self.stabiliser.clear()
        bias, stabiliser = (float(sum(amount.sum() for amount in account.values())) for account in accounts)
        return Conservation(
            images=len(entered),
            entered=float(entered.sum()),
            arrived=float(sum(amount[rows].sum() for amount in arrived)),
            bias=bias,
            stabiliser=stabiliser,
            layers=tuple(sorted(shares, key=lambda row: -row.total)),
        )


def per_image(x: Tensor, g: Tensor) -> Float[Tensor, "n"]:
    """Relevance x * g summed per image, in float32 or more precise."""
    x, g = x.flatten(1), g.flatten(1)
    if x.dtype in (torch.bfloat16, torch.float16):
        x, g = x.float(), g.float()
    return torch.linalg.vecdot(x, g)
