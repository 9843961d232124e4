"""What the questions cost: two clusters against scikit-learn; label, audit, score and atlas on a large made-up index.

    python benchmarks/questions.py [--only clusters verbs atlas] [--out FILE]

Clusters: one thread, CPU time, both in one run on the same vectors, 30 unit vectors of 512 dimensions around one to six
directions. The published package runs scikit-learn's KMeans (n_clusters=2, n_init=10) for one component after the
other. "worse" and "better" count components whose inertia differs by more than 1e-6 of it.

Verbs: wall time on two threads, the better of two runs; 2,048 components x 30 examples x 512 dimensions, a vocabulary
of 10,000 phrases whose vectors are there, everything in memory. Atlas: 10,000 components, in a fresh process.
"""

import argparse
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

THREADS = "2"
for library in ("OPENBLAS", "OMP", "MKL", "NUMBA"):  # read when numpy and scikit-learn are imported
    os.environ.setdefault(f"{library}_NUM_THREADS", THREADS)

import numpy as np  # noqa: E402
from _report import Table, report  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from semlens.analysis.audit import (  # noqa: E402
    Spec,
    audit,
)
from semlens.analysis.labels import label  # noqa: E402
from semlens.analysis.probe import Probes  # noqa: E402
from semlens.analysis.scores import score  # noqa: E402
from semlens.index import (  # noqa: E402
    ClassRelevance,
    ConceptIndex,
    CropId,
    ImagesId,
    ImageTable,
    ModelId,
    Recipe,
    Thumbnails,
)
from semlens.numerics import mean_rows, unit  # noqa: E402
from semlens.numerics.two_means import two_means  # noqa: E402
from semlens.types import MISSING, FoundationId, axis_of  # noqa: E402

K, D, COMPARED = 30, 512, 400
NOISE = {"clear directions": 0.3, "blurred": 0.8, "hardly any": 3.0}
SPACE = FoundationId("made up", "0" * 64, D, "none")


def mixtures(c: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    offset = 0.8 * rng.normal(size=D)
    found = np.empty((c, K, D), np.float32)
    for at in range(c):
        centres = rng.normal(size=(rng.integers(1, 7), D)) + offset
        found[at] = centres[rng.integers(len(centres), size=K)] + noise * rng.normal(size=(K, D))
    return unit(found)


def clock(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def tightness(points: np.ndarray, second: np.ndarray) -> float:
    sides = [points[second == side].astype(np.float64) for side in (False, True)]
    return sum(float(((side - side.mean(axis=0)) ** 2).sum()) for side in sides)


def clusters(components: int = 1000) -> Iterator[Table]:
    table = Table(
        f"Two clusters, {components:,} components, k = {K}, d = {D}; inertia of {min(COMPARED, components)}",
        "examples | scikit-learn, s per 1,000 | semlens | faster | worse | equal | better | mean difference",
    )
    for name, noise in NOISE.items():
        vectors = mixtures(components, noise)
        valid, some = np.ones(vectors.shape[:2], bool), vectors[:COMPARED]
        theirs: list[np.ndarray] = []

        def one_by_one(some: np.ndarray = some, theirs: list[np.ndarray] = theirs) -> None:
            theirs.extend(KMeans(n_clusters=2, n_init=10, random_state=0).fit(points).labels_ == 1 for points in some)

        with threadpool_limits(1):
            ours = min(clock(partial(two_means, vectors, valid)) for _ in range(3)) / components * 1000
            slow = clock(one_by_one) / len(some) * 1000
        second = two_means(vectors, valid).second
        mine = np.array([tightness(points, of) for points, of in zip(some, second, strict=False)])
        other = np.array([tightness(points, of) for points, of in zip(some, theirs, strict=True)])
        off = mine / other - 1
        worse, better = int((off > 1e-6).sum()), int((off < -1e-6).sum())
        counts = (worse, len(off) - worse - better, better)
        table.row(name, f"{slow:.2f}", f"{ours:.3f}", f"{slow / ours:.0f}x", *counts, f"{off.mean():.2%}")
    yield table


def made_up(components: int) -> ConceptIndex:
    """An index of mixtures in which no crop is shared, with relevance for one class."""
    vectors = mixtures(components, 0.8).reshape(-1, D).astype(np.float16)
    rows = np.arange(len(vectors), dtype=np.int32).reshape(components, K)
    images, rng = len(vectors), np.random.default_rng(1)
    table = ImageTable(("",) * images, (None,) * images, (None,) * images)
    shares = rng.dirichlet(np.full(components, 0.1))[:, None].astype(np.float32)
    relevance = ClassRelevance(
        "made up", {}, "all", (0,), 20, ("class",), shares, shares / 3, shares * 0, np.array([100]),
        np.full((components, 1), MISSING, np.int32), np.full((components, 1), -np.inf, np.float32),
    )  # fmt: skip
    side = rng.integers(32, 256, images)
    return ConceptIndex(
        Recipe(
            ModelId("made up", "", ""), ImagesId("made up", "", images, 0), K, "max", CropId("none", {}), "float32",
            SPACE, "", 0, {},
        ),
        axis_of([("layer", "channels", components)]), rows, rows * 0, np.ones((components, K), np.float32), rows,
        np.full(components, images), np.zeros(components, np.int64), np.zeros(components, np.float32),
        mean_rows(vectors, rows), vectors[:1000], vectors, np.arange(images, dtype=np.int32),
        np.stack([side * 0, side * 0, side, side], axis=1).astype(np.int32), lambda: table,
        lambda: (None,) * components, lambda: Thumbnails.pack([b""] * images),
        {ClassRelevance: lambda: relevance},
    )  # fmt: skip


def probes(count: int, seed: int) -> Probes:
    vectors = unit(np.random.default_rng(seed).normal(size=(count, D)))
    return Probes(tuple(map(str, range(count))), vectors, np.repeat(vectors[:1], count, axis=0), SPACE)


def verbs(components: int = 2048, phrases: int = 10_000) -> Iterator[Table]:
    index, vocabulary, concepts = made_up(components), probes(phrases, 2), probes(30, 3)
    names = [str(n) for n in range(30)]
    spec = Spec("class", tuple(names[:15]), tuple(names[15:]), ("relevance_mass(spurious) <= 0.1",))
    table = Table(
        f"{components:,} components x {K} examples x {D} dimensions, {phrases:,} phrases, {THREADS} threads",
        "verb | wall, s | CPU, s | target",
    )
    for name, work in {
        "label": lambda: label(index, vocabulary),
        "label, without a second meaning": lambda: label(index, vocabulary, split=False),
        "audit, 30 concepts, and all its rows": lambda: audit(index, spec, concepts).rows,
        "score": lambda: score(index),
    }.items():
        walls, cpus = [], []
        for _ in range(2):
            wall, cpu = perf_counter(), process_time()
            work()
            walls.append(perf_counter() - wall)
            cpus.append(process_time() - cpu)
        table.row(name, f"{min(walls):.2f}", f"{min(cpus):.2f}", "2 s")
    yield table


def maps(components: int = 10_000) -> Iterator[Table]:
    table = Table(f"Atlas of {components:,} components, {D} dimensions", "wall, s | CPU, s | target")
    code = f"import questions, semlens, time; index = questions.small({components})\n"
    code += "wall, cpu = time.perf_counter(), time.process_time(); semlens.atlas(index)\n"
    code += "print(time.perf_counter() - wall, time.process_time() - cpu)"
    command, here = [sys.executable, "-W", "ignore", "-c", code], Path(__file__).parent
    run = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    wall, cpu = map(float, run.stdout.split()[-2:])
    table.row(f"{wall:.1f}", f"{cpu:.1f}", "60 s")
    yield table


def small(components: int) -> ConceptIndex:
    """The same with a single example per component: an atlas looks at the means alone."""
    from dataclasses import replace

    few, vectors = made_up(8), mixtures(components // 10 + 1, 0.8).reshape(-1, D)[:components].astype(np.float16)
    rows = np.zeros((components, 1), np.int32)
    return replace(few, layers=axis_of([("layer", "channels", components)]), rows=rows, means=vectors)


NAMED = {"clusters": clusters, "verbs": verbs, "atlas": maps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMED, default=list(NAMED))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # examples all alike: scikit-learn says that it found one cluster
    report("# Questions", [partial(NAMED[name]) for name in options.only], options.out)


if __name__ == "__main__":
    main()
