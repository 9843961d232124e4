"""An audit's finding put to the test: what an output loses when the components that were flagged are silenced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semlens.analysis import Rows, ask_spec
from semlens.analysis.audit import Audit, check_spec, views
from semlens.analysis.audit import audit as audit_index
from semlens.collection import Feed, pooling
from semlens.errors import SemlensError
from semlens.index import ConceptIndex
from semlens.model import (
    Change,
    VisionModel,
    check_dictionaries,
    less_the_other,
    logits_of,
    parse_all,
    still,
    units_set,
)
from semlens.numerics import bootstrap
from semlens.types import ExampleSet, Float32, Int64, Progress, silent

EACH = 64
"""Images that show a concept, and images that do not, at most."""

FEWEST = 8


@dataclass(frozen=True)
class Verified:
    """What the output loses when the components that fit a spurious concept are set to their mean activation."""

    layer: str
    concept: str
    components: int
    relevance: float  # what the audit says goes through the concept
    fall: float  # of the output on images that show the concept, less that on images that do not, in logits
    low: float  # 95 % interval over images like these
    high: float
    fall_with: float  # on images that show it
    fall_without: float
    images_with: int
    images_without: int
    chosen_by: str  # "marked images", or "similarity": those that the foundation model finds most and least like it


def verify_audit(
    audit: Audit,
    model: VisionModel,
    images: ExampleSet,
    *,
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress = silent,
) -> Rows[Verified]:
    """For every spurious concept that components fit: these are set to their mean activation over the images, and the
    output is compared with and without, on images that show the concept and on images that do not.

    A shortcut makes the output fall (or rise, where it speaks against it) where its concept is, and not elsewhere. Of
    two classes the output is the difference of their logits.

    Raises:
        SemlensError: another model or other images than the index was made from, or nothing flagged.
    """
    index = audit.index
    index.recipe.model.check(model.fingerprint())
    check_dictionaries(index.layers)
    index.recipe.images.check(images.fingerprint)
    flagged = [mass for mass in audit.concepts if mass.side == "spurious" and mass.components]
    if not flagged:
        raise SemlensError("no component fits a spurious concept: there is nothing to verify")
    chosen = {mass.concept: _chosen(audit, mass.concept, seed) for mass in flagged}
    ids = sorted({i for one in chosen.values() for i in (*one.shown, *one.absent)})
    units = [tuple(audit.components_of(mass.side, mass.concept, mass.layer)) for mass in flagged]
    run = _Run(model, images, ids, _column(audit), batch_size, progress)
    means = run.means(sorted({mass.layer for mass in flagged}))
    intact, found = run.outputs(()), []
    for mass, own in zip(flagged, units, strict=True):
        silenced = Change(mass.layer, own, torch.from_numpy(means[mass.layer][list(own)]))
        fall = dict(zip(ids, (intact - run.outputs((silenced,))).tolist(), strict=True))
        found.append(_row(mass.layer, mass.concept, len(own), mass.relevance, fall, chosen[mass.concept], seed))
    return Rows(found, f"what {audit.output!r} loses without the components that fit a concept")


def verify_spec(
    index: ConceptIndex, spec: Mapping[str, Any], model: VisionModel, images: ExampleSet, progress: Progress = silent
) -> Rows[Verified]:
    """The same for a spec as plain data, whose audit is made first.

    Raises:
        SemlensError: as `verify_audit`; or a spec that is wrong.
    """
    asked = check_spec(dict(spec))
    audited = audit_index(index, asked, ask_spec(index.recipe.foundation, asked, index=index))
    return verify_audit(audited, model, images, progress=progress)


@dataclass(frozen=True)
class Removed:
    """What an output loses when a component is set to its mean activation."""

    output: int
    fall: float  # on the images that excite it most, in logits; of two classes of their difference
    low: float  # 95 % interval over images like these
    high: float
    elsewhere: float  # on images drawn at random
    images: int
    others: int


def without_component(
    index: ConceptIndex, model: VisionModel, images: ExampleSet, row: int, *, seed: int = 0, progress: Progress = silent
) -> list[Removed]:
    """For every output, what it loses where a component fires most, and on images drawn at random, when the component
    is set to its mean activation over both. The largest loss or gain first.

    Raises:
        SemlensError: another model or other images than the index was made from, or no logits.
    """
    index.recipe.model.check(model.fingerprint())
    check_dictionaries(index.layers)
    index.recipe.images.check(images.fingerprint)
    strongest = np.unique(index.ids[row][index.valid[row]])[:EACH].tolist()
    readable = [number for number, error in enumerate(index.images.errors) if error is None]
    drawn = np.random.default_rng(seed).permutation(sorted({*readable} - {*strongest}))[:EACH].tolist()
    ids, component = sorted({*strongest, *drawn}), index.component(row)
    run = _Run(model, images, ids, 0, 32, progress)
    mean = run.means([component.layer])[component.layer][component.unit]
    silenced = Change(component.layer, (component.unit,), torch.tensor([float(mean)]))
    fall = run.logits(()) - run.logits((silenced,))
    shown, rest = np.isin(ids, strongest), np.isin(ids, drawn)
    found = []
    for output in range(fall.shape[1]):
        own = less_the_other(fall, output)
        there = bootstrap(own[shown], seed=seed)
        elsewhere = float(own[rest].mean()) if rest.any() else float("nan")
        found.append(Removed(output, there.value, there.low, there.high, elsewhere, len(strongest), len(drawn)))
    return sorted(found, key=lambda one: (-abs(one.fall), one.output))


@dataclass(frozen=True)
class _Chosen:
    shown: tuple[int, ...]
    absent: tuple[int, ...]
    by: str


def _chosen(audit: Audit, concept: str, seed: int) -> _Chosen:
    """Images that show a concept and images that do not: by marks, else by similarity."""
    seen, marks = views(audit.index), audit.marked.get(concept)
    rng = np.random.default_rng(seed)
    if marks is not None and min(marks.sum(), (~marks).sum()) >= FEWEST:
        return _Chosen(_some(seen.ids[marks], rng), _some(seen.ids[~marks], rng), "marked images")
    order = seen.ids[np.argsort(-seen.vectors @ audit.direction(concept), kind="stable")]
    distinct = list(dict.fromkeys(order.tolist()))
    each = max(1, min(EACH, len(distinct) // 4))
    return _Chosen(tuple(distinct[:each]), tuple(distinct[-each:]), "similarity")


def _some(ids: Int64[np.ndarray, "n"], rng: np.random.Generator) -> tuple[int, ...]:
    distinct = np.unique(ids)
    return tuple(sorted(rng.permutation(distinct)[:EACH].tolist()))


def _column(audit: Audit) -> int:
    relevance = audit.index.relevance
    assert relevance is not None
    return int(relevance.classes[relevance.column(audit.spec.output)])


@dataclass(frozen=True)
class _Run:
    """Some images, which a model sees intact or with components silenced."""

    model: VisionModel
    images: ExampleSet
    ids: Sequence[int]
    column: int
    batch_size: int
    progress: Progress

    def means(self, layers: Sequence[str]) -> dict[str, Float32[np.ndarray, "c"]]:
        """The mean activation of every component of some layers, over images and positions."""
        feed = Feed(self.model, self.images, self.batch_size)
        parsed = parse_all(self.model.net, layers, feed.first)
        pooled: list[Float32[np.ndarray, "n c"]] = []
        with torch.no_grad(), pooling(self.model, [kind for kind, _ in parsed], "mean") as latest:
            for x, batch in feed.batches(self.ids, "means", readable_when="the index was made", progress=self.progress):
                self.model.net(x)
                pooled.append(latest(len(x)).activations[: len(batch.ids)].float().cpu().numpy())
        mean = np.concatenate(pooled).mean(axis=0)
        ends = np.cumsum([0, *(components for _, components in parsed)])
        return {kind.layer: mean[a:b] for (kind, _), a, b in zip(parsed, ends, ends[1:], strict=False)}

    def outputs(self, silenced: Sequence[Change]) -> Float32[np.ndarray, "n"]:
        """The output on every image; of two classes its logit less the other's."""
        return less_the_other(self.logits(silenced), self.column)

    def logits(self, silenced: Sequence[Change]) -> Float32[np.ndarray, "n y"]:
        """All outputs on every image."""
        feed = Feed(self.model, self.images, self.batch_size)
        logits: list[Float32[np.ndarray, "n y"]] = []
        with torch.no_grad(), still(self.model.net), units_set(self.model.net, silenced, feed.first):
            for x, batch in feed.batches(
                self.ids, "outputs", readable_when="the index was made", progress=self.progress
            ):
                logits.append(_logits(self.model.net(x), len(x))[: len(batch.ids)].float().cpu().numpy())
        return np.concatenate(logits)


def _logits(output: Any, images: int) -> Tensor:
    """The logits in what the model returns.

    Raises:
        SemlensError: there are none.
    """
    logits = logits_of(output, images)
    if logits is None:
        raise SemlensError("the model returns no row of logits per image: an audit of a classifier can be verified")
    return logits


def _row(
    layer: str, concept: str, components: int, relevance: float, fall: dict[int, float], chosen: _Chosen, seed: int
) -> Verified:
    """The row of a concept. Source: the interval of a difference, Zou and Donner 2008 (variance estimates recovery)."""
    shown, absent = (np.array([fall[i] for i in ids]) for ids in (chosen.shown, chosen.absent))
    with_it, without = bootstrap(shown, seed=seed), bootstrap(absent, seed=seed)
    difference = with_it.value - without.value
    lower = np.hypot(with_it.value - with_it.low, without.high - without.value)
    upper = np.hypot(with_it.high - with_it.value, without.value - without.low)
    return Verified(
        layer, concept, components, relevance, difference, difference - float(lower), difference + float(upper),
        with_it.value, without.value, len(shown), len(absent), chosen.by,
    )  # fmt: skip
