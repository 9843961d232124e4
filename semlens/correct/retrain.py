"""A network trained on so that it relies less on what it should not: the public verb."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semlens.correct.clarc import Target, behind
from semlens.correct.correction import Correction
from semlens.correct.head import balanced, labels_by_name, marked
from semlens.correct.learning import by_feedback
from semlens.correct.measure import groups_of
from semlens.correct.pasting import Masked, as_taken, digest_of, one_after_another, pasted
from semlens.correct.penalties import Method, contextual_decomposition, pairing, plain, right_reasons
from semlens.correct.suppress import What
from semlens.correct.training import Course, Lesson, train
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet, load_images
from semlens.model import Changes, VisionModel, as_model, layer_text, logits_of, parse_all, refuse_hidden, still
from semlens.progress import visible
from semlens.types import Bool, Float, Float64, Int64, Progress

METHODS = ("fine-tune", "feedback", "reweight", "augment", "a-clarc", "rr-clarc", "rrr", "cdep")
"""Plain fine-tuning; by feedback in place of the gradient; with true groups counting alike; on other versions of the
images; and by `penalties`."""

WEIGHTS = {"augment": 1.0, "rr-clarc": 1.0, "rrr": 100.0, "cdep": 1.0}
"""Of each method's term, unless a course says otherwise."""


def usual_course(how: str) -> Course:
    """The course of a method if none is given."""
    return Course(weight=WEIGHTS.get(how, 0.0))


PASTED = 4
"""Versions of the images with artefacts pasted in, where none are given."""

SMALLEST = 10
"""Images held out that a group has for its accuracy to count: that of fewer is chance."""

Marks = Mapping[str, Mapping[str, bool]]
"""By concept which images, by file name, show it."""


def retrain(
    model: VisionModel | str,
    images: ImageSet | Any,
    how: str = "rr-clarc",
    *,
    what: What | None = None,
    units: Sequence[int | str] | None = None,
    layer: str = "",
    masks: Masked | None = None,
    versions: Sequence[ImageSet | Any] = (),
    marks: Marks | None = None,
    rule: str | None = None,
    course: Course | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    progress: Progress = visible,
) -> Correction:
    """The correction that sets parameters to what they are after some further training.

    Norms and dropout rest meanwhile, classes count alike, and one image in five is held out: the weights that come back
    are the best on these (`Course`). They may be those before training.

    Args:
        images: with labels, best those that the model was trained on.
        how: one of METHODS.
        what: for the ClArC methods as in `suppress`, with `units`; all in one layer. What runs behind it is trained.
        layer: for the others, the layer behind which parameters are trained; all if none is given.
        masks: for "rrr", "cdep" and "augment", by concept and image the pixels that show it: see `load_masks` and
            `relevance_masks`.
        versions: for "augment", the same images otherwise: with artefacts put in or taken out, say. With `masks` alone,
            artefacts are pasted until all classes show them as often. Above weight 0 each image comes in two versions
            at a time, whose logits are drawn together; where only one is given, the image itself is the other.
        marks: which images show what: groups are class by concept. "reweight" goes by them, and a course by them.
        rule: for "feedback", by which reward goes down: see `semlens.attribution.feedback`; "epsilon" if none is given.
        out, resume: OUT.partial keeps what is done until it is whole; with `resume` a killed run is taken up there, on
            a CPU to the same bytes.

    Raises:
        SemlensError: an unknown method, or one that lacks what it goes by; labels of one class; a model in half
            precision; work of before that is not to be resumed.
    """
    if how not in METHODS:
        raise unknown("method", how, METHODS)
    model, images = as_model(model), load_images(images)
    course = course or usual_course(how)
    target = Target.of(model, what, units) if how.endswith("clarc") else None
    given = _Given(
        model, images, how, target, layer, masks or {}, tuple(load_images(one) for one in versions),
        _marked(images, marks or {}), course, rule or ("epsilon" if how == "feedback" else ""),
    )  # fmt: skip
    _check(given)
    partial = _partial(out, resume)
    lesson = given.lesson()
    recipe = given.recipe(lesson)
    state = train(lesson, given.method(progress), course, recipe, partial, progress)
    found = {name: value.cpu() for name, value in state.best.items()}
    scores = {"scores": [asdict(score) for score in state.scores], "best_epoch": state.top.epoch}
    return Correction(model, Changes(weights=found), {**recipe, **scores})


@dataclass(frozen=True, eq=False)
class _Given:
    """What `retrain` was given, read."""

    model: VisionModel
    images: ImageSet
    how: str
    target: Target | None
    layer: str
    masks: Masked
    versions: tuple[ImageSet, ...]
    shown: Mapping[str, Bool[np.ndarray, "n"]]
    course: Course
    rule: str

    def lesson(self) -> Lesson:
        """What is trained on, and what the score is of."""
        model, images = self.model, self.images
        refuse_hidden(model.net)
        x = model.example_input()
        with torch.no_grad(), still(model.net):
            logits = logits_of(model.net(x), len(x))
        if logits is None:
            raise SemlensError(f"{model.name} gives no row of logits per image: only classifiers are trained on")
        outputs = logits.shape[1]
        labels = labels_by_name(images, model, np.arange(len(images)), outputs)
        if len(np.unique(labels[labels >= 0])) < 2:
            raise SemlensError("a classifier is trained on images of two classes at least; label them, or give more")
        held = _held_out(self._patterns(labels), labels >= 0, self.course)
        versions = self._versions(labels)
        groups = {} if self.course.by == "loss" else self._groups(np.where(held, labels, -1))
        joined = one_after_another(images, versions)
        paired = self.how == "augment" and self.course.weight > 0
        return Lesson(model, joined, labels, self._share(labels), held, groups, self._trained(x), outputs, paired)

    def _groups(self, held: Int64[np.ndarray, "n"]) -> dict[str, Bool[np.ndarray, "n"]]:
        """Groups of the images held out, by class and mark, that are large enough."""
        found = groups_of(held, self.shown, self.model.class_names)
        large = {name: member for name, member in found.items() if member.sum() >= SMALLEST}
        if not large:
            raise SemlensError(f"no group has {SMALLEST} of the images held out: choose by loss, or give more images")
        return large

    def _patterns(self, labels: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "n"]:
        """Class and everything that is marked, as one number for each combination."""
        columns = np.stack([labels, *self.shown.values()]).astype(np.int64)
        return np.unique(columns, axis=1, return_inverse=True)[1].reshape(-1)

    def _share(self, labels: Int64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
        known = labels >= 0
        alike = self._patterns(labels) if self.how == "reweight" else labels
        share = np.zeros(len(labels))
        share[known] = balanced(alike[known]) * known.sum()
        return share

    def _versions(self, labels: Int64[np.ndarray, "n"]) -> tuple[ImageSet, ...]:
        if self.how != "augment" or self.versions:
            return self.versions
        return tuple(pasted(self.images, self.masks, labels, self.course.seed + turn) for turn in range(PASTED))

    def _trained(self, x: Float[torch.Tensor, "n ..."]) -> tuple[str, ...]:
        net = self.model.net
        if self.target is not None:
            return behind(net, self.target.kind.site, x)
        if self.layer:
            ((kind, _),) = parse_all(net, [self.layer], x)
            return behind(net, kind.site, x)
        return tuple(name for name, value in net.named_parameters() if value.is_floating_point())

    def method(self, progress: Progress) -> Method:
        """How images pass through the network."""
        if self.how == "a-clarc" and self.target is not None:
            return self.target.augmentive(self.model, self.images, self.shown, progress)
        if self.how == "feedback":
            return by_feedback(self.model.net, self.rule)
        if self.course.weight == 0:
            return plain
        if self.how == "rr-clarc" and self.target is not None:
            return self.target.right_reasons()
        if self.how == "augment":
            return pairing
        if self.how in ("rrr", "cdep"):
            taken = as_taken(self.model, self.masks)
            return right_reasons(taken) if self.how == "rrr" else contextual_decomposition(taken)
        return plain

    def recipe(self, lesson: Lesson) -> dict[str, Any]:
        """All that the result depends on."""
        marks = sha256(b"".join(np.packbits(one).tobytes() for one in self.shown.values())).hexdigest()
        units = self.target and {"layer": layer_text(self.target.change.layer), "units": list(self.target.names)}
        return {
            "method": self.how, **asdict(self.course), "model": self.model.name,
            "fingerprint": self.model.fingerprint(), "images": self.images.source,
            "images_digest": lesson.images.fingerprint,
            "target": units, "target_digest": self.target and Changes((self.target.change,)).digest(),
            "masks": digest_of(self.masks) if self.masks else None, "marks": marks if self.shown else None,
            "marked": list(self.shown), "trained": len(lesson.trained), "from": self.layer,
            **({"rule": self.rule} if self.rule else {}),
        }  # fmt: skip


def _check(given: _Given) -> None:
    """Returns if a method has what it goes by."""
    if given.how in ("rrr", "cdep") and not given.masks:
        raise SemlensError(f"{given.how} goes by the pixels of an artefact: give masks (masks=, --masks)")
    if given.how == "augment" and not (given.masks or given.versions):
        raise SemlensError("augment goes by other versions of the images, or pastes by masks: give either")
    if given.how == "reweight" and not given.shown:
        raise SemlensError("reweight goes by true groups: say which images show what (marks=, --train-marks)")
    if given.course.by != "loss" and not given.shown:
        raise SemlensError("the worst group is that of marks: say which images show what (marks=, --train-marks)")
    if given.rule and given.how != "feedback":
        raise SemlensError(f"{given.how} trains by gradient and takes no rule: feedback does")
    if given.versions and given.how != "augment":
        raise SemlensError(f"{given.how} takes no other versions of the images: augment does")
    if given.model.dtype != torch.float32:
        raise SemlensError(f"the model is in {given.model.dtype}, in which small steps are lost: load it in float32")


def _partial(out: str | Path | None, resume: bool) -> Path | None:
    """Where work lies until it is whole."""
    if out is None:
        return None
    partial = Path(out).with_name(f"{Path(out).name}.partial")
    if partial.exists() and not resume:
        raise SemlensError(f"{partial} holds unfinished work: go on with resume (--resume), or delete it to start anew")
    return partial


def _held_out(patterns: Int64[np.ndarray, "n"], known: Bool[np.ndarray, "n"], course: Course) -> Bool[np.ndarray, "n"]:
    """A part of each group of images, by chance; at least one image of any that has two."""
    rng, held = np.random.default_rng(course.seed), np.zeros(len(patterns), bool)
    for pattern in np.unique(patterns[known]):
        own = rng.permutation(np.flatnonzero(known & (patterns == pattern)))
        held[own[: max(round(course.held_out * len(own)), int(len(own) > 1))]] = True
    return held


def _marked(images: ImageSet, marks: Marks) -> dict[str, Bool[np.ndarray, "n"]]:
    """Which images are marked.

    Raises:
        SemlensError: the marks are of other images.
    """
    everything = np.arange(len(images))
    for name, one in marks.items():
        if not marked(images, everything, dict.fromkeys(one, True)).any():
            raise SemlensError(f"none of the images of {images.source} stands in the table of marks for {name!r}")
    return {name: marked(images, everything, one) for name, one in marks.items()}
