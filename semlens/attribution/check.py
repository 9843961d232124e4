"""Whether attribution can be trusted on a user's model: every promise tested on the model itself."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL.Image import Image, Resampling, fromarray
from torch import Tensor

from semlens.attribution.attribute import attribute
from semlens.attribution.composite import Composite, rules_for
from semlens.attribution.conservation import Conservation, ConservationWarning
from semlens.attribution.gradients import Attribution
from semlens.attribution.targets import (
    PROBABILITY,
    Activation,
    Logit,
    ProbabilityWarning,
    Target,
    is_probability,
    logits_in,
    target_of,
)
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from semlens.model import VisionModel, still, tensors_in
from semlens.types import Float, Shaped

LITTLE = 0.1
"""Share of the value below which what arrives at the pixels is remarked upon."""

TOLERANCE = 1e-3
"""Largest relative difference between the traced and the plain output; for batches, ten times as much."""

SIZE = 10.0
"""Sum of |relevance| by |explained value| above which a heat map is doubtful."""

KEPT = 0.1
"""Share of what entered above which what stabilisers keep is doubtful."""

ABSORBED = 1.0
"""Share of what entered above which what one layer absorbs is doubtful; twice as much of what arrives."""

SOFTMAX = 0.9
"""Share of what entered above which what nothing accounts for is doubtful."""


@dataclass(frozen=True)
class Check:
    """How one composite behaves on one model.

    Args:
        fault: what is wrong, in one sentence; None if attribution runs and keeps its promises.
        doubts: why a heat map that keeps them may still mean little, a sentence each.
        report: where relevance went; None if attribution did not run.
        size: sum of |relevance| at the input over |explained value|, mean over images: 1 if nothing cancels, large if
            relevance of both signs grows on the way.
        forward_error: largest difference between the traced and the plain output, over the largest output.
        batch_error: largest difference between the relevance of the first image alone and in a batch, over its largest
            relevance.
    """

    method: str
    fault: str | None
    doubts: tuple[str, ...] = ()
    report: Conservation | None = None
    size: float = float("nan")
    forward_error: float = float("nan")
    batch_error: float = float("nan")

    @property
    def verdict(self) -> str:
        """ "good", "doubt" or "fault"."""
        return "fault" if self.fault else "doubt" if self.doubts else "good"

    @property
    def remark(self) -> str | None:
        """What a reader of the heat maps should know, if little of the value arrives at the pixels; no fault."""
        report = self.report
        if self.fault or report is None or abs(report.share(report.arrived)) >= LITTLE:
            return None
        amounts = {
            "biases": report.bias,
            "inputs that are no pixels": sum(report.inputs.values()),
            "the rest": report.rest,
        }
        most = max(amounts, key=lambda name: abs(amounts[name]))
        return (
            f"{report.share(report.arrived):.2%} of the value arrives at the pixels and "
            f"{report.share(amounts[most]):.0%} goes to {most}: a heat map says where the pixels' part comes from, not "
            "how much of the value it is"
        )


def check(
    model: VisionModel,
    x: Shaped[Tensor, "n ..."],
    methods: Sequence[str | Composite] = ("auto",),
    *,
    target: Any = None,
) -> list[Check]:
    """For each method, whether rules cover the model, outputs and weights stay unchanged, and relevance is finite, not
    zero and independent of the batch, tested on the images `x`; and whether it is of a size that means something.

    Args:
        target: what is explained, as in `attribute`.

    Raises:
        SemlensError: a target or a method that does not exist, or a method that is a plain gradient.
    """
    goal = target_of(target)
    return [_check(model, x, method, goal) for method in methods]


def _check(model: VisionModel, x: Tensor, method: str | Composite, goal: Target) -> Check:
    rules = rules_for(method, model, "checks", x)
    before = model.fingerprint()
    try:
        with warnings.catch_warnings():
            for said in (ConservationWarning, ProbabilityWarning):  # the report and the doubts say it
                warnings.simplefilter("ignore", said)
            whole = attribute(model, x, goal, method=rules)
            alone = attribute(model, x[:1], _of_first(goal), method=rules)
    except SemlensError as refused:
        return Check(rules.name, str(refused))
    assert whole.heat is not None
    assert alone.heat is not None
    with torch.no_grad(), still(model.net):
        plain = model.net(x)
    with trace(model.net, x, rules) as run:
        forward = _difference(run.output, plain)
        probability = isinstance(goal, Logit) and is_probability(logits_in(run.output, len(x)))
    batch = _relative(whole.heat[:1], alone.heat)
    size = float(_sizes(whole).mean())
    fault = _fault(whole, forward, batch, model.fingerprint() == before)
    doubts = () if fault else _doubts(whole, size, probability)
    return Check(rules.name, fault, doubts, whole.report, size, forward, batch)


def _of_first(goal: Target) -> Target:
    """The target for the first image alone."""
    if isinstance(goal, Logit) and isinstance(goal.which, tuple | list):
        return Logit(goal.which[:1])
    if isinstance(goal, Activation) and isinstance(goal.position, Tensor):
        return replace(goal, position=goal.position[:1])
    return goal


def _sizes(whole: Attribution) -> Float[Tensor, "n"]:
    assert whole.heat is not None
    return whole.heat.flatten(1).abs().sum(1) / whole.value.abs().clamp(min=1e-30)


def _fault(whole: Attribution, forward: float, batch: float, unchanged: bool) -> str | None:
    assert whole.heat is not None
    if not unchanged:
        return "the model's weights changed: please report this"
    if not whole.heat.isfinite().all():
        return "relevance is not finite: choose another composite, or a model without NaN on these images"
    if forward > TOLERANCE:
        return f"the traced output differs from the model's by {forward:.1e}: please report this"
    zero = (whole.heat == 0).flatten(1).all(1)
    if zero.any():
        why = "the target does not depend on the pixels, or a rule drops all of it"
        why = why if whole.value[zero].any() else "the target is 0 there: give another target, or other images"
        return f"relevance is zero at every pixel of {int(zero.sum())} of {len(zero)} images: {why}"
    if batch > 10 * TOLERANCE:
        return f"relevance depends on which images run together (by {batch:.1e})"
    return None


def _doubts(whole: Attribution, size: float, probability: bool) -> tuple[str, ...]:
    """Why heat maps may mean little, the weightiest first."""
    report = whole.report
    assert report is not None
    doubts = [PROBABILITY] if probability else []
    if size > SIZE:
        doubts.append(
            f"relevance of both signs grows on its way to {size:,.0f} times the explained value and cancels: choose "
            "rules with z+ or gamma for convolutions (epsilon_plus, attnlrp_gamma)"
        )
    if abs(report.share(report.stabiliser)) > KEPT:
        most = max(report.layers, key=lambda layer: layer.stabiliser)
        doubts.append(
            f"stabilisers keep {report.share(report.stabiliser):.0%}, most of it in {most.layer}: contributions of "
            "both signs cancel there, or the rule does not conserve"
        )
    if report.layers and report.layers[0].total > ABSORBED:
        most = report.layers[0]
        doubts.append(
            f"{most.layer} alone absorbs {most.total:.0%} of what entered, so what lies below it is uncertain"
        )
    if abs(report.share(report.arrived)) > 2 * ABSORBED:
        doubts.append(f"{report.share(report.arrived):,.0%} of what entered arrives: relevance grows on the way")
    if abs(report.share(report.rest)) > SOFTMAX:
        doubts.append(
            f"{report.share(report.rest):,.0%} is lost or made by softmaxes: where the target lies behind one, as a "
            "box's score does, explain the logit before it; those inside attention cp_lrp keeps constant"
        )
    return tuple(doubts)


def _difference(traced: Any, plain: Any) -> float:
    """The largest relative difference between the tensors of two outputs; infinite if they are not alike."""
    a, b = ([tensor.detach().double() for tensor in tensors_in(output)] for output in (traced, plain))
    return max(map(_relative, a, b), default=0.0) if len(a) == len(b) else float("inf")


def _relative(a: Tensor, b: Tensor) -> float:
    if a.shape != b.shape:
        return float("inf")
    return float((a - b).abs().max() / b.abs().max().clamp(min=1e-30)) if a.numel() else 0.0


def noise(count: int = 4) -> list[Image]:
    """RGB images of smooth noise, the same each time, for a model that is tried before there are images."""
    grids = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return [fromarray(grid).resize((256, 256), Resampling.BICUBIC) for grid in grids]
