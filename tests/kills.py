"""Runs that are killed (SIGKILL) at random points and taken up again end with the same bytes.

    python -m tests.kills [POINTS] [SEED]

A row per way of working: how many of the points were hit, how many ended with other bytes. Exit 1 if one did.
"""

import hashlib
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import torch

from semlens.attribution import relevance
from semlens.collection import collect
from semlens.index import MANIFEST, load_index
from semlens.pipeline import build, build_shard, embed, encode
from tests.toy import ColourSpace, colours, random_images

LAYERS = ["act", "fc"]
IMAGES = random_images(105)  # more than the 100 batches after which a build is checkpointed
ATTEMPTS = 20  # to hit the work at a point
Work = Callable[[Path], None]


def building(folder: Path) -> None:
    build(
        colours(), IMAGES, LAYERS, ColourSpace(), folder / "index", k=9, batch_size=1, classes=[0, 2], of="all",
        vectors=30, crop="activation", workers=0, resume=True,
    )  # fmt: skip


def embedding(folder: Path) -> None:
    examples = collect(colours(), IMAGES, LAYERS, k=30, batch_size=20, workers=0)
    index = embed(
        examples, IMAGES, ColourSpace(), crop="activation", model=colours(), batch_size=1, workers=0,
        keep=folder / "kept",
    )  # fmt: skip
    index.save(folder / "index")


def relating(folder: Path) -> None:
    relevance(
        colours(), IMAGES, LAYERS, [0, 2], of="all", k=5, vectors=30, batch_size=1, workers=0,
        checkpoint=folder / "index" / "relevance.safetensors", checkpoint_every=3, resume=True,
    )  # fmt: skip


def sharding(folder: Path) -> None:
    how: dict[str, Any] = {"k": 9, "batch_size": 1, "classes": [0, 2], "of": "all", "vectors": 30, "workers": 0}
    if not (folder / "index").exists():
        for number in (2, 0, 1):
            build_shard(colours(), IMAGES, LAYERS, folder / "index", (number, 3), foundation=ColourSpace(), **how)
    build(colours(), IMAGES, LAYERS, ColourSpace(), folder / "index", resume=True, **how)


def encoding(folder: Path) -> None:
    out = folder / "index"
    if not (out / MANIFEST).exists():  # the folder is made before what lies in it is whole
        build(colours(), IMAGES, LAYERS, ColourSpace(), out, k=9, workers=0, encode="none", resume=True)
    if load_index(out).encodings is None:
        encode(out, colours(), IMAGES, foundation=ColourSpace(), batch_size=1, workers=0, resume=True)


WAYS: dict[str, Work] = {
    "build": building, "embed": embedding, "relevance": relating, "shards": sharding, "encode": encoding,
}  # fmt: skip


def apart(work: Work, folder: Path, delay: float | None) -> bool:
    """Whether another process came to the end of the work; after `delay` seconds it is killed."""
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        if delay is not None:
            Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        work(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def content(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def spoilt(work: Work, points: int, chance: random.Random) -> tuple[int, int]:
    """How many of the points hit the work, and after how many of these it ended with other bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch, "whole")
        start = time.monotonic()
        assert apart(work, whole, None)
        lasts, wanted = time.monotonic() - start, content(whole / "index")
        killed = odd = 0
        for point in range(points):
            for attempt in range(ATTEMPTS):  # a later run may be faster than the first, and done before it is killed
                folder = Path(scratch, f"{point}-{attempt}")
                ended = [apart(work, folder, chance.uniform(0, lasts)) for _ in range(chance.randint(1, 3))]
                if not all(ended):
                    killed += 1
                    break
            assert apart(work, folder, None)
            odd += content(folder / "index") != wanted
    return killed, odd


def main(points: int, seed: int) -> int:
    chance, bad = random.Random(seed), 0
    for name, work in WAYS.items():
        killed, odd = spoilt(work, points, chance)
        print(f"{name}: {points} points, {killed} killed in the work, {odd} ended with other bytes", flush=True)
        bad += odd
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(*(int(text) for text in [*sys.argv[1:], *("20", "0")[len(sys.argv) - 1 :]])))
