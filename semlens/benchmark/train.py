"""Trains the networks of the testbed and writes their weights:

    python -m semlens.benchmark.train [NAME ...] [--seed 0] [--to FOLDER]

Seed 0 makes what the package holds. Another one makes networks that nothing was chosen by, into a folder.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from semlens.testbed.clip import FIRST, UNKNOWN, Clip
from semlens.testbed.nets import CLASSIFIERS, MEAN, SPREAD, WEIGHTS, ConvNet, ResidualNet, transformer
from semlens.testbed.world import (
    CLASSES,
    CLEAN,
    NAMES,
    NOTHING,
    PLAIN,
    SEEN,
    SIDE,
    Description,
    Scene,
    World,
    band_aid_color,
    closeup,
    describe,
    in_parts,
    scenario,
    vocabulary,
)
from semlens.types import Float, Int64, UInt8

PICTURES = 10_000
TRAIN_SEED = 0
"""Of the pictures that the package's networks were trained on, their first weights and the order; nothing else uses
it."""

RATES: dict[Callable[[int], nn.Module], float] = {ConvNet: 3e-3, transformer: 1e-3, ResidualNet: 3e-3}
"""How fast a network learns to see; it learns to diagnose at a third of that."""


@dataclass(frozen=True)
class Course:
    """How long, in what steps and how fast a network learns."""

    heading: str  # of its lines of progress
    rate: float
    epochs: int
    batch: int
    seed: int  # of the order of the pictures
    longest_gradient: float = math.inf  # that is followed as it is; longer ones are cut to it


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pictures drawn ahead, with their scenes."""

    scenes: tuple[Scene, ...]
    pixels: UInt8[np.ndarray, "n h w 3"]
    masks: list[dict[str, UInt8[np.ndarray, "b"]]]  # bits of every concept's mask


def drawn(world: World, *, masks: bool = False) -> Drawn:
    """All pictures of a world."""
    parts = list(in_parts(world, partial(_draw, masks), size=250))
    pixels = np.concatenate([pixels for pixels, _ in parts])
    return Drawn(world.scenes, pixels, [packed for _, part in parts for packed in part])


def _draw(masks: bool, world: World) -> tuple[UInt8[np.ndarray, "n h w 3"], list[dict[str, UInt8[np.ndarray, "b"]]]]:
    pictures = [world.picture(i) for i in range(len(world))]
    packed = [{name: np.packbits(mask) for name, mask in p.masks.items()} if masks else {} for p in pictures]
    return np.stack([np.asarray(p.image) for p in pictures]), packed


def as_input(pixels: UInt8[np.ndarray, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Pixels as the networks take them."""
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2)  # channels last in memory, which a CPU likes
    return (x.float() / 255 - MEAN) / SPREAD


def turned(pixels: UInt8[np.ndarray, "n h w 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "n h w 3"]:
    """Pictures as seen from one of eight sides: a batch is turned and mirrored as a whole."""
    turned = np.rot90(pixels, int(rng.integers(4)), (1, 2))
    return np.ascontiguousarray(turned[:, ::-1] if rng.random() < 0.5 else turned)


def train_classifier(
    name: str,
    *,
    pictures: int = PICTURES,
    batch: int = 64,
    seeing: int = 8,
    diagnosing: int = 4,
    seed: int = TRAIN_SEED,
) -> nn.Module:
    """A classifier of the testbed: a network that has learnt to see every concept learns, with a new head, to diagnose.

    So are networks in use made, from one that was trained on more than its task; trained on two classes alone, half of
    the last layer's components know but one thing, the class.

    Args:
        seeing, diagnosing: epochs of both.
        seed: of the pictures, the first weights and the order.
    """
    classifier = CLASSIFIERS[name]
    net = deepcopy(seer(classifier.build, pictures, batch, seeing, seed))
    torch.manual_seed(seed)
    assert isinstance(net.head, nn.Linear)
    net.head = nn.Linear(net.head.in_features, len(CLASSES))
    data = drawn(World.of(scenario(classifier.population), pictures, seed))
    diagnoses = torch.tensor([CLASSES.index(scene.diagnosis) for scene in data.scenes])
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    course = Course(f"{name} diagnoses", RATES[classifier.build] / 3, diagnosing, batch, seed)
    return teach(net, data, diagnoses, loss, course)


@cache
def seer(build: Callable[[int], nn.Module], pictures: int, batch: int, epochs: int, seed: int) -> nn.Module:
    """A network with an output for every concept, trained on pictures without shortcuts."""
    torch.manual_seed(seed)
    net = build(len(NAMES)).to(memory_format=torch.channels_last)
    data = drawn(World.of(CLEAN, pictures, seed))
    concepts = torch.tensor([[scene.has(name) for name in NAMES] for scene in data.scenes]).float()
    course = Course(f"{build.__name__} sees", RATES[build], epochs, batch, seed)
    return teach(net, data, concepts, nn.BCEWithLogitsLoss(), course)


def teach(
    net: nn.Module, data: Drawn, target: Tensor, loss: Callable[[Tensor, Tensor], Tensor], course: Course
) -> nn.Module:
    """The network, trained on pictures and what to say of them; in eval mode."""

    def error(rows: Int64[np.ndarray, "n"], rng: np.random.Generator) -> Float[Tensor, ""]:
        return loss(net(as_input(turned(data.pixels[rows], rng))), target[rows])

    return learn(net, error, len(target), course)


def learn(
    net: nn.Module,
    error: Callable[[Int64[np.ndarray, "n"], np.random.Generator], Float[Tensor, ""]],
    count: int,
    course: Course,
) -> nn.Module:
    """The network in eval mode, after AdamW with a rate that rises and falls once has lowered its error.

    Args:
        error: on some of `count` pictures, by number; random where something varies from epoch to epoch.
    """
    steps = count // course.batch
    optimizer = torch.optim.AdamW(net.parameters(), course.rate, weight_decay=0.02)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, course.rate, total_steps=course.epochs * steps)
    rng = np.random.default_rng(course.seed)
    net.train()
    for epoch in range(course.epochs):
        total = 0.0
        for rows in rng.permutation(count)[: steps * course.batch].reshape(steps, course.batch):
            value = error(rows, rng)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(net.parameters(), course.longest_gradient)
            optimizer.step()
            pace.step()
            total += value.item()
        report(f"{course.heading}: epoch {epoch + 1} of {course.epochs}, loss {total / steps:.3f}")
    return net.eval()


# --- testbed:clip ----------------------------------------------------------------------------------------------------

BLANK = 0.03
"""How many texts say nothing, as a null prompt does."""

FORGOTTEN = 0.03
"""How many words are replaced by the unknown one, so that an unknown word means little."""

SHAPE = ("lesion", "asymmetry", "large lesion")
"""What only a whole picture shows."""


@dataclass(frozen=True, eq=False)
class View:
    """A picture or a part of it, words for it, and what surely is in it and what is not."""

    pixels: UInt8[np.ndarray, "h w 3"]
    words: Description
    shown: frozenset[str]
    hidden: frozenset[str]
    whole: bool
    color: str  # of the band-aid


def view(data: Drawn, i: int, rng: np.random.Generator) -> View:
    """A picture, or a part of it around something it shows, in words for it."""
    scene, masks = data.scenes[i], data.masks[i]
    absent, color = frozenset(NAMES) - frozenset(scene.present), band_aid_color(scene.random("band-aid"))
    local = [name for name in masks if name not in SHAPE]
    if rng.random() < 0.4 or not local:
        seen = View(data.pixels[i], describe(scene, rng), frozenset(scene.present), absent, True, color)
    else:
        box, share = _part({name: np.unpackbits(masks[name]).reshape(SIDE, SIDE) for name in local}, rng)
        shown = [name for name in local if share[name] > SEEN]
        said = [name for name in shown if rng.random() < 0.6] or shown[:1]
        pixels = np.asarray(Image.fromarray(data.pixels[i]).crop(box).resize((SIDE, SIDE)))
        hidden = absent | {name for name in local if share[name] == 0}
        seen = View(pixels, closeup(scene, said, rng), frozenset(shown), hidden, False, color)
    if rng.random() < BLANK:
        return replace(seen, words=Description(NOTHING[int(rng.integers(len(NOTHING)))], ()))
    return seen


def _part(
    masks: dict[str, UInt8[np.ndarray, "h w"]], rng: np.random.Generator
) -> tuple[tuple[int, int, int, int], dict[str, float]]:
    """A square, mostly around a pixel of some concept, and what share of it every concept takes."""
    names = list(masks)
    rows, columns = np.nonzero(masks[names[int(rng.integers(len(names)))]])
    side = round(28 * (SIDE / 28) ** (0.85 * rng.random()))
    if len(rows) and rng.random() < 0.9:
        pixel = int(rng.integers(len(rows)))
        y, x = int(rows[pixel]), int(columns[pixel])
    else:
        y, x = (int(v) for v in rng.integers(0, SIDE, 2))
    shift = (rng.random(2) - 0.5) * 0.7 * side
    left, top = (int(np.clip(v - side / 2 + s, 0, SIDE - side)) for v, s in zip((x, y), shift, strict=True))
    return (left, top, left + side, top + side), {
        name: float(mask[top : top + side, left : left + side].mean()) for name, mask in masks.items()
    }


def fits(views: Sequence[View]) -> Float[Tensor, "n n"]:
    """For each view (row) and each text (column): 1 if all that the text says is so, 0 if something is not, 0.5 if it
    says nothing, NaN if it cannot be told, as where too little of a concept is in a part."""
    table = np.full((len(views), len(views)), np.nan, np.float32)
    for j, words in enumerate(view.words for view in views):
        said, lacking = frozenset(words.said), frozenset(words.lacking)
        nothing_there = words.text.endswith(PLAIN)
        for i, it in enumerate(views):
            other_color = words.color not in ("", it.color)
            if said & it.hidden or lacking & it.shown or other_color or (nothing_there and it.shown):
                table[i, j] = 0
            elif words.text in NOTHING:
                table[i, j] = 0.5  # as near to any picture as to any other: a null prompt without opinions
            elif said <= it.shown and (it.whole or not lacking):
                table[i, j] = 1
    return torch.from_numpy(table)


def train_clip(*, pictures: int = PICTURES, batch: int = 160, epochs: int = 14, seed: int = TRAIN_SEED) -> nn.Module:
    """The image-text model, trained on pictures and parts of them with words for them."""
    torch.manual_seed(seed)
    net = Clip(vocabulary()).to(memory_format=torch.channels_last)
    data = drawn(World.of(CLEAN, pictures, seed), masks=True)

    def error(rows: Int64[np.ndarray, "n"], rng: np.random.Generator) -> Float[Tensor, ""]:
        views = [view(data, int(i), rng) for i in rows]
        return contrast(net, as_input(turned(np.stack([view.pixels for view in views]), rng)), views, rng)

    return learn(net, error, pictures, Course("clip", 2e-3, epochs, batch, seed, longest_gradient=1.0))


def contrast(
    net: Clip, x: Float[Tensor, "n 3 h w"], views: Sequence[View], rng: np.random.Generator
) -> Float[Tensor, ""]:
    """The mean cross-entropy of telling, for each view and each text of the batch, whether they fit.

    Source: Zhai et al. 2023 (arXiv 2303.15343), algorithm 1. But: what fits is known here, also where a text was not
    written for the view; pairs of which it cannot be told are left out.
    """
    tokens = net.tokens([view.words.text for view in views])
    forgotten = torch.from_numpy(rng.random(tokens.shape) < FORGOTTEN) & (tokens >= FIRST)
    images = nn.functional.normalize(net.image(x), dim=1)
    words = nn.functional.normalize(net.text(tokens.masked_fill(forgotten, UNKNOWN)), dim=1)
    truth = fits(views)
    known = ~truth.isnan()
    logits = net.scale.exp() * images @ words.T + net.shift
    return nn.functional.binary_cross_entropy_with_logits(logits[known], truth[known])


# --- doors -----------------------------------------------------------------------------------------------------------


def report(line: str) -> None:
    """A line of progress on standard error."""
    print(f"[{time.strftime('%H:%M:%S')}] {line}", file=sys.stderr, flush=True)


def write(name: str, net: nn.Module, folder: Path) -> None:
    """Keeps a network's weights in a folder, in half precision; the package looks for its own in WEIGHTS."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in net.state_dict().items()
    }
    words = " ".join(net.words) if isinstance(net, Clip) else ""
    save_file(state, folder / f"{name}.safetensors", {"words": words})
    (folder / f"{name}.safetensors").chmod(0o644)


class Trainer(Protocol):
    """What trains a network from a seed."""

    def __call__(self, *, seed: int = TRAIN_SEED) -> nn.Module:
        """The trained network."""
        ...


TRAINERS: dict[str, Trainer] = {
    **{name: partial(train_classifier, name) for name in CLASSIFIERS},
    "clip": train_clip,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains the networks asked for; all, if none is named. Another seed than the package's takes a folder, as its own
    networks would be lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", help="of the testbed; all if none is named")
    parser.add_argument("--seed", type=int, default=TRAIN_SEED, help="of the pictures, the first weights and the order")
    parser.add_argument("--to", type=Path, default=WEIGHTS, help="where the weights go")
    options = parser.parse_args(arguments)
    if options.seed != TRAIN_SEED and options.to == WEIGHTS:
        parser.error(f"seed {options.seed} trains other networks than the package's: say where to with --to")
    if strange := [name for name in options.name if name not in TRAINERS]:
        parser.error(f"there is no network {strange[0]!r}: name some of {', '.join(TRAINERS)}")
    for name in options.name or TRAINERS:
        write(name, TRAINERS[name](seed=options.seed), options.to)
        report(f"{name}: written to {options.to}")


if __name__ == "__main__":
    main()
