"""What class artefact compensation trains with: the directions it is about, and which parameters stand behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from semlens.collection import Feed
from semlens.correct.penalties import Method, augmentive_clarc, right_reason_clarc
from semlens.correct.suppress import What, split, suppress
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import Change, Components, Dictionary, Setter, Site, VisionModel, parse_all, record, still, survey
from semlens.types import Bool, Float64, Progress

BATCH = 32


@dataclass(frozen=True, eq=False)
class Target:
    """Units of a layer that a network is to rely on less."""

    kind: Components
    change: Change  # the layer and its units, by number
    components: int
    names: tuple[str, ...]  # what the units are called

    @classmethod
    def of(cls, model: VisionModel, what: What | None, units: Sequence[int | str] | None) -> "Target":
        """What `suppress` takes, bound to a model.

        Raises:
            SemlensError: nothing is named, or units of several layers; and as `suppress` does.
        """
        if what is None:
            raise SemlensError("the ClArC methods go by directions or components: say which (what=, --what)")
        changes = suppress(model, what, "zero", units=units).changes.layers
        if len(changes) != 1:
            raise SemlensError("the ClArC methods take units of one layer: choose one of them")
        layer = changes[0].layer
        ((kind, components),) = parse_all(model.net, [layer], model.example_input())
        known = layer.names if isinstance(layer, Dictionary) else ()
        names = tuple(known[unit] if known else str(unit) for unit in changes[0].units)
        return cls(kind, changes[0], components, names)

    def right_reasons(self) -> Method:
        """RR-ClArC on the units."""
        return right_reason_clarc(self.kind, self.change.units, self.components)

    def augmentive(
        self, model: VisionModel, images: ImageSet, marks: Mapping[str, Bool[np.ndarray, "n"]], progress: Progress
    ) -> Method:
        """A-ClArC: all images are moved until what is read of a unit is the mean of the images that show it. These are
        those that are marked by its name, else those above the split of all in two groups."""
        read, ids = self._read(model, images, progress)
        targets = []
        for values, name in zip(read.T, self.names, strict=True):
            shown = marks[name][ids] if name in marks else values > split(values)
            if not shown.any():
                raise SemlensError(f"no image shows {name!r}: A-ClArC adds to all images what is read of those")
            targets.append(float(values[shown].mean()))
        change = Change(self.change.layer, self.change.units, torch.tensor(targets), "mean")
        return augmentive_clarc(self.kind, Setter.of(change, self.kind, self.components, model.example_input()))

    def _read(self, model: VisionModel, images: ImageSet, progress: Progress) -> tuple[Float64[np.ndarray, "n u"], Any]:
        """What is read of the units in each image, by the mean over positions; and which images these are."""
        rows: list[torch.Tensor] = []
        ids: list[int] = []
        with torch.no_grad(), record(model.net, [self.kind.site]) as seen:
            for x, here in Feed(model, images, BATCH).readable(range(len(images)), "look", progress):
                model.net(x)
                pooled = self.kind.pool(seen[self.kind.site], "mean").activations
                rows.append(pooled[: len(here), list(self.change.units)].double().cpu())
                ids += here
        return torch.cat(rows).numpy(), np.array(ids)


def behind(net: nn.Module, site: Site, x: torch.Tensor) -> tuple[str, ...]:
    """The names of the parameters that only run once a layer has given what passes at `site`: what stands before it is
    left as it is, so that a direction in the layer stays what it was.

    Raises:
        SemlensError: there are none.
    """
    early, late = set[int](), set[int]()
    given = False

    def look(at: Site, module: nn.Module, _: Any) -> None:
        nonlocal given
        (late if given else early).add(id(module))
        if (at.path, at.side) == (site.path, site.side) and site.call in (None, at.call):
            given = True

    with torch.no_grad(), still(net):
        survey(net, x, look)
    fixed = {id(value) for module in net.modules() if id(module) in early for value in module.parameters(False)}
    free = {id(value) for module in net.modules() if id(module) in late - early for value in module.parameters(False)}
    names = tuple(name for name, value in net.named_parameters() if id(value) in free - fixed)
    if not names:
        raise SemlensError(f"nothing with parameters runs behind {site.path!r}: name a layer further down")
    return names
