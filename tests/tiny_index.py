"""A tiny index with every answer known, and the tools of someone who forges one."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save

from semlens.index.encodings import Encodings, EncodingsId
from semlens.index.index import ConceptIndex, load_index
from semlens.index.kept import (
    AtlasId,
    LabelsId,
    ScoresId,
    StoredAtlas,
    StoredLabels,
    StoredMeanings,
    StoredScores,
    Summaries,
    VocabularyId,
)
from semlens.index.records import CropId, ImagesId, ImageTable, ModelId, Recipe, Thumbnails
from semlens.index.relevance import RelevanceVectors
from semlens.numerics.histogram import Histogram
from semlens.types import MISSING, SHARE_UNIT, FoundationId, LayerAxis, Origin, Relevance, Unreadable

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests/golden/index"  # written by `tiny().save(GOLDEN)`: where it changes, the format has changed
GOLDEN_WHOLE = ROOT / "tests/golden/relevance"  # written by `whole().save(GOLDEN_WHOLE)`
GOLDEN_ADDED = ROOT / "tests/golden/additions"  # written by `added().save(GOLDEN_ADDED)`
GOLDEN_ENCODED = ROOT / "tests/golden/encodings"  # written by `encoded().save(GOLDEN_ENCODED)`
GOLDEN_VECTORS = ROOT / "tests/golden/vectors"  # written by `with_vectors().save(GOLDEN_VECTORS)`
TABLES = ("components", "images")
TEXTS = ("unit-names", "image-names", "image-labels", "image-errors")
ARRAYS = ("examples", "means", "vectors", "thumbnails", *TEXTS)
LATER = ("relevance", "class-names")  # what an index may hold besides, from format 1.1 on
ADDED = ("histogram", "labels", "label-phrases", "label-meanings", "scores", "layer-scores", "atlas", "clusters")  # 1.2
VECTORS = ("relevance-vectors", "vector-classes")  # 1.4
ENCODED = ("encodings", "encoding-space", "encoding-images", "encoding-thumbnails", "output-names")  # 1.3


def tiny(seed: int = 7) -> ConceptIndex:
    """Two layers of 2 and 1 components, 4 images of which one is unreadable, 3 distinct crops; layer1:1 is dead."""
    recipe = Recipe(
        model=ModelId("toy", "a" * 64, "none"),
        images=ImagesId("photos <b>", "b" * 64, count=4, unreadable=1),
        k=2,
        pool="max",
        crop=CropId("activation", {"threshold": 0.25, "smooth": True, "least": 32}),
        precision="float32",
        foundation=FoundationId("toy:space", "c" * 64, 3, "CC0-1.0"),
        decoder="Pillow 0",
        seed=seed,
        software={"semlens": "0", "numpy": "0"},
    )
    table = ImageTable(("a.png", "b.png", "ç.png", "d.png"), ("x", None, "x", None), (None, None, None, "truncated"))
    return ConceptIndex(
        recipe=recipe,
        layers=(LayerAxis("layer1", "channels", 0, 2), LayerAxis("fc", "channels", 2, 3)),
        ids=np.array([[2, 0], [0, 1], [1, MISSING]], np.int32),
        positions=np.array([[3, 0], [0, 0], [0, MISSING]], np.int32),
        activations=np.array([[2, 1], [0, 0], [0.5, -np.inf]], np.float32),
        rows=np.array([[0, 1], [MISSING, MISSING], [2, MISSING]], np.int32),
        fired=np.array([2, 0, 1]),
        nan=np.array([0, 0, 2]),
        lowest=np.array([0, 0, -1], np.float32),
        means=np.array([[0.6, 0.8, 0], [0, 0, 0], [0, 0, 1]], np.float16),
        random=np.array([[0.8, 0.6, 0], [0, 0.6, 0.8]], np.float16),
        vectors=np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float16),
        sources=np.array([2, 0, 1], np.int32),
        boxes=np.array([[0, 0, 8, 8], [2, 3, 5, 7], [0, 0, 6, 4]], np.int32),
        read_images=lambda: table,
        read_unit_names=lambda: (None, None, "zebra"),
        read_thumbnails=lambda: Thumbnails.pack([b"first", b"", b"third"]),
    )


def tiny_relevance() -> Relevance:
    """Relevance for `tiny()`, in outputs 4 (its images are 0 and 2), 0 (image 1) and 2 (no image).

    The shares: layer1:0 has 1/2, -1 and 1/4 on images 0, 1 and 2; layer1:1 has -1/2, 0 and 3/4; fc:0 has 1, 0 and 1.
    """
    recipe, none = tiny().recipe, -np.inf
    return Relevance(
        origin=Origin(
            "toy", recipe.model.fingerprint, "none", "photos <b>", recipe.images.fingerprint, 4, recipe.precision
        ),
        layers=tiny().layers,
        method="epsilon_plus_flat",
        parameters={"epsilon": 1e-6, "signed": True},
        of="label",
        classes=(4, 0, 2),
        class_names=("zebra", "", "çat"),
        positive=np.array([[3, 0, 0], [3, 0, 0], [8, 0, 0]]) * (SHARE_UNIT // 4),
        negative=np.array([[0, 4, 0], [2, 0, 0], [0, 0, 0]]) * (SHARE_UNIT // 4),
        top=np.array([[2, 0, 0], [1, 0, 0], [2, 0, 0]]),
        counts=np.array([2, 1, 0]),
        beside=("layer1@cls",),
        passing=np.array([[3, 4, 0]]) * (SHARE_UNIT // 4),
        ids=np.array([[0, 2, MISSING], [2, MISSING, MISSING], [0, 2, MISSING]], np.int32),
        shares=np.array([[0.5, 0.25, none], [0.75, none, none], [1, 1, none]], np.float32),
        seen=((0, 4),),
        unreadable=(Unreadable(3, "truncated"),),
    )


def whole() -> ConceptIndex:
    """`tiny()` with all that an index may hold besides."""
    return tiny().with_relevance(tiny_relevance())


def added() -> ConceptIndex:
    """`tiny()` with what format 1.2 added, and with relevance."""
    index = whole()
    for addition in (tiny_histogram(), tiny_labels(), tiny_scores(), tiny_atlas()):
        index = index.with_addition(addition)
    return index


def tiny_histogram() -> Histogram:
    """Of activations 2, 1, 0 for layer1:0, 0 three times for layer1:1, and 0.5 for fc:0, which gave NaN twice."""
    counts = np.zeros((3, 129), np.int32)
    counts[0, [99, 97, 64]], counts[1, 64], counts[2, 95] = 1, 3, 1
    return Histogram(counts)


def tiny_labels() -> StoredLabels:
    """layer1:0 is called ç, and has two meanings; fc:0 would be called zebra at a higher rate."""
    nan = np.nan
    return StoredLabels(
        recipe=LabelsId("standardised", 0.05, ("layer1", "fc"), True, 100, 3, VocabularyId(9, "d" * 64)),
        phrases=("zebra", "ç"),
        ranked=np.array([[1, 0], [MISSING, MISSING], [0, 1]], np.int32),
        alignments=np.array([[0.5, 0.25], [nan, nan], [0.125, -0.5]], np.float32),
        p_value=np.array([0.01, 1, 0.3]),
        q_value=np.array([0.02, 1, 0.3]),
        stability=np.array([1, nan, 0.5], np.float32),
        meanings=StoredMeanings(
            rows=np.array([0], np.int32),
            phrases=np.array([[1, 0]], np.int32),
            scores=np.array([[2.5, 1.5]], np.float32),
            groups=np.array([[2, 1]], np.uint8),
        ),
    )


def tiny_scores() -> StoredScores:
    """Of layer1 alone."""
    nan = np.nan
    return StoredScores(
        recipe=ScoresId(("layer1",), 50, 3),
        clarity=np.array([0.5, nan, nan], np.float32),
        polysemanticity=np.array([0.25, nan, nan], np.float32),
        redundancy=np.array([nan, nan, nan], np.float32),
        clarity_p=np.array([0.125, nan, nan], np.float32),
        excess=np.array([0.375, nan, nan], np.float32),
        summaries=Summaries(
            clarity=np.array([[0.5, nan, nan, 0.25, 0, 0.75]], np.float32),
            polysemanticity=np.array([[0.25, nan, nan, 0.5, 0.25, 1.5]], np.float32),
            redundancy=np.full((1, 6), nan, np.float32),
        ),
    )


def tiny_atlas() -> StoredAtlas:
    """Two clusters of one component each, one of them without a name."""
    nan = np.nan
    return StoredAtlas(
        recipe=AtlasId("umap", None, 15, 0.1, 3, VocabularyId(9, "d" * 64)),
        x=np.array([0.5, nan, -1], np.float32),
        y=np.array([2, nan, 0.25], np.float32),
        cluster=np.array([0, MISSING, 1], np.int32),
        labels=("çtripes", ""),
        fits=np.array([0.25, nan], np.float32),
    )


def encoded() -> ConceptIndex:
    """`added()` with what format 1.3 added, its atlas by encoding."""
    atlas = tiny_atlas()
    by_encoding = replace(atlas, recipe=replace(atlas.recipe, by="encoding"))
    return added().with_addition(tiny_encodings()).with_addition(by_encoding)


def with_vectors() -> ConceptIndex:
    """`encoded()` with what format 1.4 added."""
    return encoded().with_addition(tiny_vectors())


def tiny_vectors() -> RelevanceVectors:
    """The shares of `tiny_relevance()` by image: 0 and 2 for output 4, of which the first is taken for 0; 1 for 0."""
    return RelevanceVectors(
        method="epsilon_plus_flat",
        parameters={"epsilon": 1e-6, "signed": True},
        of="label",
        classes=(4, 0, 2),
        most=2,
        class_names=("zebra", "", "çat"),
        ids=np.array([0, 2, 1], np.int32),
        columns=np.array([0, 0, 1], np.int32),
        predicted=np.array([0, 4, 0], np.int32),
        vectors=np.array([[0.5, -0.5, 1], [0.25, 0.75, 1], [-1, 0, 0]], np.float16),
    )


def tiny_encodings() -> Encodings:
    """Over the three images that can be read, whose embeddings are the axes; fc:0 never varies, two outputs.

    layer1:0 is y = (1, 0, -1) times sqrt(3/2); the outputs are (1, -1/2, -1/2) times sqrt(2), squared, and its
    negative.
    """
    y = np.array([[1, 0, -1], [0, 1, -1], [0, 0, 0], [1, -0.5, -0.5], [-1, 0.5, 0.5]])
    y = y / np.maximum(y.std(axis=1, keepdims=True), 1e-9)
    return Encodings(
        recipe=EncodingsId(5000, 2, 3, ("raw", "raw", "squared"), "patient"),
        images=3,
        outputs=("zebra", "ç"),
        mean=np.full(3, 1 / 3),
        covariance=np.eye(3) / 3 - 1 / 9,
        cross=(y / 3).astype(np.float32),
        average=np.array([1, 2, 0, -3, 4], np.float32),
        deviation=np.array([0.5, 2, 0, 1, 4], np.float32),
        r2=np.array([0.5, -0.25, np.nan, 1, np.nan], np.float32),
        ids=np.array([0, 2], np.int32),
        groups=np.array([0, 0], np.int32),
        embeddings=np.eye(3, dtype=np.float16)[[0, 2]],
        activations=y[:, [0, 2]].astype(np.float16),
        thumbnails=Thumbnails.pack([b"fourth", b""]),
    )


def other() -> ConceptIndex:
    """An index that differs from `tiny()` in every part, with seed 8."""
    index = tiny(seed=8)
    table = ImageTable(("e.png", "f.png", "g.png", "h.png"), ("y", None, None, None), (None, None, None, "empty"))
    return replace(
        index,
        activations=index.activations + 1,
        means=-index.means,
        vectors=-index.vectors,
        read_images=lambda: table,
        read_unit_names=lambda: (None, None, "horse"),
        read_thumbnails=lambda: Thumbnails.pack([b"", b"second", b""]),
    )


def part_file(folder: Path, name: str) -> Path:
    return next(folder.glob(f"{name}-{'[0-9a-f]' * 16}.*"))


def read_all(
    folder: Path, *, verify: bool = False
) -> tuple[ConceptIndex, Thumbnails, ImageTable, tuple[str | None, ...]]:
    """The index in `folder`, with all of it read."""
    index = load_index(folder, verify=verify)
    index.held  # reads every addition
    return index, index.thumbnails, index.images, index.unit_names


def sign(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest with a right digest: what a hostile author would do."""
    manifest.pop("sha256", None)
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    manifest["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def forge(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    sign(folder, manifest)


def forge_part(folder: Path, name: str, data: bytes, **claims: Any) -> None:
    """Replaces a part by `data`, with the manifest saying so in every respect but `claims`."""
    old = part_file(folder, name)
    digest = hashlib.sha256(data).hexdigest()
    new = f"{name}-{digest[:16]}{old.suffix}"
    old.unlink()
    (folder / new).write_bytes(data)
    entry = {"file": new, "bytes": len(data), "sha256": digest, **claims}
    forge(folder, lambda manifest: manifest["parts"][name].update(entry))


def forge_array(folder: Path, part: str, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    arrays = load_file(part_file(folder, part))
    arrays[name] = np.ascontiguousarray(change(arrays[name].copy()))
    listed = {key: {"dtype": array.dtype.name, "shape": list(array.shape)} for key, array in arrays.items()}
    forge_part(folder, part, save(arrays), tensors=listed)


def run(script: str, *arguments: object) -> str:
    """What a script prints, run by itself, as it would be outside of the tests."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def file_of(header: Any, body: bytes = b"") -> np.ndarray:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return np.frombuffer(len(text).to_bytes(8, "little") + text + body, np.uint8)


def entry(dtype: str, shape: Any, start: int, stop: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


def write_golden() -> None:
    """Writes the five golden indexes anew, for a new version of the format: python -m tests.tiny_index"""
    made = (
        (tiny(), GOLDEN), (whole(), GOLDEN_WHOLE), (added(), GOLDEN_ADDED), (encoded(), GOLDEN_ENCODED),
        (with_vectors(), GOLDEN_VECTORS),
    )  # fmt: skip
    for index, folder in made:
        index.save(folder)
        print(f"wrote {folder.relative_to(ROOT)}; see what changed: git diff --stat -- {folder.relative_to(ROOT)}")


if __name__ == "__main__":
    write_golden()
