"""How the tensors of a model are laid out: which axis holds the images and which the components, and which positions
are patches. Found by looking at what passes, on two different images; never assumed."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.component_axis import ComponentAxes
from semlens.model.components import Rows
from semlens.model.dry_run import Choice, Fingerprint, Graph, Passage, Run, by_default, dry_run
from semlens.model.hooks import Site
from semlens.model.positions import Grid, Positions, Tokenised, unchanging
from semlens.model.words import Words, words_of
from semlens.types import Shaped

Fingerprints = Mapping[Site, Fingerprint]

_NO_IMAGES = "has no axis that holds the images: it is the same size for one image as for two"
_CONSTANT = "does not depend on the image"
_UNSTEADY = "has another shape for other images"
_MIXED = "depends on the other images of the batch"
_RANDOM = "is not the same twice for the same images: something random runs in eval mode"
_QUANTISED = (
    "comes at or behind a layer that is quantised by the range of all images of a batch, so that its numbers depend on "
    "the images beside: give the model before its dynamic quantisation"
)
_SIZE = "is not the same for an image alone as beside another: it depends on the size of the batch"
_TOLERANCE = 1e-3  # of the greatest change: below it a row has not changed
_ANOTHER = 0.05  # of the greatest number: what is above it is no order of summation, in half precision either
_ROUNDING = 1e-4  # of the greatest number: a change below it may be the order of summation


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
        words: of a model that reads texts, what knows which positions are words.
    """

    shape: tuple[int, ...]
    rows: Rows
    components: int | None
    first: int = 0
    last: int = 0
    sides: tuple[int, int] | None = None
    words: Words | None = None

    @property
    def unfolded(self) -> bool:
        """Whether each index of the images' axis is an image."""
        return self.shape[self.rows.axis] == 1


@dataclass(frozen=True)
class Layouts:
    """The layout of what passes in a model, in order; where there is none, what is wrong with it.

    Args:
        asked: the paths of the modules that were looked at; None for all.
        runs: how often each module runs in one forward pass.
        returned: for what a module takes, the paths of the modules that returned this very tensor.
    """

    sites: Mapping[Site, Layout | str]
    asked: frozenset[str] | None
    runs: Mapping[str, int]
    returned: Mapping[Site, frozenset[str]]

    def calls(self, path: str) -> int:
        """How often a module runs in one forward pass."""
        return self.runs.get(path, 0)

    def holds(self, paths: frozenset[str] | None) -> bool:
        """Whether these modules were looked at."""
        return self.asked is None or (paths is not None and paths <= self.asked)


_CACHE: WeakKeyDictionary[nn.Module, tuple[object, Layouts]] = WeakKeyDictionary()


def layouts(net: nn.Module, x: Shaped[Tensor, "n ..."], paths: Iterable[str] | None = None) -> Layouts:
    """The layouts of what passes in `net`, seen on the first image of `x` and others made from it.

    What was seen last is kept as long as the model lives and neither it nor the size of its input changes.

    Args:
        paths: of the modules that are of interest, where it need not be all of them.

    Raises:
        SemlensError: a model whose calls cannot be seen, or that does not take two images at once.
    """
    asked = None if paths is None else frozenset(paths)
    state = (
        tuple(x.shape[1:]), x.dtype, x.device,
        tuple((path, id(module)) for path, module in net.named_modules()),
        tuple((id(p), p._version) for p in (*net.parameters(), *net.buffers()) if not p.is_inference()),
    )  # fmt: skip
    kept = _CACHE.get(net)
    if kept is None or kept[0] != state:
        _CACHE[net] = state, _look(net, x, asked)
    elif not kept[1].holds(asked):  # others are asked for: they are not the last
        _CACHE[net] = state, _look(net, x, None)
    return _CACHE[net][1]


@dataclass(frozen=True)
class _Looking:
    """A model and what it is shown: one image, and two that differ from it and from each other in every number."""

    net: nn.Module
    images: tuple[Tensor, Tensor, Tensor]

    def alone(self, wanted: Choice) -> Run:
        """The first image by itself."""
        return dry_run(self.net, self.images[0], wanted)

    def with_another(self, number: int, wanted: Choice) -> Run:
        """The first image and one of the others in one batch.

        Raises:
            SemlensError: the model does not take it.
        """
        try:
            return dry_run(self.net, torch.cat([self.images[0], self.images[number]]), wanted)
        except (RuntimeError, ValueError, AssertionError) as error:
            raise SemlensError(f"the model takes one image but not two at once: {str(error)[:200]}") from error


def _look(net: nn.Module, x: Tensor, asked: frozenset[str] | None) -> Layouts:
    def wanted(site: Site, shape: tuple[int, ...]) -> tuple[int, ...]:
        return by_default(site, shape) if asked is None or site.path in asked or len(shape) == 3 else ()

    with torch.inference_mode(False), torch.no_grad():
        first = x[:1].clone()
        looking = _Looking(net, (first, *_others(first)))
        alone, pair = looking.alone(wanted), looking.with_another(1, wanted)
        lengths = {one.site: one.shape for one in pair.passed}
        images = {one.site: _image_axis(one.shape, lengths.get(one.site)) for one in alone.passed}
        held = {site: axis for site, axis in images.items() if isinstance(axis, int)}
        chosen = {site: axis for site, axis in held.items() if asked is None or site.path in asked}
        rows = _rows_of(looking, chosen, alone, pair)
        rows |= {one.site: _QUANTISED for one in alone.passed[alone.apart :] if alone.apart is not None}
        graph = Graph(net, first)
        axes = ComponentAxes(graph, alone.passed, held).find()
        folded = {one.site: Rows(held[one.site], one.shape[held[one.site]]) for one in alone.passed if one.site in held}
        plain = {
            one.site: Layout(one.shape, folded[one.site], axes.get(one.site))
            for one in alone.passed
            if one.site in held
        }
        learned = {tuple(p.shape) for p in net.parameters()}
        plain = {site: _by_tokens(layout, pair.prints.get(site), learned) for site, layout in plain.items()}
        placed = _with_positions(plain, pair.prints, Positions(tuple(x.shape[2:]), graph))
    sites: dict[Site, Layout | str] = dict(alone.without)
    for site, axis in images.items():
        if asked is None or site.path in asked:
            found = rows.get(site, axis)
            layout = replace(placed[site], rows=found) if isinstance(found, Rows) else str(found)
            sites[site] = _with_words(net, layout) if isinstance(layout, Layout) else layout
    runs: dict[str, int] = {}
    for site in (*alone.without, *images):
        runs[site.path] = max(runs.get(site.path, 0), 1 + (site.call or 0))
    return Layouts(sites, asked, runs, _returned(alone.passed))


def _with_words(net: nn.Module, layout: Layout) -> Layout | str:
    """The layout of a model that reads texts, with what knows its words; what is wrong if a position is no token."""
    words = words_of(net)
    width = layout.shape[-1 if layout.components is None else layout.components]
    positions = math.prod(layout.shape) // max(width, 1)
    if words is None or positions == 1:
        return layout
    if positions != words.length:
        return (
            f"has {positions} positions for the {words.length} tokens of a text, so padding cannot be told from words"
        )
    return replace(layout, first=words.first if len(layout.shape) == 3 else 0, last=0, sides=None, words=words)


def _returned(passed: Sequence[Passage]) -> dict[Site, frozenset[str]]:
    """By whom what each module takes was returned."""
    returned: dict[Any, frozenset[str]] = {}
    taken: dict[Site, frozenset[str]] = {}
    for one in passed:
        lies = one.storage.cdata, one.shape, one.strides, one.offset
        if one.site.side == "output":
            returned[lies] = returned.get(lies, frozenset()) | {one.site.path}
        elif lies in returned:
            taken[one.site] = returned[lies]
    return taken


def _others(x: Tensor) -> tuple[Tensor, Tensor]:
    """Two inputs that differ from `x` and from each other in every number."""
    draw = torch.Generator().manual_seed(0)
    if not x.is_floating_point():
        order = torch.randperm(x[0].numel(), generator=draw).to(x.device)
        return x.flatten(1)[:, order].view(x.shape), x.flip(-1)
    scale = max(float(x.float().std(correction=0)), 0.1)
    brighter, noisier = (torch.rand(x.shape, generator=draw).to(x.device) - shift for shift in (0.0, 0.5))
    return x + (scale * brighter).to(x.dtype), x + (scale * noisier).to(x.dtype)


def _image_axis(shape: tuple[int, ...], pair: tuple[int, ...] | None) -> int | str:
    """The axis that is twice as long for two images as for one."""
    if pair is None or len(pair) != len(shape):
        return _UNSTEADY
    grown = [axis for axis, length in enumerate(shape) if pair[axis] != length]
    if not grown:
        return _NO_IMAGES
    return grown[0] if len(grown) == 1 and pair[grown[0]] == 2 * shape[grown[0]] else _UNSTEADY


def _rows_of(looking: _Looking, axes: Mapping[Site, int], alone: Run, pair: Run) -> dict[Site, Rows | str]:
    """Where the images lie. One image alone and in a pair tells most; what it leaves open, two pairs that share their
    first image tell exactly."""
    rows: dict[Site, Rows | str] = {}
    quick = {site: _quickly(axis, alone.prints.get(site), pair.prints.get(site)) for site, axis in axes.items()}
    rows |= {site: found for site, found in quick.items() if isinstance(found, Rows)}
    left = {site: axis for site, axis in axes.items() if site not in rows}
    if not left:
        return rows

    def wanted(site: Site, _shape: tuple[int, ...]) -> tuple[int, ...]:
        return (left[site],) if site in left else ()

    two, other = (looking.with_another(number, wanted).prints for number in (1, 2))
    found = {site: _rows(axis, two.get(site), other.get(site)) for site, axis in left.items()}
    if _MIXED in found.values():
        again = looking.with_another(1, wanted).prints
        found |= {site: _RANDOM for site, said in found.items() if said == _MIXED and _differ(two, again, site)}
    found |= {site: _SIZE for site, said in found.items() if isinstance(said, Rows) and quick[site] == _SIZE}
    return rows | found


def _quickly(axis: int, alone: Fingerprint | None, pair: Fingerprint | None) -> Rows | str:
    """Where the images lie, if one alone leaves no doubt; else whether its own numbers are others in a pair."""
    if alone is None or pair is None or axis not in alone.sums or axis not in pair.sums:
        return ""
    one, both = alone.sums[axis], pair.sums[axis]
    scale, fit, least = float(one.abs().max()) if len(one) else 0.0, [], float("inf")
    for rows in _orders(axis, len(one)):
        apart = (both.view(rows.outer, 2, rows.inner) - one.view(rows.outer, 1, rows.inner)).abs().amax((0, 2))
        moved, change = apart.tolist()
        least = min(least, moved / max(change, scale, 1e-30))
        if moved <= _TOLERANCE * change and change > _ROUNDING * scale:
            fit.append(rows)
    if len(fit) == 1:
        return fit[0]
    return _SIZE if not fit and least > _ANOTHER else ""


def _orders(axis: int, each: int) -> list[Rows]:
    """The ways in which `each` rows of an image may lie among those of the others."""
    return [Rows(axis, outer, each // outer) for outer in range(1, each + 1) if each % outer == 0]


def _rows(axis: int, two: Fingerprint | None, other: Fingerprint | None) -> Rows | str:
    """Where the images lie, from one tensor for a first image with a second, and with another second image."""
    if two is None or other is None or two.shape != other.shape:
        return _UNSTEADY
    change = (two.sums[axis] - other.sums[axis]).abs()
    if not change.any():
        return _CONSTANT
    for quiet in (0.0, _TOLERANCE):
        still = change <= quiet * change.max()
        orders = _orders(axis, len(change) // 2)
        fit = [rows for rows in orders if bool(still.view(rows.outer, 2, rows.inner)[:, 0].all())]
        if len(fit) == 1:
            return fit[0]
        if fit:
            return f"does not show which of its {len(change) // 2} rows belong to which image"
    return _MIXED


def _differ(one: Fingerprints, other: Fingerprints, site: Site) -> bool:
    a, b = one[site], other.get(site)
    if b is None or a.shape != b.shape:
        return True
    return any(not torch.allclose(sums, b.sums[axis], rtol=1e-5, atol=0) for axis, sums in a.sums.items())


def _changes(layout: Layout, pair: Fingerprint | None, place: int) -> Tensor | None:
    """How much each index of an axis of a sequence changes from one image to the other; zero where that is rounding."""
    images = layout.rows.axis
    table = pair.tables.get(3 - images - place) if pair else None
    if table is None:
        return None
    one, other = table if images < place else table.T
    change = (one - other).abs()
    return change if change.max() > _ROUNDING * table.abs().max() else torch.zeros_like(change)


def _by_tokens(layout: Layout, pair: Fingerprint | None, learned: set[tuple[int, ...]]) -> Layout:
    """A sequence whose components no module tells, but the tokens at its ends: the same for every image, and one or
    more of them as wide as a parameter that is such a token."""
    if layout.components is not None or not layout.unfolded or len(layout.shape) != 3:
        return layout
    free = [axis for axis in range(3) if axis != layout.rows.axis]
    fit = []
    for place, components in (free, free[::-1]):
        tokens = sum(unchanging(_changes(layout, pair, place)) or ())
        if any((1, count, layout.shape[components]) in learned for count in range(1, tokens + 1)):
            fit.append(components)
    return replace(layout, components=fit[0]) if len(fit) == 1 else layout


def _with_positions(plain: Mapping[Site, Layout], pair: Fingerprints, positions: Positions) -> dict[Site, Layout]:
    """The layouts with what can be said of positions, gone through in the order in which they passed."""
    found = dict(plain)
    for site, layout in plain.items():
        places = [axis for axis in range(len(layout.shape)) if axis not in (layout.rows.axis, layout.components)]
        if not layout.unfolded:
            if layout.components is not None and len(places) == 2:
                positions.folded.add(layout.shape[places[0]] * layout.shape[places[1]])
            continue
        tokens = (
            [Tokenised(site, p, layout.shape[p], _changes(layout, pair.get(site), p)) for p in places]
            if len(layout.shape) == 3
            else []
        )
        if layout.components is None:
            positions.note_tokens(tokens)
        elif len(places) == 2:
            positions.grids.append(
                Grid((layout.shape[places[0]], layout.shape[places[1]]), site, (places[0], places[1]))
            )
        elif tokens and layout.components == 2:
            first, last = positions.special(tokens[0])
            sides = positions.sides(tokens[0], first, tokens[0].length - first - last)
            found[site] = replace(layout, first=first, last=last, sides=sides)
    return found
