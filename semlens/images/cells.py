"""A cell that stands for an image: a picture, a file's bytes, what Hugging Face makes of both, or a name."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from PIL import Image

from semlens.errors import SemlensError
from semlens.images.decode import Raw

Cell = Any


@dataclass(frozen=True)
class Cells:
    """Reads an image that lies in memory."""

    cells: tuple[Cell, ...]

    def __call__(self, id: int) -> Raw:  # noqa: D102  the class says it
        return raw_of(self.cells[id], id)


def is_picture(cell: Cell) -> bool:
    """Whether a cell is an image, not the name of one."""
    if isinstance(cell, Mapping):
        return cell.get("bytes") is not None
    return isinstance(cell, bytes | bytearray | Image.Image) or _is_pixels(cell)


def raw_of(cell: Cell, id: int) -> Raw:
    """What is decoded of a cell.

    Raises:
        SemlensError: it is no image.
        ValueError: there is none.
    """
    if cell is None:
        raise ValueError("the data set has no image here")
    if isinstance(cell, Mapping) and {"bytes", "path"} & set(cell):  # an image that Hugging Face does not decode
        cell = cell.get("bytes") or str(cell["path"])
    if _is_pixels(cell):
        return Image.fromarray(cell)
    if isinstance(cell, bytearray):
        return bytes(cell)
    if isinstance(cell, os.PathLike):
        return os.fspath(cell)
    if isinstance(cell, str | bytes | Image.Image):
        return cell
    raise SemlensError(f"item {id} is a {type(cell).__name__}, no image: pass the raw images, without transform")


def _is_pixels(cell: Cell) -> bool:
    """Whether it is an array of 8-bit pixels, h w or h w c."""
    shaped = isinstance(cell, np.ndarray) and cell.dtype == np.uint8
    return shaped and (cell.ndim == 2 or (cell.ndim == 3 and cell.shape[2] in (3, 4)))


def name_of(cell: Cell) -> str:
    """The name of a file that a cell writes; empty if it writes none."""
    if isinstance(cell, Mapping):
        cell = next((cell[key] for key in ("path", "file_name", "filename") if isinstance(cell.get(key), str)), None)
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    if isinstance(cell, float | Decimal) and cell == int(cell):
        cell = int(cell)
    return os.fspath(cell).strip() if isinstance(cell, str | os.PathLike) else str(cell)
