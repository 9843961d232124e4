"""How the tensors of a model are laid out: which axis holds the images and which the components, and which positions
are patches. Found by looking at what passes, on two different images; never assumed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.component_axis import ComponentAxes
from semlens.model.components import Rows
from semlens.model.dry_run import Fingerprint, fingerprints, passages
from semlens.model.hooks import Site
from semlens.model.positions import Positions, unchanging
from semlens.shapes import Float

Fingerprints = Mapping[Site, Fingerprint]

_NO_IMAGES = "has no axis that holds the images: it is the same size for one image as for two"
_CONSTANT = "does not depend on the image"
_UNSTEADY = "has another shape for other images"
_MIXED = "depends on the other images of the batch"
_RANDOM = "is not the same twice for the same images: something random runs in eval mode"
_TOLERANCE = 1e-3  # of the greatest change: below it a row has not changed


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
        passed, without = passages(net, first)
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
    learned = {tuple(p.shape) for p in net.parameters()}
    plain = {site: _by_tokens(layout, two[site], other[site], learned) for site, layout in plain.items()}
    placed = _with_positions(plain, two, other, tuple(x.shape[2:]))
    told: dict[Site, Layout | str] = {site: said for site, said in rows.items() if isinstance(said, str)}
    return Layouts({**without, **{site: placed.get(site) or told[site] for site in rows}})


def _others(x: Tensor) -> tuple[Tensor, Tensor]:
    """Two inputs that differ from `x` and from each other in every number."""
    draw = torch.Generator().manual_seed(0)
    if not x.is_floating_point():
        order = torch.randperm(x[0].numel(), generator=draw).to(x.device)
        return x.flatten(1)[:, order].view(x.shape), x.flip(-1)
    scale = max(float(x.float().std(correction=0)), 0.1)
    brighter, noisier = (torch.rand(x.shape, generator=draw).to(x.device) - shift for shift in (0.0, 0.5))
    return x + (scale * brighter).to(x.dtype), x + (scale * noisier).to(x.dtype)


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


def _by_tokens(layout: Layout, two: Fingerprint, other: Fingerprint, learned: set[tuple[int, ...]]) -> Layout:
    """A sequence whose components no module tells, but the tokens at its ends: the same for every image, and one or
    more of them as wide as a parameter that is such a token."""
    if layout.components is not None or not layout.rows.unfolded or len(layout.shape) != 3:
        return layout
    free = [axis for axis in range(3) if axis != layout.rows.axis]
    fit = []
    for place, components in (free, free[::-1]):
        tokens = sum(unchanging(two, other, place) or ())
        if any((1, count, layout.shape[components]) in learned for count in range(1, tokens + 1)):
            fit.append(components)
    return replace(layout, components=fit[0]) if len(fit) == 1 else layout


def _with_positions(
    plain: Mapping[Site, Layout], two: Fingerprints, other: Fingerprints, image: tuple[int, ...]
) -> dict[Site, Layout]:
    """The layouts with what can be said of positions, gone through in the order in which they passed."""
    positions = Positions(image)
    found = dict(plain)
    for site, layout in plain.items():
        places = [axis for axis in range(len(layout.shape)) if axis not in (layout.rows.axis, layout.components)]
        if layout.rows.unfolded and layout.components is None:
            positions.note_tokens(layout.shape, places, two[site], other[site])
        elif layout.rows.unfolded and len(places) == 2:
            positions.grids.append((layout.shape[places[0]], layout.shape[places[1]]))
        elif layout.rows.unfolded and len(places) == 1 and layout.components == len(layout.shape) - 1:
            length = layout.shape[places[0]]
            first, last = positions.special(length, places[0], two[site], other[site])
            found[site] = replace(layout, first=first, last=last, sides=positions.sides(length - first - last))
    return found
