"""`learn_dictionary`: a sparse autoencoder on a layer's vectors, whose units are components of the layer."""

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semlens.collection import Feed, tuned_allocator
from semlens.dictionaries.autoencoder import Autoencoder, rate_of
from semlens.dictionaries.measure import Reconstruction, measured
from semlens.dictionaries.vectors import VectorStream, vectors_at
from semlens.errors import SemlensError, right_keywords, unknown
from semlens.images import ImageSet, load_images
from semlens.model import (
    BatchTopK,
    Dictionary,
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
from semlens.types import Float, Progress

RULES = ("batchtopk", "topk")
BUFFER = 2**28
"""Bytes of activations that are held at once, by default: 256 MB."""
STEPS, BATCH = 5000, 1024
_WARM, _FALL = 0.05, 0.2  # of the steps: in which the rate rises, and in which it falls again
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
    images: ImageSet | Any,
    layer: Layer,
    *,
    n: int,
    k: int,
    rule: str = "batchtopk",
    out: str | Path | None = None,
    steps: int = STEPS,
    batch: int = BATCH,
    rate: float | None = None,
    buffer: int = BUFFER,
    batch_size: int = 32,
    workers: int | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: Progress = visible,
) -> Dictionary:
    """A dictionary of `n` units, of which about `k` are active at a position, that explains a layer's vectors.

    A sparse autoencoder with a decoder of length 1, the normalised squared error, and an auxiliary loss by which units
    that have died learn again. Learned from the positions of maps, the patches of tokens, or the class token
    ("blocks.5@cls"). Memory holds the parameters and `buffer`, whatever the number of images. One image in twenty is
    held out: what of its vectors' variance is not explained is the dictionary's `fvu`.

    Source: Gao et al. 2024 (arXiv 2406.04093); Bussmann et al. 2024 (arXiv 2412.06410).

    Args:
        rule: "topk" keeps k units at every position, "batchtopk" as many over a batch, so that a position may have more
            than another; then a threshold takes its place.
        out: the file of the dictionary. Beside it, in OUT.partial, lies what is done until it is whole; with `resume`
            it is taken up there, to the same bytes.
        steps, batch: how often, and on how many vectors at a time, the parameters are moved.
        rate: the highest learning rate; by default 0.01 over the root of the vectors' width.
        buffer: bytes of activations that are held, shuffled, and learned from before the next images are looked at.

    Raises:
        SemlensError: a layer without vectors, numbers out of range, or work of before that is not to be resumed.
    """
    return learned(
        model, images, layer, n=n, k=k, rule=rule, out=out, steps=steps, batch=batch, rate=rate, buffer=buffer,
        batch_size=batch_size, workers=workers, seed=seed, resume=resume, progress=progress,
    ).dictionary  # fmt: skip


def learned(
    model: VisionModel | str, images: ImageSet | Any, layer: Layer, *, n: int, k: int, rule: str,
    out: str | Path | None, steps: int, batch: int, buffer: int, batch_size: int, workers: int | None, seed: int,
    resume: bool, progress: Progress, rate: float | None = None,
) -> Learned:  # fmt: skip
    """What `learn_dictionary` gives, with all that was measured."""
    model, images = as_model(model), load_images(images)
    _check(n, k, rule, steps, batch)
    partial = None if out is None else Path(out).with_name(f"{Path(out).name}.partial")
    if partial is not None and partial.exists() and not resume:
        raise SemlensError(f"{partial} holds unfinished work: go on with resume (--resume), or delete it to start anew")
    stream = vectors_at(Feed(model, images, batch_size, workers), layer, buffer=buffer, seed=seed, progress=progress)
    course = Course(
        model.fingerprint(), describe(model.preprocess), images.fingerprint, stream.kind.layer, n, k, rule, steps,
        batch, rate or rate_of(stream.width), buffer, batch_size, seed,
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


def _check(n: int, k: int, rule: str, steps: int, batch: int) -> None:
    if rule not in RULES:
        raise unknown("rule", rule, RULES)
    if not 1 <= k <= n:
        raise SemlensError(f"k is {k}, but there are to be {n} units; choose k between 1 and {n}")
    if min(steps, batch) < 1:
        raise SemlensError(f"{steps} steps of {batch} vectors are none; choose both above 0")


@dataclass
class _Run:
    """How far learning is. Mutable, because it goes on.

    Args:
        centre, scale: what vectors are shifted and divided by, so that their mean squared length is 1.
        turn, block: the next images.
    """

    auto: Autoencoder
    centre: Float[Tensor, "d"]
    scale: Float[Tensor, ""]
    turn: int = 0
    block: int = 0

    @classmethod
    def begun(cls, stream: VectorStream, course: Course) -> "_Run":
        """The start, measured on the first block."""
        x = stream.vectors(stream.blocks(0)[0], 0)
        centre = x.mean(0, dtype=torch.float64)
        scale = (x - centre).square().sum(1).mean().sqrt()
        if not scale > 1e-6 * centre.norm():
            raise SemlensError(f"the vectors of layer {course.layer!r} are all the same: there is nothing to learn")
        device = stream.feed.model.device
        auto = Autoencoder.drawn(course.n, stream.width, course.seed, device)
        return cls(auto, centre.float().to(device), scale.float().to(device))

    def next_block(self, stream: VectorStream, course: Course, progress: Progress) -> None:
        """Learns from the next block of images."""
        blocks = stream.blocks(self.turn)
        x = stream.vectors(blocks[self.block], self.turn)
        step = f"learn, {float(self.auto.dead.float().mean()):.0%} dead"
        for some in x.split(course.batch):
            if self.auto.steps == course.steps:
                break
            rate = course.rate_at(self.auto.steps)
            vectors = (some.to(self.centre) - self.centre) / self.scale
            share = self.auto.step(vectors, course.k, course.rule == "batchtopk", rate)
            step = step if "FVU" in step else f"{step}, FVU {share:.2f}"
            progress(step, self.auto.steps, course.steps)
        self.turn, self.block = (self.turn + 1, 0) if self.block + 1 == len(blocks) else (self.turn, self.block + 1)

    def dictionary(self, course: Course) -> Dictionary:
        """What has been learned, in the layer's own units."""
        auto, scale = self.auto, self.scale.cpu()
        rule = TopK(course.k) if course.rule == "topk" else BatchTopK(float(auto.theta.cpu() * scale))
        return Dictionary(
            course.layer, auto.encoder.T.cpu().contiguous(), auto.bias.cpu() * scale, auto.decoder.cpu(),
            self.centre.cpu(), rule,
        )  # fmt: skip

    def keep(self, file: Path, course: Course) -> None:
        """Writes all of it to a file, which either replaces the old one whole or leaves it."""
        tensors = {name: getattr(self.auto, name) for name in _PARTS}
        tensors |= {"centre": self.centre, "scale": self.scale}
        said = {"course": course.digest, "steps": self.auto.steps, "turn": self.turn, "block": self.block}
        write_tensors(file, tensors, {_KEPT: json.dumps(said)})


def _taken_up(file: Path, course: Course, device: torch.device) -> _Run:
    """What a run that was killed has kept.

    Raises:
        SemlensError: it learned something else, or the file is damaged.
    """
    with taken_up(file, _KEPT, "course", course.digest) as (said, kept):
        tensors = {name: value.to(device) for name, value in kept.items()}
        auto = Autoencoder(**{name: tensors[name] for name in _PARTS}, steps=said["steps"])
        return _Run(auto, tensors["centre"], tensors["scale"], said["turn"], said["block"])
