"""Whether attribution can be trusted on a user's model: every promise tested on the model itself."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from semlens.attribution.attribute import attribute
from semlens.attribution.composite import Composite, rules_for
from semlens.attribution.conservation import Conservation, ConservationWarning
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from semlens.model import VisionModel, still, tensor_in
from semlens.shapes import Float

TOLERANCE = 1e-3
"""Largest relative difference between the traced and the plain output; for batches, ten times as much."""


@dataclass(frozen=True)
class Check:
    """How one composite behaves on one model.

    Args:
        fault: what is wrong, in one sentence; None if attribution runs and keeps its promises.
        report: where relevance went; None if attribution did not run.
        size: sum of |relevance| at the input over |explained value|, mean over images: 1 if nothing cancels, large if
            relevance of both signs grows on the way.
        forward_error: largest difference between the traced and the plain output, over the largest output.
        batch_error: largest difference between the relevance of the first image alone and in a batch, over its largest
            relevance.
    """

    method: str
    fault: str | None
    report: Conservation | None = None
    size: float = float("nan")
    forward_error: float = float("nan")
    batch_error: float = float("nan")


def check(model: VisionModel, x: Float[Tensor, "n ..."], methods: Sequence[str | Composite] = ("auto",)) -> list[Check]:
    """For each method, whether rules cover the model, outputs and weights stay unchanged, and relevance is finite and
    independent of the batch, tested on the images `x`.

    Raises:
        SemlensError: a method that does not exist, or that is a plain gradient.
    """
    return [_check(model, x, method) for method in methods]


def _check(model: VisionModel, x: Tensor, method: str | Composite) -> Check:
    rules = rules_for(method, model, "checks")
    before = model.fingerprint()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConservationWarning)  # the report says it
            whole = attribute(model, x, method=rules)
            alone = attribute(model, x[:1], method=rules)
    except SemlensError as fault:
        return Check(rules.name, str(fault))
    assert whole.heat is not None
    assert alone.heat is not None
    with torch.no_grad(), still(model.net):
        plain = tensor_in(model.net(x))
    with trace(model.net, x, rules) as run:
        forward = _relative(tensor_in(run.output).detach(), plain)
    batch = _relative(whole.heat[:1], alone.heat)
    size = whole.heat.flatten(1).abs().sum(1) / whole.value.abs().clamp(min=1e-30)
    return Check(
        rules.name,
        _fault(whole.heat, forward, batch, model.fingerprint() == before),
        whole.report,
        float(size.mean()),
        forward,
        batch,
    )


def _fault(heat: Tensor, forward: float, batch: float, unchanged: bool) -> str | None:
    if not unchanged:
        return "the model's weights changed: please report this"
    if not heat.isfinite().all():
        return "relevance is not finite: choose another composite, or a model without NaN on these images"
    if forward > TOLERANCE:
        return f"the traced output differs from the model's by {forward:.1e}: please report this"
    if batch > 10 * TOLERANCE:
        return f"relevance depends on which images run together (by {batch:.1e})"
    return None


def _relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-30))
