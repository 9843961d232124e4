"""Reveal to Revise: audit, find where the worst artefact lies, take it out, audit again, until nothing is left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from semlens.analysis import Rows, probe_spec
from semlens.analysis.audit import QUADRANTS, Audit, Spec, audit
from semlens.correct.certify import measure_correction
from semlens.correct.correction import Correction, load_correction
from semlens.correct.localise import INSIDE, LAID_IN, Localised, cut_out, inside_and_laid_in, localise_in
from semlens.correct.measure import Measured
from semlens.correct.retrain import METHODS
from semlens.correct.training import Course
from semlens.correct.whole import by_relevance, corrected
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Changes, VisionModel, as_model
from semlens.pipeline import build
from semlens.progress import visible
from semlens.types import FoundationModel, Progress

ROUNDS = 5
"""Artefacts that are taken out, at most."""

STATE, PICTURE = "round.json", "artefact.png"
PRINTED = ("round", "without", "verdict", "spurious", "accuracy", "worst_group", "laid_in", "inside", "next")
QUADRANTS_AGAINST = ("spurious", "both")


@dataclass(frozen=True)
class Round:
    """A model after some artefacts were taken out: what an audit says of it, and what is to go next."""

    round: int
    without: str  # the artefact that was taken out last; empty for the model as it came
    verdict: str  # of the audit: "passed", "failed" or "cannot tell"
    spurious: float  # share in [0, 1] of spurious concepts in what drives the output, or in its relevance
    low: float  # 95 % interval
    high: float
    accuracy: float
    worst_group: float
    laid_in_before: float  # accuracy with that artefact cut out and laid into every image, of the model as it came ...
    laid_in: float  # ... and of this one; NaN where nothing was taken out
    inside_before: float  # the part of the output's |relevance| inside the artefact's masks, likewise
    inside: float
    next: str  # the artefact that goes next; empty where none is found


@dataclass(frozen=True, eq=False)
class Revision:
    """All rounds, and the correction of the last."""

    rounds: Rows[Round]
    correction: Correction
    measured: Rows[Measured]  # of the last round


@dataclass(frozen=True, eq=False)
class _Job:
    model: VisionModel
    spec: Spec
    train: ImageSet
    images: ImageSet
    layer: str
    foundation: FoundationModel
    folder: Path  # of the spec's files
    marks: Mapping[str, Mapping[str, bool]]
    how: str
    refit: bool
    training: Mapping[str, Any] | None  # of methods that train
    seed: int
    progress: Progress

    def digest(self) -> str:
        """sha256 over all that rounds depend on."""
        said = (
            self.model.fingerprint(), repr(self.spec), self.train.fingerprint, self.images.fingerprint, self.layer,
            self.foundation.identity.digest, self.how, self.refit, self.training, self.seed,
        )  # fmt: skip
        return sha256(repr(said).encode()).hexdigest()


def revise(
    model: VisionModel | str,
    spec: Spec,
    train: ImageSet | Any,
    images: ImageSet | Any,
    *,
    layer: str,
    foundation: FoundationModel,
    out: str | Path,
    folder: str | Path = ".",
    marks: Mapping[str, Mapping[str, bool]] | None = None,
    how: str = "project",
    refit: bool = True,
    course: Course | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
    progress: Progress = visible,
) -> Revision:
    """Audits a model, looks where the spurious concept lies that moves its output most, takes that out, and audits
    again, until the audit passes or finds no more.

    A round lies in `out/round-N`: its index, its correction with what was measured, a picture of the artefact cut out,
    and the state by which a run that was killed goes on. Every correction is one of the model as it came, with one
    artefact more.

    Source: Pahde et al. 2023 (arXiv 2303.12641). But: what is revealed is named by the spec, not by a person who looks
    at clusters.

    Args:
        train: labelled images with the artefacts in them: indexes, directions, masks and last layers are made of them.
        images: others, with labels, on which every round is measured.
        layer: in which concepts become directions; best the last one before the mean and the last layer.
        folder: where the spec's files are looked for.
        marks: of `images`, as in `measure_correction`.
        how: as in `suppress`; or a method of `retrain`, which trains the model on to rely less on all artefacts so far:
            by their directions, or by masks that relevance makes of them.
        course: of such a method, but for its seed.
        rounds: artefacts that are taken out at most.

    Raises:
        SemlensError: `out` holds another revision, a method that goes by no concept, or what `build`, `corrected` and
            `measure_correction` refuse.
    """
    job = _Job(
        as_model(model), spec, load_images(train), load_images(images), layer, foundation, Path(folder), marks or {},
        how, refit, by_relevance(how, course, seed) if how in METHODS else None, seed, progress,
    )  # fmt: skip
    found: list[Round] = []
    taken: list[str] = []
    correction, rows = Correction(job.model, Changes()), Rows[Measured]((), "")
    while True:
        place = Path(out) / f"round-{len(found)}"
        kept = _kept(place, job)
        correction = load_correction(place, job.model) if kept else _corrected(job, taken)
        seen = None if kept or not taken else _seen(job, taken[-1])
        rows = _rows(kept) if kept else _measured(job, correction, seen)
        now = Round(**kept["round"]) if kept else _round(job, correction, rows, taken, place, last=len(found) == rounds)
        if not kept:
            _keep(place, job, correction, now, rows, seen)
        found.append(now)
        if not now.next:
            return Revision(Rows(found, f"rounds of {job.model.name}", printed=PRINTED), correction, rows)
        taken.append(now.next)


def _corrected(job: _Job, taken: Sequence[str]) -> Correction:
    if not taken:
        return Correction(job.model, Changes(), {"suppressed": []})
    return corrected(
        job.model, job.spec, job.train, how=job.how, layer=job.layer, units=list(taken), foundation=job.foundation,
        refit=job.refit, training=job.training, progress=job.progress,
    )  # fmt: skip


def _seen(job: _Job, artefact: str) -> Localised:
    """Where the artefact lies, for the model as it came."""
    return localise_in(
        job.model, job.spec, artefact, job.train, layer=job.layer, foundation=job.foundation, progress=job.progress
    )


def _measured(job: _Job, correction: Correction, seen: Localised | None) -> Rows[Measured]:
    rows = measure_correction(
        correction, job.images, marks=job.marks, spec=job.spec, foundation=job.foundation, seed=job.seed,
        progress=job.progress,
    )  # fmt: skip
    if seen is None:
        return rows
    more = inside_and_laid_in(correction, seen, job.images, seed=job.seed, progress=job.progress)
    return Rows([*rows, *more], rows.title, remarks=rows.remarks)


def _round(
    job: _Job, correction: Correction, rows: Rows[Measured], taken: Sequence[str], place: Path, *, last: bool
) -> Round:
    """The audit of a corrected model, beside what was measured of it."""
    result = _audit(job, correction, place)
    figures = result.sight.driven or result.figures[0]
    against = [QUADRANTS.index(name) for name in QUADRANTS_AGAINST]
    share, low, high = figures.interval(figures.mass[:, against].sum(axis=1), share=True)
    by = {row.measure: row for row in reversed(rows)}
    laid, inside = by.get(LAID_IN), by.get(INSIDE)
    return Round(
        len(taken), taken[-1] if taken else "", result.verdict, share, low, high, by["accuracy"].after,
        by["worst-group accuracy"].after, laid.before if laid else np.nan, laid.after if laid else np.nan,
        inside.before if inside else np.nan, inside.after if inside else np.nan,
        "" if last or result.passed else _worst(result, taken),
    )  # fmt: skip


def _audit(job: _Job, correction: Correction, place: Path) -> Audit:
    with correction as model:
        index = build(
            model, job.train, job.layer, job.foundation, place / "index", classes=[job.spec.output], resume=True,
            progress=job.progress,
        )  # fmt: skip
    return audit(index, job.spec, probe_spec(job.foundation, job.spec, job.folder, index), seed=job.seed)


def _worst(result: Audit, taken: Sequence[str]) -> str:
    """The spurious concept that moves the output most; empty where none is shown to."""
    left = [name for side, name in result.asked if side == "spurious" and name not in taken]
    driving = [row for row in result.drivers if row.phrase in left and not row.low <= 0 <= row.high]
    if driving:
        return max(driving, key=lambda row: abs(row.effect)).phrase
    fitting = [one for one in result.concepts if one.side == "spurious" and one.concept in left and one.components]
    return max(fitting, key=lambda one: one.relevance + one.against).concept if fitting else ""


def _kept(place: Path, job: _Job) -> dict[str, Any] | None:
    """What a round left, if it is whole.

    Raises:
        SemlensError: it is a round of another revision.
    """
    file = place / STATE
    if not file.exists():
        return None
    said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if said["digest"] != job.digest():
        raise SemlensError(
            f"{place.parent} holds a revision of another model or with other settings: choose another --out"
        )
    return {**said, "round": {name: np.nan if value is None else value for name, value in said["round"].items()}}


def _rows(kept: Mapping[str, Any]) -> Rows[Measured]:
    return Rows([Measured(**row) for row in kept["rows"]], kept["title"], remarks=kept["remarks"])


def _keep(
    place: Path, job: _Job, correction: Correction, now: Round, rows: Rows[Measured], seen: Localised | None
) -> None:
    """Writes a round; its state last, so that a folder with one is whole."""
    correction.save(place, job.images)
    if seen is not None:
        cut_out(seen).save(place / PICTURE)
    state = {
        "digest": job.digest(), "round": Rows([now]).records()[0], "rows": rows.records(), "title": rows.title,
        "remarks": list(rows.remarks),
    }  # fmt: skip
    (place / STATE).write_text(json.dumps(state, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
