"""How the tensors of a model are laid out: which axis holds the images and which the components, and which positions
are patches. Found by looking at what passes, on two different images; never assumed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.component_axis import ComponentAxes
from semlens.model.components import Rows
from semlens.model.dry_run import Fingerprint, fingerprints, passages
from semlens.model.hooks import Site
from semlens.shapes import Float

Fingerprints = Mapping[Site, Fingerprint]

_NO_IMAGES = "has no axis that holds the images: it is the same size for one image as for two"
_CONSTANT = "does not depend on the image"
_UNSTEADY = "has another shape for other images"
_MIXED = "depends on the other images of the batch"
_RANDOM = "is not the same twice for the same images: something random runs in eval mode"
_TOLERANCE = 1e-3  # of the greatest change: below it a row has not changed
_MOST_SPECIAL = 8  # tokens that are counted from shapes alone


@dataclass(frozen=True)
class Layout:
    """How what passes at one site is laid out.

    Args:
        shape: with one image.
        rows: where the images lie.
        components: the axis of the components; None where nothing decides.
        first: tokens at the start of a sequence that are no patches (class, distillation and register tokens).
        last: such tokens at its end.
        sides: height and width of the grid that the patches of a sequence come from.
    """

    shape: tuple[int, ...]
    rows: Rows
    components: int | None
    first: int = 0
    last: int = 0
    sides: tuple[int, int] | None = None


@dataclass(frozen=True)
class Layouts:
    """The layout of everything that passes in a model, in order; where there is none, what is wrong with it."""

    sites: Mapping[Site, Layout | str]

    def calls(self, path: str) -> int:
        """How often a module runs in one forward pass."""
        return 1 + max((site.call for site in self.sites if site.path == path and site.call is not None), default=-1)


_CACHE: WeakKeyDictionary[nn.Module, tuple[object, Layouts]] = WeakKeyDictionary()


def layouts(net: nn.Module, x: Float[Tensor, "n ..."]) -> Layouts:
    """The layouts of all that passes in `net`, seen on the first image of `x` and two made from it.

    What was seen last is kept as long as the model lives and neither it nor the size of its input changes.

    Raises:
        SemlensError: a model whose calls cannot be seen, or that does not take two images at once.
    """
    state = (
        tuple(x.shape[1:]), x.dtype, x.device,
        tuple((path, id(module)) for path, module in net.named_modules()),
        tuple((id(p), p._version) for p in (*net.parameters(), *net.buffers()) if not p.is_inference()),
    )  # fmt: skip
    if net not in _CACHE or _CACHE[net][0] != state:
        _CACHE[net] = state, _look(net, x)
    return _CACHE[net][1]


def _look(net: nn.Module, x: Tensor) -> Layouts:
    with torch.inference_mode(False), torch.no_grad():
        first = x[:1].clone()
        second, third = _others(first)
        passed = passages(net, first)
        alone = {one.site: one.shape for one in passed}
        pairs = torch.cat([first, second]), torch.cat([first, third])
        try:
            two, other = (fingerprints(net, pair, alone) for pair in pairs)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise SemlensError(f"the model takes one image but not two at once: {str(error)[:200]}") from error
        rows = {site: _rows(shape, two.get(site), other.get(site)) for site, shape in alone.items()}
        if _MIXED in rows.values():
            again = fingerprints(net, pairs[0], alone)
            rows |= {site: _RANDOM for site, found in rows.items() if found == _MIXED and _differ(two, again, site)}
        held = {site: found for site, found in rows.items() if isinstance(found, Rows)}
        axes = ComponentAxes(net, first, passed, {site: found.axis for site, found in held.items()}).find()
    plain = {one.site: Layout(one.shape, held[one.site], axes.get(one.site)) for one in passed if one.site in held}
    found: dict[Site, Layout | str] = {site: said for site, said in rows.items() if isinstance(said, str)}
    placed = _with_positions(plain, two, other, tuple(x.shape[2:]))
    return Layouts({site: placed.get(site) or found[site] for site in rows})


def _others(x: Tensor) -> tuple[Tensor, Tensor]:
    """Two inputs that differ from `x` and from each other in every number."""
    draw = torch.Generator().manual_seed(0)
    if not x.is_floating_point():
        order = torch.randperm(x[0].numel(), generator=draw).to(x.device)
        return x.flatten(1)[:, order].view(x.shape), x.flip(-1)
    scale = max(float(x.float().std(correction=0)), 0.1)
    noises = [torch.rand(x.shape, generator=draw).to(x.device) - 0.5 for _ in range(2)]
    return x + (scale * noises[0]).to(x.dtype), x + (scale * noises[1]).to(x.dtype)


def _rows(shape: tuple[int, ...], two: Fingerprint | None, other: Fingerprint | None) -> Rows | str:
    """Where the images lie, from one tensor for a first image alone, with a second, and with another second image."""
    if two is None or other is None or two.shape != other.shape or len(two.shape) != len(shape):
        return _UNSTEADY
    grown = [axis for axis, length in enumerate(shape) if two.shape[axis] != length]
    if len(grown) != 1 or two.shape[grown[0]] != 2 * shape[grown[0]]:
        return _NO_IMAGES
    (axis,) = grown
    change = (two.sums[axis] - other.sums[axis]).abs()
    if change.max() == 0:
        return _CONSTANT
    each = shape[axis]
    for quiet in (0.0, _TOLERANCE):
        still = change <= quiet * change.max()
        orders = [Rows(axis, outer, each // outer) for outer in range(1, each + 1) if each % outer == 0]
        fit = [rows for rows in orders if bool(still.view(rows.outer, 2, rows.inner)[:, 0].all())]
        if len(fit) == 1:
            return fit[0]
        if fit:
            return f"does not show which of its {each} rows belong to which image"
    return _MIXED


def _differ(one: Fingerprints, other: Fingerprints, site: Site) -> bool:
    a, b = one[site], other.get(site)
    if b is None or a.shape != b.shape:
        return True
    return any(not torch.allclose(sums, b.sums[axis], rtol=1e-6, atol=0) for axis, sums in a.sums.items())


def _with_positions(
    plain: Mapping[Site, Layout], two: Fingerprints, other: Fingerprints, image: tuple[int, ...]
) -> dict[Site, Layout]:
    """The layouts with what can be said of positions: special tokens where a sequence of their length first passes,
    and the grid that was passed last with as many places as the sequence has patches."""
    grids: list[tuple[int, int]] = []
    special: dict[int, tuple[int, int]] = {}
    found = dict(plain)
    for site, layout in plain.items():
        places = [axis for axis in range(len(layout.shape)) if axis not in (layout.rows.axis, layout.components)]
        if not layout.rows.unfolded:
            continue
        if layout.components is None:
            for axis in places if len(places) == 2 else ():
                ends = _unchanging(two[site], other[site], axis)
                if ends and sum(ends):
                    special.setdefault(layout.shape[axis], ends)
            continue
        if len(places) == 2:
            grids.append((layout.shape[places[0]], layout.shape[places[1]]))
        if len(places) == 1 and layout.components == len(layout.shape) - 1:
            length = layout.shape[places[0]]
            if length not in special:
                ends = _unchanging(two[site], other[site], places[0])
                special[length] = _counted(length, grids, list(special.values())) if ends == (0, 0) else ends or (0, 0)
            first, last = special[length]
            sides = _sides(length - first - last, grids, image)
            found[site] = replace(layout, first=first, last=last, sides=sides)
    return found


def _unchanging(two: Fingerprint, other: Fingerprint, axis: int) -> tuple[int, int] | None:
    """How many tokens at the start and at the end of a sequence are the same for every image, as special ones are until
    the layers mix them. None where some between are too: padding, which is read like any other place."""
    change = (two.sums[axis] - other.sums[axis]).abs()
    moves = torch.nonzero(change > _TOLERANCE**2 * change.max()).flatten()
    first, last = int(moves[0]), len(change) - 1 - int(moves[-1])
    return (first, last) if len(moves) == len(change) - first - last else None


def _counted(length: int, grids: Sequence[tuple[int, int]], before: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Special tokens of a sequence that is mixed already when it first passes: as many as it is longer than the
    greatest grid that fits into it, where they lay before."""
    over = min((length - h * w for h, w in grids if h * w <= length), default=0)
    if not 0 < over <= _MOST_SPECIAL or isqrt(length) ** 2 == length:
        return 0, 0
    return next((ends for ends in reversed(before) if sum(ends) == over), (over, 0))


def _sides(patches: int, grids: Sequence[tuple[int, int]], image: tuple[int, ...]) -> tuple[int, int] | None:
    """The latest grid with as many places as there are patches, else one of the shape of the image."""
    for sides in reversed(grids):
        if sides[0] * sides[1] == patches:
            return sides
    if len(image) != 2 or not all(image):
        return None
    height = round((patches * image[0] / image[1]) ** 0.5)
    width = patches // max(height, 1)
    return (height, width) if height * width == patches > 0 and height * image[1] == width * image[0] else None
