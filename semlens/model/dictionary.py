"""Directions of a layer that its vectors are sums of: sparse autoencoders, concept directions, PCA, NMF.

A dictionary is data. Bound to a model (`parse_all`) it is a component kind, `latents.Latents`.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from semlens.errors import SemlensError
from semlens.types import Bool, Float, Int64

MARK = "@dictionary:"
"""What stands between a layer and the file or the name of a dictionary on it."""
DICTIONARY = "dictionary"
"""How the kind of its components begins."""
_HERE: "WeakValueDictionary[str, Dictionary]" = WeakValueDictionary()


class _Rule:
    """A rule by which products become activations."""

    def keeps(self, products: Float[Tensor, "... c"]) -> Bool[Tensor, "... c"]:
        """Which products become activations; the others become zero."""
        raise NotImplementedError

    def kept(self, products: Float[Tensor, "... c"]) -> Float[Tensor, "... c"]:
        """The activations."""
        return torch.where(self.keeps(products), products, 0)

    def of(self, units: slice) -> "_Rule":
        """The rule of some units."""
        return self


@dataclass(frozen=True)
class Linear(_Rule):
    """Activations are the products themselves, of either sign."""

    def keeps(self, products: Float[Tensor, "... c"]) -> Bool[Tensor, "... c"]:
        return torch.ones_like(products, dtype=torch.bool)

    def kept(self, products: Float[Tensor, "... c"]) -> Float[Tensor, "... c"]:
        return products


@dataclass(frozen=True)
class Relu(_Rule):
    """Positive products are activations."""

    def keeps(self, products: Float[Tensor, "... c"]) -> Bool[Tensor, "... c"]:
        return ~(products <= 0)  # what is not a number stays so

    def kept(self, products: Float[Tensor, "... c"]) -> Float[Tensor, "... c"]:
        return products.relu()


@dataclass(frozen=True)
class TopK(_Rule):
    """At every position the k largest products are activations, equal ones from the lower unit up.

    Args:
        rectified: whether only positive ones count, so that there may be fewer than k.

    Source: Gao et al. 2024 (Scaling and evaluating sparse autoencoders).
    """

    k: int
    rectified: bool = True

    def keeps(self, products: Float[Tensor, "... c"]) -> Bool[Tensor, "... c"]:
        k = min(self.k, products.shape[-1])
        least = kth_largest(products.detach(), k)
        kept = ~(products < least)
        if (kept.sum(-1) > k).any():  # some are equal to the last that is kept, or nothing there is a number
            above, equal = products > least, products == least
            kept = above | (equal & (equal.cumsum(-1) <= k - above.sum(-1, keepdim=True))) | least.isnan()
        return kept & ~(products <= 0) if self.rectified else kept

    def largest(self, products: Float[Tensor, "... c"]) -> tuple[Float[Tensor, "... k"], Int64[Tensor, "... k"]] | None:
        """The activations that may be above 0 with their units; None where all products have to be looked at: at some
        position units are equal to the last that is kept, or are no number, or an activation may be below 0."""
        if not self.rectified or self.k >= products.shape[-1]:
            return None
        values, units = products.topk(self.k + 1, dim=-1)
        last = values[..., -1]
        if (((values[..., -2] == last) & (last > 0)) | values[..., 0].isnan()).any():  # nothing is above NaN
            return None
        return values[..., :-1].relu(), units[..., :-1]


@dataclass(frozen=True)
class BatchTopK(_Rule):
    """Products above one threshold for all units are activations, if they are positive: what is left of a top k over
    a whole batch once each image has to be seen alone.

    Source: Bussmann et al. 2024 (BatchTopK sparse autoencoders).
    """

    theta: float

    def keeps(self, products: Float[Tensor, "... c"]) -> Bool[Tensor, "... c"]:
        return ~(products <= max(self.theta, 0.0))

    def kept(self, products: Float[Tensor, "... c"]) -> Float[Tensor, "... c"]:
        return functional.threshold(products, max(self.theta, 0.0), 0.0)


@dataclass(frozen=True, eq=False)
class JumpRelu(_Rule):
    """Products above the threshold of their unit are activations, if they are positive.

    Source: Rajamanoharan et al. 2024 (Jumping ahead).
    """

    theta: Float[Tensor, "c"]

    def keeps(self, products: Float[Tensor, "... c"]) -> Bool[Tensor, "... c"]:
        return ~(products <= self.theta.clamp(min=0))

    def of(self, units: slice) -> "JumpRelu":
        return JumpRelu(self.theta[units])


Sparsity = Linear | Relu | TopK | BatchTopK | JumpRelu


_FEW = 64  # of so many values one: torch keeps those in a heap


def kth_largest(x: Float[Tensor, "... c"], k: int) -> Float[Tensor, "... 1"]:
    """The k-th largest value of each row. Of many on a CPU by numpy, as torch is quick there with a few only."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or k * _FEW <= x.shape[-1]:
        return x.topk(k, dim=-1).values[..., -1:]
    place = x.shape[-1] - k
    return torch.from_numpy(np.partition(x.numpy(), place, axis=-1)[..., place : place + 1].copy())


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Units of which the vectors x at a layer's positions are made, but for an error: x = a @ decoder + centre + error.

        a = sparsity((x - centre) @ encoder + bias)

    Setting activations keeps the error (`Latents.write`), so that a model with a dictionary in it, and nothing set,
    gives what it gave without.

    Args:
        layer: whose vectors these are, with their kind where it matters: "layer4", "blocks.5@cls". Empty where the file
            does not say; it is then named beside the file.
        names: what the units are called; empty if only by number.
        name: the file it is in; empty for one in memory, which is called by its digest.
        fvu: fraction of variance unexplained, on vectors that it was not learned on; None if not known.
        standardised: whether every vector x is brought to mean 0 and standard deviation 1 over its entries before.

    Raises:
        SemlensError: tensors that do not fit each other, or are not finite.
    """

    layer: str
    encoder: Tensor  # "d c"; files may hold any shape, which is checked here and not by types
    bias: Tensor  # "c"
    decoder: Tensor  # "c d"
    centre: Tensor  # "d"
    sparsity: Sparsity
    names: tuple[str, ...] = ()
    name: str = ""
    fvu: float | None = None
    standardised: bool = False

    def __post_init__(self) -> None:
        for key in TENSORS:  # whatever it was saved in: half precision is exact in float32
            given = getattr(self, key).detach()
            object.__setattr__(self, key, given if given.dtype == torch.float64 else given.float())
        d, c = self.encoder.shape if self.encoder.ndim == 2 else (0, 0)
        shapes = {key: tuple(getattr(self, key).shape) for key in TENSORS}
        if shapes != {"encoder": (d, c), "bias": (c,), "decoder": (c, d), "centre": (d,)}:
            told = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
            raise SemlensError(f"the dictionary's tensors do not fit each other ({told}): encoder d x c, decoder c x d")
        if self.names and len(self.names) != c:
            raise SemlensError(f"{len(self.names)} names for {c} units of a dictionary: give one each, or none")
        if isinstance(self.sparsity, JumpRelu) and self.sparsity.theta.shape != (c,):
            raise SemlensError(f"{len(self.sparsity.theta)} thresholds for {c} units of a dictionary: give one each")
        if not all(getattr(self, key).isfinite().all() for key in TENSORS):
            raise SemlensError("the dictionary's weights are not all finite: it is damaged, or its training diverged")

    def __repr__(self) -> str:
        return f"Dictionary({self.text}: {self.units:,} units of width {self.width}, {self.kind})"

    @property
    def units(self) -> int:
        """How many it has."""
        return self.encoder.shape[1]

    @property
    def width(self) -> int:
        """How many entries a vector has."""
        return self.encoder.shape[0]

    @cached_property
    def digest(self) -> str:
        """sha256 over all that it computes with, and what is said of it, but for the file's name."""
        said = (self.layer, self.sparsity_text, self.names, self.fvu, self.standardised)
        digest = hashlib.sha256(repr(said).encode())
        for key in TENSORS:
            value = getattr(self, key)
            digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    @property
    def sparsity_text(self) -> str:
        """The rule by which products become activations, in words that change when it does."""
        if isinstance(self.sparsity, JumpRelu):
            theta = self.sparsity.theta.detach().cpu().double().contiguous().numpy()
            return f"JumpRelu({hashlib.sha256(theta.data).hexdigest()[:16]})"
        return repr(self.sparsity)

    @property
    def text(self) -> str:
        """The layer as it is written with this dictionary on it, `LAYER@dictionary:FILE`. One in memory is written with
        its digest, and found by it for as long as it lives in this process."""
        if not self.name:
            _HERE[self.digest[:16]] = self
        return f"{self.layer}{MARK}{self.name or self.digest[:16]}"

    @property
    def kind(self) -> str:
        """The kind of its components, by which an index tells two dictionaries on one layer apart."""
        quality = "" if self.fvu is None else f", FVU {self.fvu:.3f}"
        return f"{DICTIONARY} {self.digest[:16]}{quality}"


TENSORS = ("encoder", "bias", "decoder", "centre")


def in_memory(name: str) -> Dictionary | None:
    """The dictionary of this process that is called by this digest, if it still lives."""
    return _HERE.get(name)


def moved(dictionary: Dictionary, device: torch.device, dtype: torch.dtype) -> "Weights":
    """Its tensors where they are computed with, in float32 or in the layer's own precision if that is finer."""
    dtype = torch.promote_types(dtype, torch.float32)
    tensors = {key: getattr(dictionary, key).to(device, dtype) for key in TENSORS}
    tensors["encoder"] = tensors["encoder"].T.contiguous().T  # the units that are asked for lie together
    sparsity = dictionary.sparsity
    if isinstance(sparsity, JumpRelu):
        sparsity = JumpRelu(sparsity.theta.to(device, dtype))
    return Weights(**tensors, sparsity=sparsity, standardised=dictionary.standardised)


@dataclass(frozen=True, eq=False)
class Weights:
    """The arithmetic of a dictionary, on one device."""

    encoder: Float[Tensor, "d c"]
    bias: Float[Tensor, "c"]
    decoder: Float[Tensor, "c d"]
    centre: Float[Tensor, "d"]
    sparsity: Sparsity
    standardised: bool

    def inputs(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """What the encoder takes of vectors."""
        x = x.to(self.encoder.dtype)
        if self.standardised:
            x = (x - x.mean(-1, keepdim=True)) / self.scale(x)
        return x - self.centre

    def scale(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... 1"]:
        """What a vector is divided by."""
        return x.to(self.encoder.dtype).std(-1, keepdim=True) + _SOFT

    def products(self, x: Float[Tensor, "... d"], units: Any = slice(None)) -> Float[Tensor, "... c"]:
        """What becomes activations if it is large enough."""
        with torch.autocast(x.device.type, enabled=False):
            inputs = self.inputs(x)
            flat = torch.addmm(self.bias[units], inputs.flatten(0, -2), self.encoder[:, units])
            return flat.unflatten(0, inputs.shape[:-1])

    def activations(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... c"]:
        """The activation of every unit."""
        return self.sparsity.kept(self.products(x))

    def decoded(self, x: Float[Tensor, "... d"], acts: Float[Tensor, "... c"]) -> Float[Tensor, "... d"]:
        """The vectors as far as the activations explain them."""
        return self.change(x, acts) + self.constant(x)

    def constant(self, x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        """What of the vectors is explained without any unit."""
        return self.centre * self.scale(x) + x.mean(-1, keepdim=True) if self.standardised else self.centre.expand_as(x)

    def change(self, x: Float[Tensor, "... d"], difference: Float[Tensor, "... c"]) -> Float[Tensor, "... d"]:
        """What is added to vectors if the activations change by so much."""
        with torch.autocast(x.device.type, enabled=False):
            added = difference @ self.decoder
        return added * self.scale(x).detach() if self.standardised else added


_SOFT = 1e-5
