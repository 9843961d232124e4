"""Can it be told without marked images whether a foundation model sees a concept? Two ways, held against marks.

    python benchmarks/visibility.py [--images FOLDER/captions.csv] [--seed 31]

- spread: the similarity varies over the images at least twice as much as that of the middle one of thirty phrases which
  no picture shows (what audits go by).
- two views: the covariance of the similarities in two views of each image, the second cropped to 0.8 and mirrored, is
  above that of 95 % of these phrases, and the views correlate at 0.2 or more.

Of each way, what part of the concepts passes that the foundation model sees (AUROC of the similarity for images that
show it 0.8 or more), and of those that it does not (below 0.7). The testbed's concepts by `testbed:clip`, also with
noise in the embeddings, another for each view, and by `offline:conse`, which knows no dermoscopy; with `--images` the
grounds and the words of captioned photographs by `offline:conse`.
"""

import argparse
import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import semlens as sl
from semlens.analysis.audit import UNRELATED
from semlens.benchmark.conditions import NOISE, noisy
from semlens.numerics import auroc, unit
from semlens.testbed.world import CONCEPTS, SHORTCUT, World, draw
from semlens.types import FoundationModel

PICTURES, BATCH = 400, 32
TIMES, ABOVE, AGREE = 2.0, 0.05, 0.2
SEEN, UNSEEN = 0.8, 0.7
LEAST = 4  # photographs that a word of a caption stands for, at least


@dataclass(frozen=True, eq=False)
class Case:
    """Images in two views, and phrases of which it is known what shows them."""

    name: str
    first: np.ndarray
    second: np.ndarray
    phrases: np.ndarray
    unrelated: np.ndarray
    shows: np.ndarray  # images, phrases


def views(foundation: FoundationModel, pictures: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Unit embeddings of pictures, and of the same cropped and mirrored."""
    both = (pictures, [cropped(picture) for picture in pictures])
    parts = [[unit(foundation.embed_images(some[i : i + BATCH])) for i in range(0, len(some), BATCH)] for some in both]
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def cropped(picture: Image.Image) -> Image.Image:
    """The middle 0.8 of a picture, mirrored."""
    wide, high = picture.size
    inner = picture.crop((round(wide * 0.1), round(high * 0.1), round(wide * 0.9), round(high * 0.9)))
    return inner.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def case(name: str, foundation: FoundationModel, pictures: list[Image.Image], shows: dict[str, list[bool]]) -> Case:
    """A case of some pictures."""
    phrases, unrelated = (sl.probe(foundation, list(texts)).vectors for texts in (shows, UNRELATED))
    return Case(name, *views(foundation, pictures), phrases, unrelated, np.array(list(shows.values())).T)


def lesions(seed: int) -> Iterator[Case]:
    """The world of the testbed, by a foundation model that knows it, one that sees less, and one that does not."""
    scenes = World.of(SHORTCUT, PICTURES, seed).scenes
    pictures = [draw(scene).image for scene in scenes]
    shows = {one.phrases[0]: [scene.has(one.name) for scene in scenes] for one in CONCEPTS}
    known = case("testbed:clip", sl.load_foundation("testbed:clip"), pictures, shows)
    yield known
    for step, amount in enumerate(NOISE):
        one, two = (
            noisy(v.astype(np.float64), amount, 2 * step + n) for n, v in enumerate((known.first, known.second))
        )
        yield Case(f"testbed:clip, {amount:g} parts of noise", one, two, known.phrases, known.unrelated, known.shows)
    yield case("offline:conse, lesions", sl.load_foundation("offline:conse"), pictures, shows)


def photographs(table: Path) -> Iterator[Case]:
    """Grounds, which the foundation model hardly sees, and things, many of which it does."""
    foundation, images = sl.load_foundation("offline:conse"), sl.load_images(table)
    with table.open(encoding="utf8") as lines:
        rows = list(csv.DictReader(lines))
    pictures = [images.load(i) for i in range(len(images))]
    words = [set(re.findall(r"[a-z]{4,}", row["caption"].lower())) for row in rows]
    common = sorted(word for word, times in Counter(w for own in words for w in own).items() if times >= LEAST)
    grounds = sorted({row["background"] for row in rows})
    things = case("offline:conse, things", foundation, pictures, {w: [w in own for own in words] for w in common})
    yield things
    shown = np.array([[row["background"] == one for one in grounds] for row in rows])
    asked = sl.probe(foundation, grounds).vectors
    yield Case("offline:conse, grounds", things.first, things.second, asked, things.unrelated, shown)


def passes(case: Case) -> dict[str, np.ndarray]:
    """Which phrases pass, by each way."""
    spread, usual = ((case.first @ some.T).std(axis=0) for some in (case.phrases, case.unrelated))
    wide = (spread[:, None] <= usual).mean(axis=1) <= ABOVE
    own, agree = shared(case, case.phrases)
    nothing, _ = shared(case, case.unrelated)
    return {
        "spread": wide & (spread >= TIMES * np.median(usual)),
        "two views": ((own[:, None] <= nothing).mean(axis=1) <= ABOVE) & (agree >= AGREE),
    }


def shared(case: Case, phrases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance and correlation of the similarities in both views."""
    one, two = (view @ phrases.T for view in (case.first, case.second))
    one, two = one - one.mean(axis=0), two - two.mean(axis=0)
    covariance = (one * two).mean(axis=0)
    return covariance, covariance / np.maximum(one.std(axis=0) * two.std(axis=0), 1e-9)


def main() -> None:
    """Prints a row per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="the table of photographs; without it only the testbed is asked")
    parser.add_argument("--seed", type=int, default=31)
    options = parser.parse_args()
    print(
        "| case | seen | not seen | spread: seen pass | not seen pass | two views: seen pass | not seen pass |\n"
        "|---|---|---|---|---|---|---|"
    )
    for some in [lesions(options.seed), *([photographs(options.images)] if options.images else [])]:
        for one in some:
            areas = [auroc(one.first @ phrase, shows) for phrase, shows in zip(one.phrases, one.shows.T, strict=True)]
            seen, unseen = np.array(areas) >= SEEN, np.array(areas) < UNSEEN
            cells = [str(seen.sum()), str(unseen.sum())]
            for passing in passes(one).values():
                cells += [f"{passing[which].mean():.2f}" if which.any() else "" for which in (seen, unseen)]
            print(f"| {one.name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
