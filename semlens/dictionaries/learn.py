"""`learn_dictionary`: a sparse autoencoder on a layer's vectors, whose units are components of the layer."""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semlens.collection import Feed, tuned_allocator
from semlens.dictionaries.autoencoder import Autoencoder, rate_of
from semlens.dictionaries.measure import Reconstruction, measured
from semlens.dictionaries.vectors import VectorStream, vectors_at
from semlens.errors import SemlensError, right_keywords, unknown
from semlens.model import (
    BatchTopK,
    Dictionary,
    JumpRelu,
    Layer,
    TopK,
    VisionModel,
    as_model,
    describe,
    save_dictionary,
    taken_up,
    write_tensors,
)
from semlens.progress import visible
from semlens.sets import open_set
from semlens.types import ExampleSet, Float, Float64, Progress

RULES = ("batchtopk", "topk")
BUFFER = 2**28
"""Bytes of activations that are held at once, by default: 256 MB."""
STEPS, BATCH = 5000, 1024
RIDGE = 0.1
"""Of the mean variance, added to that along each axis before vectors are whitened."""
_WARM, _FALL = 0.05, 0.2  # of the steps: in which the rate rises, and in which it falls again
_ROWS = 4096  # of a covariance, added up at once
_KEPT = "semlens-learning"
_PARTS = ("encoder", "bias", "decoder", "moments", "silent", "theta")


@dataclass(frozen=True)
class Course:
    """All that determines what is learned."""

    model: str  # fingerprints
    preprocess: str
    images: str
    layer: str
    n: int
    k: int
    rule: str
    steps: int
    batch: int
    rate: float
    whiten: float | None
    buffer: int
    batch_size: int
    seed: int

    @property
    def digest(self) -> str:
        """sha256 over all of it."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def rate_at(self, step: int) -> float:
        """The learning rate of a step: it rises, stays, and falls to nothing."""
        done = (step + 1) / self.steps
        return self.rate * min(1.0, done / _WARM, max((1 - done) / _FALL, 1e-3))


@dataclass(frozen=True)
class Learned:
    """A dictionary, and what was measured of it on images that were held out."""

    dictionary: Dictionary
    held_out: Reconstruction


@right_keywords(units="n", latents="n", top="k", topk="k", layers="layer", path="out")
def learn_dictionary(
    model: VisionModel | str,
    images: ExampleSet | Any,
    layer: Layer,
    *,
    n: int,
    k: int,
    rule: str = "batchtopk",
    out: str | Path | None = None,
    steps: int = STEPS,
    batch: int = BATCH,
    rate: float | None = None,
    whiten: float | None = RIDGE,
    buffer: int = BUFFER,
    batch_size: int = 32,
    workers: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: Progress = visible,
) -> Dictionary:
    """A dictionary of `n` units, of which about `k` are active at a position, that explains a layer's vectors.

    A sparse autoencoder with a decoder of length 1, the normalised squared error, and an auxiliary loss by which units
    that have died learn again. Vectors are whitened before, else the few directions in which they vary most get nearly
    all the units; what is made is the dictionary of the vectors as they are. Learned from the positions of maps, the
    patches of tokens, or the class token ("blocks.5@cls"). Memory holds the parameters and `buffer`, whatever the
    number of images. One image in twenty is held out: what of its vectors' variance is not explained is the
    dictionary's `fvu`.

    Source: Gao et al. 2024 (arXiv 2406.04093); Bussmann et al. 2024 (arXiv 2412.06410); Saraswatula and Klindt 2025
    (arXiv 2511.13981), whitening. But: with a ridge.

    Args:
        rule: "topk" keeps k units at every position, "batchtopk" as many over a batch, so that a position may have more
            than another; then a threshold of each unit takes its place.
        out: the file of the dictionary. Beside it, in OUT.partial, lies what is done until it is whole; with `resume`
            it is taken up there, to the same bytes.
        steps, batch: how often, and on how many vectors at a time, the parameters are moved.
        rate: the highest learning rate; by default 0.01 over the root of the vectors' width.
        whiten: what is added to the variance along every axis before it is made 1, as a part of their mean: the less,
            the more small axes count. None learns from the vectors as they are, to the least FVU.
        buffer: bytes of activations that are held, shuffled, and learned from before the next images are looked at.

    Raises:
        SemlensError: a layer without vectors, numbers out of range, or work of before that is not to be resumed.
    """
    return learned(
        model, images, layer, n=n, k=k, rule=rule, out=out, steps=steps, batch=batch, rate=rate, whiten=whiten,
        buffer=buffer, batch_size=batch_size, workers=workers, seed=seed, resume=resume, progress=progress,
    ).dictionary  # fmt: skip


def learned(
    model: VisionModel | str, images: ExampleSet | Any, layer: Layer, *, n: int, k: int, rule: str,
    out: str | Path | None, steps: int, batch: int, buffer: int, batch_size: int, workers: int | None, seed: int,
    resume: bool, progress: Progress, rate: float | None = None, whiten: float | None = RIDGE,
) -> Learned:  # fmt: skip
    """What `learn_dictionary` gives, with all that was measured."""
    model, images = as_model(model), open_set(images)
    _check(n, k, rule, steps, batch, whiten)
    partial = None if out is None else Path(out).with_name(f"{Path(out).name}.partial")
    if partial is not None and partial.exists() and not resume:
        raise SemlensError(f"{partial} holds unfinished work: go on with resume (--resume), or delete it to start anew")
    stream = vectors_at(Feed(model, images, batch_size, workers), layer, buffer=buffer, seed=seed, progress=progress)
    course = Course(
        model.fingerprint(), describe(model.preprocess), images.fingerprint, stream.kind.layer, n, k, rule, steps,
        batch, rate or rate_of(stream.width), whiten, buffer, batch_size, seed,
    )  # fmt: skip
    with tuned_allocator():
        plain = _trained(stream, course, partial, progress).dictionary(course)
        found = measured(plain, stream.in_order(stream.held_out))
    dictionary = replace(plain, fvu=round(found.fvu, 4))
    if out is not None:
        dictionary = save_dictionary(dictionary, out)
    if partial is not None:
        partial.unlink(missing_ok=True)
    return Learned(dictionary, found)


def _trained(stream: VectorStream, course: Course, partial: Path | None, progress: Progress) -> "_Run":
    """A run at its end, taken up from where it was kept."""
    there = partial is not None and partial.exists()
    run = _taken_up(partial, course, stream.feed.model.device) if partial and there else _Run.begun(stream, course)
    while run.auto.steps < course.steps:
        run.next_block(stream, course, progress)
        if partial is not None:
            run.keep(partial, course)
    return run


def _check(n: int, k: int, rule: str, steps: int, batch: int, whiten: float | None) -> None:
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if not 1 <= k <= n:
        raise SemlensError(f"k is {k}, but there are to be {n} units; choose k between 1 and {n}")
    if min(steps, batch) < 1:
        raise SemlensError(f"{steps} steps of {batch} vectors are none; choose both above 0")
    if whiten is not None and not 1e-6 <= whiten < inf:
        raise SemlensError(f"whitening adds {whiten:g} of the mean variance: choose a part from 1e-6 up, or none")


@dataclass
class _Run:
    """How far learning is. Mutable, because it goes on.

    Args:
        centre, into, back: what vectors are shifted by and multiplied with, so that their mean squared length is 1, and
            what brings them back.
        turn, block: the next images.
    """

    auto: Autoencoder
    centre: Float[Tensor, "d"]
    into: Float[Tensor, "d d"]
    back: Float[Tensor, "d d"]
    turn: int = 0
    block: int = 0

    @classmethod
    def begun(cls, stream: VectorStream, course: Course) -> "_Run":
        """The start, measured on the first block."""
        x = stream.vectors(stream.blocks(0)[0], 0)
        centre = x.mean(0, dtype=torch.float64)
        covariance = _covariance(x, centre)
        if not covariance.trace().sqrt() > 1e-6 * centre.norm():
            raise SemlensError(f"the vectors of layer {course.layer!r} are all the same: there is nothing to learn")
        device = stream.feed.model.device
        auto = Autoencoder.drawn(course.n, stream.width, course.seed, device)
        into, back = (one.float().to(device) for one in _whitening(covariance, course.whiten))
        return cls(auto, centre.float().to(device), into, back)

    def next_block(self, stream: VectorStream, course: Course, progress: Progress) -> None:
        """Learns from the next block of images."""
        blocks = stream.blocks(self.turn)
        x = stream.vectors(blocks[self.block], self.turn)
        step = f"learn, {float(self.auto.dead.float().mean()):.0%} dead"
        for some in x.split(course.batch):
            if self.auto.steps == course.steps:
                break
            rate = course.rate_at(self.auto.steps)
            vectors = (some.to(self.centre) - self.centre) @ self.into
            share = self.auto.step(vectors, course.k, course.rule == "batchtopk", rate)
            step = step if "FVU" in step else f"{step}, FVU {share:.2f}"
            progress(step, self.auto.steps, course.steps)
        self.turn, self.block = (self.turn + 1, 0) if self.block + 1 == len(blocks) else (self.turn, self.block + 1)

    def dictionary(self, course: Course) -> Dictionary:
        """What has been learned, in the layer's own units. Decoders have length 1, of a top k on average: their lengths
        decide there which are kept."""
        auto, back = self.auto, self.back
        decoder = auto.decoder @ back
        lengths = decoder.norm(dim=1).clamp(min=1e-12)
        if course.rule == "topk" or course.whiten is None:
            lengths = lengths.mean().expand_as(lengths)
        encoder = (self.into @ auto.encoder.T * lengths).cpu().contiguous()
        return Dictionary(
            course.layer, encoder, (auto.bias * lengths).cpu(), (decoder / lengths[:, None]).cpu(), self.centre.cpu(),
            _rule(course, (auto.theta * lengths).cpu()),
        )  # fmt: skip

    def keep(self, file: Path, course: Course) -> None:
        """Writes all of it to a file, which either replaces the old one whole or leaves it."""
        tensors = {name: getattr(self.auto, name) for name in _PARTS}
        tensors |= {"centre": self.centre, "into": self.into, "back": self.back}
        said = {"course": course.digest, "steps": self.auto.steps, "turn": self.turn, "block": self.block}
        write_tensors(file, tensors, {_KEPT: json.dumps(said)})


def _rule(course: Course, theta: Float[Tensor, "c"]) -> TopK | BatchTopK | JumpRelu:
    """The rule of a dictionary by which each image is seen alone."""
    if course.rule == "topk":
        return TopK(course.k)
    return BatchTopK(float(theta[0])) if course.whiten is None else JumpRelu(theta)


def _covariance(x: Float[Tensor, "m d"], centre: Float64[Tensor, "d"]) -> Float64[Tensor, "d d"]:
    total = torch.zeros(x.shape[1], x.shape[1], dtype=torch.float64, device=x.device)
    for some in x.split(_ROWS):
        away = (some - centre).float()
        total += (away.T @ away).double()
    return total / len(x)


def _whitening(
    covariance: Float64[Tensor, "d d"], ridge: float | None
) -> tuple[Float64[Tensor, "d d"], Float64[Tensor, "d d"]]:
    """What vectors of this covariance are multiplied with to get a mean squared length of 1, and its inverse: a scale,
    or with a ridge C^-1/2, which makes the variance of every axis nearly the same."""
    eye = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    if ridge is None:
        scale = covariance.trace().sqrt()
        return eye / scale, eye * scale
    variances, axes = torch.linalg.eigh(covariance)
    variances = variances.clamp(min=0)
    spread = (variances + ridge * variances.mean()).sqrt()
    scale = (variances / spread.square()).sum().sqrt()
    return (axes / (spread * scale)) @ axes.T, (axes * (spread * scale)) @ axes.T


def _taken_up(file: Path, course: Course, device: torch.device) -> _Run:
    """What a run that was killed has kept.

    Raises:
        SemlensError: it learned something else, or the file is damaged.
    """
    with taken_up(file, _KEPT, "course", course.digest) as (said, kept):
        tensors = {name: value.to(device) for name, value in kept.items()}
        auto = Autoencoder(**{name: tensors[name] for name in _PARTS}, steps=said["steps"])
        return _Run(auto, tensors["centre"], tensors["into"], tensors["back"], said["turn"], said["block"])
