"""The output projection of `nn.MultiheadAttention`, which uses its weights without running it: made to run, so that
hooks see the vectors of the heads, which lie side by side before it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


def attention_above(net: nn.Module, path: str) -> nn.MultiheadAttention | None:
    """The attention that uses the projection at `path` without running it, if there is one."""
    above, _, name = path.rpartition(".")
    module = net.get_submodule(above) if name == "out_proj" else None
    if isinstance(module, nn.MultiheadAttention) and type(module).forward is nn.MultiheadAttention.forward:
        return module
    return None


@contextmanager
def projections_run(net: nn.Module, paths: Iterable[str]) -> Iterator[None]:
    """While it lasts, the projections among the modules at `paths` run as modules, on images x tokens x features. What
    the model returns stays the same to rounding."""
    found = {attention for path in paths if (attention := attention_above(net, path)) is not None}
    changed = [attention for attention in found if "forward" not in vars(attention)]  # or they run already
    try:
        for attention in changed:
            vars(attention)["forward"] = partial(_projected, attention)
        yield
    finally:
        for attention in changed:
            del vars(attention)["forward"]


def _projected(attention: nn.MultiheadAttention, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
    """What `attention` returns: torch's own function with an identity in the projection's place, then the
    projection."""
    weight, inner = attention.out_proj.weight, copy(attention)
    side = attention.embed_dim
    identity = torch.eye(side, dtype=weight.dtype, device=weight.device)
    nothing = torch.zeros(side, dtype=weight.dtype, device=weight.device)
    vars(inner)["_modules"] = {"out_proj": SimpleNamespace(weight=identity, bias=nothing)}
    vectors, weights = nn.MultiheadAttention.forward(inner, *args, **kwargs)
    if vectors.ndim < 3 or attention.batch_first:
        return attention.out_proj(vectors), weights
    return attention.out_proj(vectors.transpose(0, 1)).transpose(0, 1), weights
