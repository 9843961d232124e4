"""A sparse autoencoder in training: its parameters, the gradients of one step, and how dead units are revived."""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from semlens.model import kth_largest
from semlens.types import Bool, Float, Int64

AUXILIARY = 1 / 32
"""Weight of the loss by which dead units learn what is left."""
DEAD_AFTER = 100_000
"""Vectors on which a unit did not fire before it counts as dead."""
_CHUNK = 2**18  # floats of a sparse product that are laid out at once: what a cache holds
_BETAS, _SOFT = (0.9, 0.999), 1e-8
_SLOW = 0.99  # of the running threshold, in a step


@dataclass
class Autoencoder:
    """Parameters and the state of their optimiser. Mutable: a step changes it in place.

    Vectors come centred and scaled to a mean squared length of 1. A unit's row of `encoder` is what it is found by, its
    row of `decoder`, of length 1, what it adds.
    """

    encoder: Float[Tensor, "c d"]
    bias: Float[Tensor, "c"]
    decoder: Float[Tensor, "c d"]
    moments: Float[Tensor, "m c w"]  # first and second of the three, side by side
    silent: Int64[Tensor, "c"]  # vectors since a unit fired
    theta: Float[Tensor, ""]  # running least activation of a top k over a batch
    steps: int = 0

    @classmethod
    def drawn(cls, units: int, width: int, seed: int, device: torch.device) -> "Autoencoder":
        """Random directions, each found by itself."""
        draw = torch.Generator().manual_seed(seed)
        decoder = torch.nn.functional.normalize(torch.randn(units, width, generator=draw)).to(device)
        return cls(
            decoder.clone(), torch.zeros(units, device=device), decoder,
            torch.zeros(2, units, 2 * width + 1, device=device), torch.zeros(units, dtype=torch.int64, device=device),
            torch.zeros((), device=device),
        )  # fmt: skip

    @property
    def dead(self) -> Bool[Tensor, "c"]:
        """Units that have not fired for long."""
        return self.silent >= DEAD_AFTER

    @torch.no_grad()
    def step(self, x: Float[Tensor, "b d"], k: int, whole_batch: bool, rate: float) -> float:
        """One step of Adam on the normalised squared error; the share of the batch's variance that was unexplained.

        Source: Gao et al. 2024 (loss, auxiliary loss of dead units, decoder of length 1); Bussmann et al. 2024 (top k
        over a whole batch).

        Args:
            whole_batch: whether the k times b largest products of the batch are kept, or k of each vector.
        """
        products = torch.addmm(self.bias, x, self.encoder.T)
        kept = _largest_of_all(products, k, 0.8 * float(self.theta)) if whole_batch else _largest(products, k)
        if whole_batch:
            self._follow(kept)
        g = [torch.zeros_like(part) for part in (self.encoder, self.bias, self.decoder)]
        error = self._gradients(x, x, kept, g, 1.0)
        fired = torch.zeros_like(self.silent, dtype=torch.bool).index_fill_(0, kept.units, True)
        if (dead := self.dead).any():
            self._revive(x, -error, products, dead, g)
        self.silent = torch.where(fired, 0, self.silent + len(x))
        self._descend(g, rate)
        return float(error.square().sum() / x.square().sum().clamp(min=1e-30))

    def _follow(self, kept: "Kept") -> None:
        if not len(kept.acts):
            return
        least = kept.acts.amin()
        self.theta = least if self.steps == 0 else _SLOW * self.theta + (1 - _SLOW) * least

    def _revive(
        self, x: Float[Tensor, "b d"], left: Float[Tensor, "b d"], products: Float[Tensor, "b c"],
        dead: Bool[Tensor, "c"], g: list[Tensor],
    ) -> None:  # fmt: skip
        """Adds the gradients by which dead units learn to explain what the others leave."""
        numbers = dead.nonzero()[:, 0]
        few = _largest(products[:, numbers], min(len(numbers), max(x.shape[1] // 2, 1)))
        share = x.square().sum() / left.square().sum().clamp(min=1e-30)
        kept = Kept(few.rows, numbers[few.units], few.acts)
        self._gradients(x, left, kept, g, AUXILIARY * float(share))

    def _gradients(
        self, x: Float[Tensor, "b d"], target: Float[Tensor, "b d"], kept: "Kept", g: list[Tensor], weight: float
    ) -> Float[Tensor, "b d"]:
        """Adds the gradients of the squared error per vector to `g`; the error."""
        sparse = _sparse if x.device.type == "cpu" else _dense
        return sparse(self, x, target, kept, g, weight * 2 / len(x))

    def _descend(self, g: list[Tensor], rate: float) -> None:
        """Adam, with the decoder kept at length 1 and its gradient across."""
        g[2] -= (g[2] * self.decoder).sum(1, keepdim=True) * self.decoder
        self.steps += 1
        whole = torch.cat([g[0], g[1][:, None], g[2]], dim=1)
        first, second = self.moments
        first.lerp_(whole, 1 - _BETAS[0])
        second.mul_(_BETAS[1]).addcmul_(whole, whole, value=1 - _BETAS[1])
        size = (second / (1 - _BETAS[1] ** self.steps)).sqrt_().add_(_SOFT)
        change = (first / size).mul_(-rate / (1 - _BETAS[0] ** self.steps))
        width = self.encoder.shape[1]
        self.encoder += change[:, :width]
        self.bias += change[:, width]
        self.decoder += change[:, width + 1 :]
        self.decoder /= self.decoder.norm(dim=1, keepdim=True).clamp(min=1e-12)


def rate_of(width: int) -> float:
    """The learning rate for vectors of a width, whose entries shrink as there are more."""
    return 0.01 / sqrt(width)


@dataclass(frozen=True, eq=False)
class Kept:
    """The products that became activations, vector by vector."""

    rows: Int64[Tensor, "m"]
    units: Int64[Tensor, "m"]
    acts: Float[Tensor, "m"]


def _largest(products: Float[Tensor, "b c"], k: int) -> Kept:
    """The k largest products of every vector, as far as they are positive."""
    acts, units = products.topk(k, dim=1, sorted=False)
    rows, places = (acts > 0).nonzero(as_tuple=True)
    return Kept(rows, units[rows, places], acts[rows, places])


def _largest_of_all(products: Float[Tensor, "b c"], k: int, guess: float) -> Kept:
    """The k largest products per vector, over a whole batch, as far as they are positive.

    Args:
        guess: most likely below the least of them, so that only what is above it has to be looked through.
    """
    flat, count = products.reshape(-1), min(k * len(products), products.numel())
    places = (flat > max(guess, 0.0)).nonzero()[:, 0]
    if len(places) < count and guess > 0:
        places = (flat > 0).nonzero()[:, 0]
    acts = flat[places]
    if len(acts) > count:
        large = acts >= kth_largest(acts[None], count)[0]
        places, acts = places[large], acts[large]
    return Kept(places // products.shape[1], places % products.shape[1], acts)


def _dense(
    of: Autoencoder, x: Tensor, target: Tensor, kept: Kept, g: list[Tensor], weight: float
) -> Float[Tensor, "b d"]:
    """Gradients by whole matrix products, which a GPU is made for."""
    acts = x.new_zeros(len(x), len(of.encoder))
    acts[kept.rows, kept.units] = kept.acts
    error = acts @ of.decoder - target
    g_acts = torch.where(acts > 0, error @ of.decoder.T, 0) * weight
    g[0] += g_acts.T @ x
    g[1] += g_acts.sum(0)
    g[2] += acts.T @ (error * weight)
    return error


def _sparse(
    of: Autoencoder, x: Tensor, target: Tensor, kept: Kept, g: list[Tensor], weight: float
) -> Float[Tensor, "b d"]:
    """The same from what is kept alone: of k of c units a share of k / c of the work, in the same order every time."""
    by_unit = kept.units.argsort(stable=True)
    rows, sizes = kept.rows[by_unit], torch.bincount(kept.units, minlength=len(of.encoder))
    error = _sums(of.decoder, kept.units, kept.acts, torch.bincount(kept.rows, minlength=len(x))) - target
    scaled = error * weight
    g_acts = _along(scaled, of.decoder, kept)[by_unit]
    g[0] += _sums(x, rows, g_acts, sizes)
    g[1].index_add_(0, kept.units[by_unit], g_acts)
    g[2] += _sums(scaled, rows, kept.acts[by_unit], sizes)
    return error


def _sums(
    vectors: Float[Tensor, "v d"], which: Int64[Tensor, "m"], weights: Float[Tensor, "m"], sizes: Int64[Tensor, "n"]
) -> Float[Tensor, "n d"]:
    """Weighted sums of vectors: the first of as many as the first of `sizes` says, and so on."""
    ends = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    return torch.nn.functional.embedding_bag(
        which, vectors, ends, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def _along(error: Float[Tensor, "b d"], decoder: Float[Tensor, "c d"], kept: Kept) -> Float[Tensor, "m"]:
    """How far a vector's error points along each of its units."""
    size = max(1, _CHUNK // decoder.shape[1])
    pairs = zip(kept.rows.split(size), kept.units.split(size), strict=True)
    return torch.cat([torch.einsum("md,md->m", error[row], decoder[unit]) for row, unit in pairs])
