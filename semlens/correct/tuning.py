"""The rules of relevance that order a network's components best: chosen for one group of layers after the other."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from semlens.analysis import Rows
from semlens.attribution import COMPOSITES, AlphaBeta, Composite, Epsilon, Gamma, Rule
from semlens.correct.curves import SHARES, pruning_curves
from semlens.correct.pruning import prune
from semlens.correct.structures import Convolution
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Site, VisionModel, as_model, still, survey
from semlens.progress import visible
from semlens.types import Progress, Shaped, silent

RULES: Mapping[str, Rule] = MappingProxyType({
    "epsilon 0": Epsilon(),
    "epsilon 0.25": Epsilon(0.25),
    "gamma 0.1": Gamma(0.1),
    "gamma 0.5": Gamma(0.5),
    "z+": AlphaBeta(1.0, 0.0),
})  # fmt: skip
"""What is tried in each group."""

GROUPS = ("low", "mid", "high", "last")
ATTENTION = "attention"


@dataclass(frozen=True)
class Trial:
    """One choice for one group, with those that were best before for the others.

    Args:
        area: beneath the curve of accuracy against the share pruned, in [0, 1].
        kept: whether it was the best of its group.
    """

    group: str
    rule: str
    area: float
    kept: bool


@dataclass(frozen=True, eq=False)
class Tuned:
    """The best rules, and all that was tried."""

    composite: Composite
    trials: Rows[Trial]


def tune_rules(
    model: VisionModel | str,
    references: ImageSet | Any,
    validation: ImageSet | Any,
    *,
    rules: Mapping[str, Rule] = RULES,
    shares: Sequence[float] = SHARES,
    of: str = "auto",
    checkpoint: Path | None = None,
    progress: Progress = visible,
) -> Tuned:
    """The composite by whose relevance a network can be pruned furthest, as `prune` takes it.

    Layers stand in groups by where they run: three of like size, and the linear ones at the end that no positions are
    left for. From epsilon everywhere, each group in turn gets the rule that makes the largest area beneath the curve of
    accuracy on the validation images; where attention is, also whether its weights are constants ("cp").

    Args:
        references: as in `prune`.
        validation: on which the area is measured; not those on which the result is judged.
        checkpoint: a folder; the same call goes on from what is there.

    Source: Hatefi et al. 2024 (arXiv 2408.12568), Sec. 3.3. But: group by group, in place of all at once.

    Raises:
        SemlensError: no rules, or what `prune` and `pruning_curves` refuse.
    """
    if not rules:
        raise SemlensError("no rules to choose from: give some (rules=), or leave the default")
    model, references, validation = as_model(model), load_images(references), load_images(validation)
    groups = layer_groups(model, model.example_input())
    known: dict[Any, float] = {}

    def area(composite: Composite) -> float:
        key = (composite.named, composite.attention)
        if key not in known:
            folder = None if checkpoint is None else checkpoint / f"trial-{len(known)}"
            order = prune(model, references, method=composite, of=of, progress=silent)
            curves = pruning_curves({"tried": order}, validation, shares=shares, of=of, checkpoint=folder,
                                    progress=silent)  # fmt: skip
            known[key] = curves[0].area
        return known[key]

    best, trials = replace(COMPOSITES["epsilon"], name="tuned"), []
    options = _options(groups, rules, attends(model))
    for number, (group, choices) in enumerate(options.items()):
        tried = {}
        for name, change in choices.items():
            tried[name] = area(change(best))
            progress("tune", number * len(rules) + len(tried), len(options) * len(rules))
        top = max(tried, key=lambda name: tried[name])
        trials += [Trial(group, name, value, name == top) for name, value in tried.items()]
        best = choices[top](best)
    return Tuned(best, Rows(trials, f"{model.name}: rules by group of layers"))


Changed = Callable[[Composite], Composite]


def _options(
    groups: Mapping[str, Sequence[str]], rules: Mapping[str, Rule], attention: bool
) -> dict[str, dict[str, Changed]]:
    """What may be done to a composite, by group and by rule."""

    def given(layers: Sequence[str], rule: Rule) -> Changed:
        return lambda one: replace(one, named=(*one.named, *((escape(layer), rule) for layer in layers)))

    found = {group: {name: given(layers, rule) for name, rule in rules.items()} for group, layers in groups.items()}
    if attention:
        found[ATTENTION] = {"attnlrp": lambda one: one, "cp": lambda one: replace(one, attention="cp")}
    return found


def layer_groups(model: VisionModel, x: Shaped[Tensor, "n ..."]) -> dict[str, tuple[str, ...]]:
    """The layers with filters or units in groups, by where they run; groups without any are left out."""
    shapes: dict[str, int] = {}

    def see(site: Site, module: nn.Module, value: Any) -> None:
        if site.side == "output" and isinstance(module, Convolution | nn.Linear) and isinstance(value, Tensor):
            shapes.setdefault(site.path, value.ndim)

    with torch.no_grad(), still(model.net):
        survey(model.net, x, see)
    paths = list(shapes)
    before = len(paths)
    while before and shapes[paths[before - 1]] == 2:
        before -= 1
    cuts = [round(before * part / 3) for part in range(4)]
    parts = [paths[start:stop] for start, stop in itertools.pairwise(cuts)] + [paths[before:]]
    return {name: tuple(part) for name, part in zip(GROUPS, parts, strict=True) if part}


def attends(model: VisionModel) -> bool:
    """Whether heads of an attention can be read in the network."""
    return any(row.kind == "heads" or row.heads for row in model.layers())
