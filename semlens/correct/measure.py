"""What a correction did: accuracy of every group, of the worst one, and what each concept does to the output, before
and after, each with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semlens.correct.correction import Correction
from semlens.correct.seen import see
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import less_the_other
from semlens.numerics import Estimate, auroc, auroc_estimate, bootstrap
from semlens.types import Bool, Float, Float64, Int64, Progress, silent

RESAMPLES = 400


@dataclass(frozen=True)
class Measured:
    """A measure of a model before and after a correction, on the same images."""

    measure: str
    group: str  # of images, or a concept
    before: float
    after: float
    low: float  # 95 % interval of `after` over images like these
    high: float
    change_low: float  # the same of what changed
    change_high: float
    n: int

    @property
    def moved(self) -> bool:
        """Whether what was before lies outside of the interval of after: it moved by more than its interval."""
        return not self.low <= self.before <= self.high


@dataclass(frozen=True, eq=False)
class Outcome:
    """The logits of some images before and after a correction."""

    ids: Int64[np.ndarray, "n"]
    before: Float[np.ndarray, "n y"]
    after: Float[np.ndarray, "n y"]

    def of(self, output: int) -> tuple[Float64[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
        """An output before and after, less the other one where there are two."""
        before, after = (less_the_other(one.astype(np.float64), output) for one in (self.before, self.after))
        return before, after

    def part(self, chosen: Bool[np.ndarray, "n"]) -> "Outcome":
        """Some of the images."""
        return Outcome(self.ids[chosen], self.before[chosen], self.after[chosen])


def outcome(
    correction: Correction, images: ImageSet, ids: Sequence[int] | None = None, *, progress: Progress = silent
) -> Outcome:
    """The logits without the correction, which must be off, and with it."""
    before = see(correction.model, images, ids, progress=progress)
    with correction as model:
        after = see(model, images, before.ids.tolist(), progress=progress)
    return Outcome(before.ids, before.logits, after.logits)


def groups_of(
    labels: Int64[np.ndarray, "n"], marks: Mapping[str, Bool[np.ndarray, "n"]], classes: Sequence[str]
) -> dict[str, Bool[np.ndarray, "n"]]:
    """Groups by class, and by class and artefact: "melanoma, with ruler", "melanoma, without ruler"."""
    groups = {}
    for label in sorted(set(labels[labels >= 0].tolist())):
        name = classes[label] if label < len(classes) else str(label)
        own = labels == label
        for concept, shown in marks.items():
            groups[f"{name}, with {concept}"] = own & shown
            groups[f"{name}, without {concept}"] = own & ~shown
        if not marks:
            groups[name] = own
    return {name: member for name, member in groups.items() if member.any()}


def accuracies(
    found: Outcome, labels: Int64[np.ndarray, "n"], groups: Mapping[str, Bool[np.ndarray, "n"]], *, seed: int = 0
) -> list[Measured]:
    """Accuracy on all images whose class is known, of the group that is worst after, and before, and of each group."""
    known = labels >= 0
    if not known.any():
        raise SemlensError("no label of the images names a class of the model: accuracy is not known")
    right = [(logits.argmax(axis=1) == labels) for logits in (found.before, found.after)]
    rows = [_rate("accuracy", "all", right, known, seed)]
    each = [_rate("accuracy", name, right, member & known, seed) for name, member in groups.items()]
    return rows + ([_worst(each)] if each else []) + each


def _worst(each: Sequence[Measured]) -> Measured:
    """The worst group after, beside what the worst one was before."""
    after, before = min(each, key=lambda row: row.after), min(each, key=lambda row: row.before)
    return Measured(
        "worst-group accuracy", after.group if after is before else f"{after.group} (before: {before.group})",
        before.before, after.after, after.low, after.high, after.after - before.before + after.low - after.after,
        after.after - before.before + after.high - after.after, after.n,
    )  # fmt: skip


def worst_group(
    logits: Float[np.ndarray, "n y"], labels: Int64[np.ndarray, "n"], groups: Mapping[str, Bool[np.ndarray, "n"]]
) -> float:
    """The least accuracy over groups."""
    right = logits.argmax(axis=1) == labels
    return min(float(right[member].mean()) for member in groups.values())


def _rate(
    measure: str, group: str, right: Sequence[Bool[np.ndarray, "n"]], member: Bool[np.ndarray, "n"], seed: int
) -> Measured:
    old, new = (np.asarray(one[member]) for one in right)
    change = bootstrap(new.astype(np.float64) - old, seed=seed)
    return _row(measure, group, float(old.mean()), bootstrap(new), change)


def _row(measure: str, group: str, before: float, after: Estimate, change: Estimate) -> Measured:
    return Measured(measure, group, before, after.value, after.low, after.high, change.low, change.high, after.n)


def planted(concept: str, with_it: Outcome, labels: Int64[np.ndarray, "n"], *, seed: int = 0) -> Measured:
    """Accuracy on images into which an artefact was put, of those whose class is known."""
    right = [(logits.argmax(axis=1) == labels) for logits in (with_it.before, with_it.after)]
    return _rate("accuracy under planted artefacts", concept, right, labels >= 0, seed)


def behaviour(own: Outcome, spurious_only: Outcome, output: int, *, seed: int = 0) -> Measured:
    """AUROC with which an output tells the class's own images from images that hold the spurious features only.

    Source: Dreyer et al. 2025, Fig. 4e.
    """
    values = [np.concatenate(pair) for pair in zip(own.of(output), spurious_only.of(output), strict=True)]
    positive = np.arange(len(values[0])) < len(own.ids)
    before, after = (auroc_estimate(one, positive) for one in values)
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        rows = np.concatenate([rng.choice(np.flatnonzero(side), side.sum()) for side in (positive, ~positive)])
        drawn.append(auroc(values[1][rows], positive[rows]) - auroc(values[0][rows], positive[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    change = Estimate(after.value - before.value, low, high, len(positive))
    return _row("behaviour: AUROC", "class against spurious features only", before.value, after, change)


def shift(concept: str, with_it: Outcome, without: Outcome, output: int, *, seed: int = 0) -> Measured:
    """By how much a concept moves an output: its mean over pairs of images that differ in the concept alone."""
    moved = [a - b for a, b in zip(with_it.of(output), without.of(output), strict=True)]
    after = bootstrap(moved[1], seed=seed)
    return _row(
        "shift of the output", concept, float(moved[0].mean()), after, bootstrap(moved[1] - moved[0], seed=seed)
    )


def relevant(
    measure: str, name: str, before: Float[np.ndarray, "n"], after: Float[np.ndarray, "n"], *, seed: int = 0
) -> Measured:
    """What is relevant to an output, on some images before and after."""
    change = bootstrap(after - before, seed=seed)
    return _row(measure, name, float(np.nanmean(before)), bootstrap(after, seed=seed), change)
