"""Quantus: our attributions as its explanations. Nothing of it is imported; it calls us."""

from typing import Any

import numpy as np
from torch import Tensor, nn

from semlens.attribution import Composite, attribute
from semlens.interop.networks import as_input, as_studied, as_targets
from semlens.types import Float


def explain(
    model: nn.Module,
    inputs: Any,
    targets: Any = None,
    *,
    method: str | Composite = "auto",
    positive: bool = False,
    colours: bool = False,
    device: Any = None,
    **options: Any,
) -> Float[np.ndarray, "n c h w"]:
    """Relevance of the pixels of a batch: what `explain_func` of every metric of Quantus wants.

    Write `metric(model, x_batch, y_batch, explain_func=semlens.interop.quantus.explain,
    explain_func_kwargs={"method": "epsilon_plus"})`. The network is the one that Quantus hands over, so that metrics
    which randomise it see the explanation change.

    Args:
        inputs: preprocessed, "n c h w".
        targets: an output's number for each; None for each one's highest.
        method: as for `attribute`.
        positive: whether negative relevance counts as 0, as in CLEVR-XAI: metrics that divide by a sum of signed
            relevance (relevance mass) say nothing where it is near 0.
        colours: whether each colour has its own relevance; else there is one map, summed over them.
        options: others of `attribute`.

    Source: Hedström et al. 2023 (Quantus).

    Raises:
        SemlensError: as `attribute` does.
    """
    net = model.eval() if isinstance(model, nn.Module) else model
    found = attribute(as_studied(net), as_input(net, inputs, device), as_targets(targets), method=method, **options)
    assert found.source is not None
    assert found.heat is not None
    heat: Tensor = found.source if colours else found.heat[:, None]
    heat = heat.clamp(min=0) if positive else heat
    return np.asarray(heat.detach().float().cpu().numpy())
