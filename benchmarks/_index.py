"""What comes after collecting: embedding, the size of the index, search in a million components, and a cold start."""

import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import torch
from _jobs import HERE
from _models import PREPROCESS, studied
from _report import Table
from PIL.Image import Image, Resampling

import semlens as sl
from semlens.analysis.probe import Probes, cached
from semlens.images import ImageSet
from semlens.index import ConceptIndex, CropId, ImagesId, ImageTable, ModelId, Recipe, Thumbnails
from semlens.numerics import dot_rows, unit
from semlens.types import FoundationId, LayerAxis

STAND_IN = FoundationId("open_clip:stand-in/none", "0" * 64, 512, "unknown")
TEST = FoundationId("test:space", "0" * 64, 768, "CC0-1.0")


@dataclass(frozen=True)
class StandIn:
    """A foundation model that costs next to nothing: a random projection of a tiny picture, a random vector by text."""

    identity: FoundationId = STAND_IN

    def embed_images(self, images: Sequence[Image]) -> np.ndarray:
        pixels = np.stack([np.asarray(image.resize((16, 16)), dtype=np.float32).ravel() for image in images])
        return np.asarray(pixels @ np.random.default_rng(0).standard_normal((768, 512), dtype=np.float32))

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        seeds = [list(text.encode()) for text in texts]
        return np.stack([np.random.default_rng(seed).standard_normal(512, dtype=np.float32) for seed in seeds])


def embedding(photos: Path, count: int) -> Iterator[Table]:
    """Every distinct image once, against every example for itself; what is stored, against a vector per example."""
    it = studied("resnet18 stages")
    images, tower = sl.load_images(photos), StandIn()
    head = "layer | k | examples | distinct | each alone, s | once, s | thumbnails, s | dense float32, MB | stored, MB"
    table = Table(f"Embedding the examples of resnet18 over {count} images, with a stand-in tower", head)
    for layer, k in (("layer4", 5), ("layer4", 30), ("layer1", 5)):
        examples = sl.collect(sl.VisionModel(it.net, PREPROCESS), images, [layer], k=min(k, len(images)))
        begun = time.process_time()
        index = sl.embed(examples, images, tower, workers=0)
        once = time.process_time() - begun
        each, pictures = _each(examples, images, tower), _thumbnails(images, len(index.vectors))
        slots, distinct = int(examples.valid.sum()), len(index.vectors)
        dense, stored = examples.ids.size * index.vectors.shape[1] * 4, index.vectors.nbytes + index.rows.nbytes
        fewer, smaller = (
            f"{distinct:,} ({slots / distinct:.1f}x fewer)",
            f"{stored / 1e6:.2f} ({dense / stored:.1f}x smaller)",
        )
        seconds = [f"{x:.1f}" for x in (each, once, pictures)]
        table.row(layer, k, f"{slots:,}", fewer, *seconds, f"{dense / 1e6:.2f}", smaller)
    yield table


def _each(examples: sl.ConceptExamples, images: ImageSet, tower: StandIn, sample: int = 512) -> float:
    """Seconds to load and embed every example separately, extrapolated from `sample` of them."""
    slots = examples.ids[examples.valid]
    chosen = np.random.default_rng(0).permutation(slots)[:sample]
    begun = time.process_time()
    for start in range(0, len(chosen), 32):
        tower.embed_images([images.load(int(i)) for i in chosen[start : start + 32]])
    return (time.process_time() - begun) * len(slots) / len(chosen)


def _thumbnails(images: ImageSet, count: int, sample: int = 64) -> float:
    """Seconds for the pictures for display, which the other way does not make; extrapolated from `sample` of them."""
    pictures = [images.load(i) for i in range(min(sample, len(images)))]
    begun = time.process_time()
    for picture in pictures:
        small = picture.resize((128, 128), Resampling.BICUBIC)
        small.save(io.BytesIO(), "WEBP", quality=75, method=4)
    return (time.process_time() - begun) * count / len(pictures)


# --- search ----------------------------------------------------------------------------------------------------------


def search(work: Path, components: int, queries: int) -> Iterator[Table]:
    """One query at a time over memory-mapped float16, against a flat faiss index of the same rows in fp16."""
    d, top = TEST.dimension, 10
    means = _write_means(work / "means.f16", components, d)
    asked = unit(np.random.default_rng(1).standard_normal((queries, d)))
    index, probes = _index_of(means), [_probe(query) for query in asked]
    flat = _faiss(means)
    ways: dict[str, Callable[[int], object]] = {
        "faiss flat fp16": lambda q: flat.search(asked[q : q + 1], top),
        "semlens.analysis.search": lambda q: sl.search(index, probes[q], top=top),
        "dot_rows alone": lambda q: dot_rows(index.means, asked[q : q + 1]),
    }
    times = _in_turn(ways, queries)
    exact = _exact(means, asked, top)
    found = {
        "faiss flat fp16": np.stack([flat.search(query[None], top)[1][0] for query in asked]),
        "semlens.analysis.search": np.stack(
            [[hit.component.unit for hit in sl.search(index, probe, top=top)] for probe in probes]
        ),
    }
    table = Table(
        f"Search, {components:,} x {d}, one thread, CPU ms per query", "way | ms | over faiss | recall@10 | target"
    )
    for name, each in times.items():
        over = statistics.median(a / b for a, b in zip(each, times["faiss flat fp16"], strict=True))
        recall = (
            f"{np.mean([len({*a} & {*b}) / top for a, b in zip(found[name], exact, strict=True)]):.3f}"
            if name in found
            else "-"
        )
        table.row(
            name,
            f"{1e3 * statistics.median(each):.1f}",
            f"{over:.2f}x",
            recall,
            "1.2x" if name == "semlens.analysis.search" else "-",
        )
    yield table


def _in_turn(ways: dict[str, Callable[[int], object]], queries: int) -> dict[str, list[float]]:
    faiss.omp_set_num_threads(1)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for q in range(-1, queries):  # the first round only warms up
        for name, work in ways.items():
            begun = time.process_time()
            work(max(q, 0))
            if q >= 0:
                times[name].append(time.process_time() - begun)
    return times


def _write_means(file: Path, components: int, d: int) -> np.memmap:
    """Unit rows around 300 centres, as embeddings of concepts lie."""
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((300, d)))
    rows = np.memmap(file, np.float16, "w+", shape=(components, d))
    for start in range(0, components, 50_000):
        part = rows[start : start + 50_000]
        noise = rng.standard_normal(part.shape, dtype=np.float32) * np.float32(0.02)
        part[:] = unit(centres[rng.integers(0, 300, len(part))] + noise)
    rows.flush()
    return np.memmap(file, np.float16, "r", shape=(components, d))


def _faiss(means: np.ndarray) -> faiss.IndexScalarQuantizer:
    index = faiss.IndexScalarQuantizer(means.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.train(np.asarray(means[:1000], dtype=np.float32))
    for start in range(0, len(means), 50_000):
        index.add(np.asarray(means[start : start + 50_000], dtype=np.float32))
    return index


def _exact(means: np.ndarray, queries: np.ndarray, top: int) -> np.ndarray:
    """The best rows by cosine in float32, all compared."""
    blocks = [
        unit(np.asarray(means[start : start + 50_000], dtype=np.float32)) @ queries.T
        for start in range(0, len(means), 50_000)
    ]
    return np.argsort(-np.concatenate(blocks), axis=0, kind="stable")[:top].T


def _probe(vector: np.ndarray) -> Probes:
    return Probes(("probe",), vector[None], np.zeros_like(vector[None]), TEST)


def _index_of(means: np.ndarray) -> ConceptIndex:
    """An index in memory that has these semantic embeddings and little else."""
    c = len(means)
    model, images = ModelId("test", "0" * 64, "none"), ImagesId("none", "0" * 64, 1, 0)
    recipe = Recipe(model, images, 1, "mean", CropId("none", {}), "float32", TEST, "none", 0, {})
    one, count = np.zeros((c, 1), np.int32), np.zeros(c, np.int64)
    return ConceptIndex(
        recipe,
        (LayerAxis("layer", "channels", 0, c),),
        ids=one,
        positions=one,
        activations=np.ones((c, 1), np.float32),
        rows=one,
        fired=count,
        nan=count,
        lowest=np.zeros(c, np.float32),
        means=means,
        random=means[:1000],
        vectors=means[:1],
        sources=np.zeros(1, np.int32),
        boxes=np.zeros((1, 4), np.int32),
        read_images=lambda: ImageTable(("none",), (None,), (None,)),
        read_unit_names=lambda: (None,) * c,
        read_thumbnails=lambda: Thumbnails.pack([b""]),
    )


# --- cold start ------------------------------------------------------------------------------------------------------


def cold_start(photos: Path, work: Path) -> Iterator[Table]:
    """`semlens search` in a fresh process where the text's vector is known already, and what its imports cost."""
    it, images, tower = (
        studied("resnet18 stages"),
        sl.load_images(photos),
        StandIn(),
    )
    examples = sl.collect(sl.VisionModel(it.net, PREPROCESS), images, ["layer4"], k=5)
    sl.embed(examples, images, tower, workers=0).save(work / "cold")
    cached(tower.identity, tower.embed_texts, work / "cache" / "semlens")(["zebra", ""])
    environment = os.environ | {"XDG_CACHE_HOME": str(work / "cache"), "PYTHONPATH": str(HERE.parent)}
    command = ["-m", "semlens", "search", str(work / "cold"), "zebra", "--json"]
    walls = []
    for _ in range(8):
        begun = time.perf_counter()
        done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=True)
        walls.append(time.perf_counter() - begun)
        assert json.loads(done.stdout.splitlines()[0])["probe"] == "zebra"
    table = Table("Cold start of `semlens search`, the text's vector cached", "median of 7, s | least, s | target")
    table.row(f"{statistics.median(walls[1:]):.3f}", f"{min(walls[1:]):.3f}", "0.5 s")
    yield table
    told = subprocess.run(
        [sys.executable, "-X", "importtime", *command], env=environment, capture_output=True, text=True, check=True
    )
    yield _imports(told.stderr)


def _imports(told: str) -> Table:
    """Own time of every package's modules, summed."""
    own: dict[str, int] = {}
    for line in told.splitlines():
        numbers, _, name = line.removeprefix("import time:").rpartition("|")
        if line.startswith("import time:") and numbers.split("|")[0].strip().isdecimal():
            package = name.strip().partition(".")[0]
            own[package] = own.get(package, 0) + int(numbers.split("|")[0])
    table = Table("What its imports cost", "package | ms")
    for package, microseconds in sorted(own.items(), key=lambda item: -item[1])[:12]:
        table.row(package, f"{microseconds / 1e3:.0f}")
    table.row("all", f"{sum(own.values()) / 1e3:.0f}")
    assert "torch" not in own
    return table


def set_threads(threads: int) -> None:
    """How many threads torch and faiss use in this process."""
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
