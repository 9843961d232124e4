"""Relevance that passes tokens which are not read: where that of a layer went when its components have little."""

import warnings
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from semlens.attribution.conservation import per_image
from semlens.attribution.marks import SavedTensor
from semlens.attribution.taps import Gradients, Tap
from semlens.model import Components, OnAxes
from semlens.types import Float

WARN_ABOVE = 0.5
"""Share of a layer's relevance that may pass tokens which are not read before a warning names them."""
_ALL = 0.9995


class UnreadTokensWarning(UserWarning):
    """Most of a layer's relevance passes tokens that are not read, such as the class token."""


def unread(gradients: Mapping[Tap, Gradients]) -> dict[str, Float[Tensor, "n"]]:
    """The part of each tensor's |relevance| that passes tokens which none of the taps reads, in [0, 1] and per image,
    by the name under which they can be read.

    Args:
        gradients: what came to each tap.
    """
    shares: dict[str, Float[Tensor, "n"]] = {}
    groups: dict[SavedTensor, list[Tap]] = {}
    for tap in gradients:
        groups.setdefault(tap.saved, []).append(tap)
    for taps in groups.values():
        shares |= _of_tensor(taps, gradients[taps[0]])
    return shares


def beside(kinds: Iterable[Components]) -> dict[str, Components]:
    """The tokens that none of the kinds reads, by the name under which they can be read.

    Args:
        kinds: of one tensor.
    """
    kinds = tuple(kinds)
    read = {kind.part for kind in kinds}
    return {other.layer: other for kind in kinds for other in kind.beside if other.part not in read}


def _of_tensor(taps: Sequence[Tap], gradients: Gradients) -> dict[str, Float[Tensor, "n"]]:
    missing = beside(tap.kind for tap in taps)
    if not missing:
        return {}
    first, rows = taps[0], taps[0].kind.rows
    size = rows.gather(first.elements(gradients).abs())
    whole = size.flatten(1).sum(1).clamp(min=1e-30)
    shares = {}
    for name, kind in missing.items():
        assert isinstance(kind, OnAxes)  # tokens
        there = kind.spread(first.laid, torch.ones_like(kind.read(first.laid)))
        shares[name] = per_image(size, rows.gather(there)) / whole
    return shares


def warn_unread(shares: Mapping[str, float], threshold: float = WARN_ABOVE) -> None:
    """Issues an UnreadTokensWarning that names the tokens above the threshold, if there are any."""
    much = sorted(((share, name) for name, share in shares.items() if share > threshold), reverse=True)
    if much:
        parts = [
            f"{'all' if share > _ALL else f'{share:.0%}'} of layer {name.partition('@')[0]!r} through {name!r}"
            for share, name in much
        ]
        warnings.warn(
            f"relevance passes tokens that are not read: {', '.join(parts)}; name these as layers too to see it",
            UnreadTokensWarning,
            stacklevel=3,
        )
