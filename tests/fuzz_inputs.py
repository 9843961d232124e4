"""Tables, pictures, checkpoints and specs made at random, as people have them: what is true of each is known.

    python -m tests.fuzz_inputs 2000

reads as many of each and says what went wrong: an error that is no sentence, a label that is lost or a weight that
stays random without a word; and how many tables are refused. `tests/images/test_fuzz.py` reads a sample; checkpoints
and specs are made in `tests/fuzz.py`.
"""

import csv
import io
import json
import random
import struct
import sys
import tempfile
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from semlens.errors import SemlensError
from semlens.images import UnreadableImage, load_images
from tests.fuzz import checkpoint, spec

CLASSES = ("cat", "dog", "Great white shark", "7", "öl", "a, b")
IMAGE_NAMES = ("path", "image", "image_id", "File Name", "img_path", "isic_id", "shot", "")
LABEL_NAMES = ("label", "target", "dx", "Class", "species", "animal", "fine_label")
KINDS = (".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", "frame", "pairs", "folder")


@dataclass(frozen=True)
class Case:
    """A source of images, and the label that each has."""

    source: Any
    labels: tuple[str | None, ...]


def table(seed: int, folder: Path) -> Case:
    """A table, list or folder of two to eight pictures, written in one of the ways that there are."""
    chance = random.Random(seed)
    count = chance.randint(2, 8)
    names = [
        f"{chance.choice(('', 'x/', 'deep/er/ä'))}i{seed}_{n}.{chance.choice(('jpg', 'png', 'bmp'))}"
        for n in range(count)
    ]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (count, 0, 0)).save(folder / name)
    labels = [chance.choice((*CLASSES, None)) if chance.random() < 0.8 else chance.choice(CLASSES) for _ in names]
    kind = chance.choice(KINDS)
    if kind == "folder":
        return Case(str(folder), tuple(name.partition("/")[0] if "/" in name else None for name in sorted(names)))
    if kind == "pairs":
        return Case([(folder / name, label) for name, label in zip(names, labels, strict=True)], tuple(labels))
    columns: dict[str, list[Any]] = {chance.choice(IMAGE_NAMES): [_spelled(name, chance, folder) for name in names]}
    columns |= {chance.choice(LABEL_NAMES): list(labels)}
    if chance.random() < 0.5:
        columns |= {"fold": list(range(count))}
    if chance.random() < 0.2:
        columns |= {"remarks": [f"first line\nsecond, of {n}" for n in range(count)]}
    if kind == "frame":
        first = next(iter(columns))
        return Case(pd.DataFrame(columns | {first: [str(folder / name) for name in names]}), tuple(labels))
    path = folder / f"t{kind}"
    _write(path, columns, chance)
    return Case(str(path), tuple(labels))


def _spelled(name: str, chance: random.Random, folder: Path) -> str:
    """A name as one of the tables that people have spells it."""
    spellings: Sequence[Callable[[], str]] = (
        lambda: name, lambda: name, lambda: name.replace("/", "\\"), lambda: name.rpartition(".")[0],
        lambda: f"{folder.name}/{name}", lambda: f"/data/{name}", lambda: f" {name} ",
        lambda: unicodedata.normalize("NFD", name), name.upper,
    )  # fmt: skip
    return chance.choice(spellings)()


def _write(path: Path, columns: dict[str, list[Any]], chance: random.Random) -> None:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if path.suffix == ".parquet":
        pd.DataFrame(columns).to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(chance.choice((rows, columns, {"data": rows, "version": 2}))))
    else:
        with path.open("w", newline="", encoding=chance.choice(("utf-8", "utf-8-sig", "utf-16"))) as file:
            delimiter = "\t" if path.suffix == ".tsv" else chance.choice(",;\t")
            file.write(chance.choice(("", "", "", f"sep={delimiter}\n", "# exported, in 2020\n", "\n")))
            writer = csv.writer(file, delimiter=delimiter)
            writer.writerow([chance.choice((name, f" {name}")) for name in columns])
            writer.writerows(row.values() for row in rows)


def picture(seed: int) -> bytes:
    """The bytes of a picture: of any mode, size and depth, with odd or broken metadata, some of them cut or altered."""
    chance = random.Random(seed)
    size = chance.choice(((1, 1), (1, 900), (3000, 1), (4, 4), (30, 20), (64, 64)))
    mode = chance.choice(("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F"))
    if mode in ("I", "I;16", "F"):
        kind = {"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]
        high = chance.choice((1, 255, 4095, 65535))
        pixels = np.random.default_rng(seed).uniform(0, high, size[::-1]).astype(kind)
        image = Image.fromarray(pixels)
    else:
        image = Image.new("RGB", size, tuple(chance.choices(range(256), k=3))).convert(mode)
    data = io.BytesIO()
    try:
        image.save(data, chance.choice(("PNG", "TIFF", "JPEG", "WEBP", "GIF", "BMP", "PPM")), **_metadata(chance))
    except (
        OSError,
        ValueError,
        TypeError,
        SystemError,
        SyntaxError,
        KeyError,
        struct.error,
    ):  # a format that has no such mode or size
        image.convert("RGB").save(data, "PNG")
    content = bytearray(data.getvalue())
    if chance.random() < 0.3:
        content = content[: chance.randrange(len(content) + 1)]
    for _ in range(chance.choice((0, 0, 1, 8))):
        if content:
            content[chance.randrange(len(content))] = chance.randrange(256)
    return bytes(content)


def _metadata(chance: random.Random) -> dict[str, Any]:
    rows = [(0x0112, 3, 1, struct.pack("<HH", chance.randrange(12), 0)), (0x011A, 2, 4, b"72\0\0")]
    table = b"".join(struct.pack("<HHI", *row[:3]) + row[3] for row in rows)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + table + b"\0\0\0\0"
    info = PngInfo()
    info.add_text("Raw profile type exif", chance.choice(("\nexif\n  10\n0008000201120003\n", "x", "\n\n\nzz")))
    return chance.choice(({}, {"exif": exif}, {"exif": b"Exif\0\0" + bytes(9)}, {"pnginfo": info}))


# --- reading them ----------------------------------------------------------------------------------------------------


REFUSED = "refused"
"""What a table that is refused in one sentence is told by."""


def fault_of_table(seed: int, folder: Path) -> str:
    """What went wrong with a table, or REFUSED and why; empty if it was read whole."""
    case = table(seed, folder)
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            images = load_images(case.source)
    except SemlensError as refusal:
        return f"{REFUSED}: {refusal}" if "\n" not in str(refusal) else "a refusal of several lines"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    kept = [label is None or label == given for given, label in zip(images.labels, case.labels, strict=True)]
    told = bool(said) or any("label" in note for note in images.notes)
    return "" if all(kept) or (told and not any(images.labels)) else f"{case.labels} became {images.labels}"


def fault_of_picture(seed: int, folder: Path) -> str:
    """The same with a picture, which is read or has a reason."""
    data = picture(seed)
    (folder / f"{seed}").write_bytes(data)
    images = load_images([str(folder / f"{seed}")])
    try:
        image = images.load(0)
    except UnreadableImage as refusal:
        return "" if refusal.reason and "\n" not in refusal.reason else f"no reason: {refusal.reason!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "" if image.mode == "RGB" and min(image.size) > 0 else f"{image.mode} {image.size}"


def main(count: int) -> int:
    """Reads `count` of each kind; whether any went wrong."""
    wrong = refused = 0
    for seed in range(count):
        for read in (fault_of_table, fault_of_picture, checkpoint, spec):
            with tempfile.TemporaryDirectory() as folder:
                fault = read(seed, Path(folder))
            refused += fault.startswith(REFUSED)
            if fault and not fault.startswith(REFUSED):
                wrong += 1
                print(f"{read.__name__} {seed}: {fault}", flush=True)
    print(
        f"{count} tables, of which {refused} are refused, as many pictures, checkpoints and specs: {wrong} went wrong"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
