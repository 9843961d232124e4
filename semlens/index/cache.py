"""What is expensive to compute, kept in a file of arrays under the digest of the recipe that determines it."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from semlens.errors import unwritten
from semlens.index.files import Arrays


def digest_of(recipe: object) -> str:
    """sha256, in hex, of a recipe: anything that JSON can write, and arrays, by their type, shape and content."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, default=_described).encode()).hexdigest()


def cached(file: Path | None, recipe: object, compute: Callable[[], Arrays], *, optional: bool = False) -> Arrays:
    """The arrays that `file` holds for this recipe; where it holds others, is damaged or absent, computed and kept
    there.

    A file is replaced whole or left as it was, so that a process killed meanwhile has spoilt nothing.

    Args:
        file: None computes and keeps nothing.
        optional: as for a cache in the user's home: a file that cannot be written is no error, and the user alone may
            read its folder.

    Raises:
        SemlensError: the file cannot be written, as on a full disk, and `optional` is not set.
    """
    if file is None:
        return compute()
    digest = digest_of(recipe)
    arrays = _read(file, digest)
    if arrays is None:
        arrays = compute()
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if optional else 0o777)
            _write(arrays, file, digest)
        except (OSError, SafetensorError) as fault:
            if not optional:
                raise unwritten(file, fault) from fault
    return arrays


def kept_in(file: Path, recipe: object) -> Arrays | None:
    """The arrays that `cached` keeps in a file for this recipe; None if it holds others, is damaged or absent."""
    return _read(file, digest_of(recipe))


def _described(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"a recipe cannot hold a {type(value).__name__}")
    return [value.dtype.str, value.shape, hashlib.sha256(value.tobytes()).hexdigest()]


def _read(file: Path, digest: str) -> Arrays | None:
    try:
        with safe_open(file, framework="numpy") as stored:
            if (stored.metadata() or {}).get("recipe") != digest:
                return None
            return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118, a file is not iterable
    except (SafetensorError, OSError):
        return None


def _write(arrays: Arrays, file: Path, digest: str) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}-{get_ident()}")
    try:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary, {"recipe": digest})
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
