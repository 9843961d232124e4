"""A dictionary as a file: safetensors of our own, and the layouts of libraries that train sparse autoencoders."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model.checkpoint import first_line, read_checkpoint, write_tensors
from semlens.model.dictionary import TENSORS, BatchTopK, Dictionary, JumpRelu, Linear, Relu, Sparsity, TopK
from semlens.model.sae_layouts import read_layout

FORMAT = "semlens-dictionary"
"""The entry of a file's metadata that says how it is to be read."""
VERSION = "1.0"


def save_dictionary(dictionary: Dictionary, path: str | Path) -> Dictionary:
    """Writes the dictionary to one safetensors file, which either replaces the old one whole or leaves it; the
    dictionary under the file's name.

    Raises:
        SemlensError: the file cannot be written.
    """
    path = Path(path)
    tensors = {key: getattr(dictionary, key) for key in TENSORS}
    if isinstance(dictionary.sparsity, JumpRelu):
        tensors["theta"] = dictionary.sparsity.theta
    said = {
        "version": VERSION,
        "layer": dictionary.layer,
        "sparsity": _sparsity_record(dictionary.sparsity),
        "names": dictionary.names,
        "fvu": dictionary.fvu,
        "standardised": dictionary.standardised,
    }
    write_tensors(path, tensors, {FORMAT: json.dumps(said, ensure_ascii=False)})
    return replace(dictionary, name=str(path))


def load_dictionary(path: str | Path, layer: str = "", k: int | None = None) -> Dictionary:
    """The dictionary in a file or folder: one of semlens, or as overcomplete, SAELens, Prisma and VisAEBench or
    BatchTopK write theirs. Only weights are read, nothing in a file is run.

    Args:
        layer: whose vectors it decomposes, where the file does not say it as this project writes layers: "blocks.8",
            "blocks.11@cls".
        k: how many units are active at a position, where the file does not say it.

    Raises:
        SemlensError: there is no such file, it holds no dictionary, or one of another layer.
    """
    found = named_file(str(path), k)
    if not layer or found.layer == layer:
        return found
    if found.layer:
        raise SemlensError(f"the dictionary in {path} is one of layer {found.layer!r}, not of {layer!r}")
    return replace(found, layer=layer)


def named_file(name: str, k: int | None = None) -> Dictionary:
    """The dictionary in a file, read once for as long as the file stays as it is.

    Raises:
        SemlensError: there is none.
    """
    path = Path(name)
    try:
        state = path.stat()
    except OSError as fault:
        raise SemlensError(
            f"there is no dictionary {name!r}: a layer with one is written LAYER@dictionary:FILE.safetensors"
        ) from fault
    return _read(name, state.st_mtime_ns, state.st_size, k)


@lru_cache(maxsize=4)
def _read(name: str, changed: int, size: int, k: int | None) -> Dictionary:
    path = Path(name)
    metadata = _metadata(path)
    if FORMAT in metadata:
        return _own(path, metadata[FORMAT])
    return read_layout(path, k)


def _metadata(path: Path) -> Mapping[str, str]:
    """What stands at the head of a safetensors file; nothing for any other file."""
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as fault:
        raise SemlensError(f"{path} is damaged or was cut off ({first_line(fault)}): fetch it again") from fault


def _own(path: Path, header: str) -> Dictionary:
    tensors = read_checkpoint(path)
    try:
        said: dict[str, Any] = json.loads(header)
        if said["version"].split(".")[0] != VERSION.split(".")[0]:
            raise SemlensError(f"{path} is a dictionary of format {said['version']}; this semlens reads {VERSION}")
        fvu = None if said["fvu"] is None else float(said["fvu"])
        return Dictionary(
            str(said["layer"]), **{key: tensors[key] for key in TENSORS}, sparsity=_sparsity(said["sparsity"], tensors),
            names=tuple(map(str, said["names"])), name=str(path), fvu=fvu, standardised=bool(said["standardised"]),
        )  # fmt: skip
    except SemlensError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise SemlensError(f"{path} is no dictionary that can be read ({first_line(fault)}): write it again") from fault


def _sparsity_record(sparsity: Sparsity) -> dict[str, Any]:
    match sparsity:
        case TopK(k, rectified):
            return {"kind": "TopK", "k": k, "rectified": rectified}
        case BatchTopK(theta):
            return {"kind": "BatchTopK", "theta": theta}
        case _:
            return {"kind": type(sparsity).__name__}


def _sparsity(said: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Sparsity:
    match said["kind"]:
        case "TopK":
            return TopK(int(said["k"]), bool(said["rectified"]))
        case "BatchTopK":
            return BatchTopK(float(said["theta"]))
        case "JumpRelu":
            return JumpRelu(tensors["theta"])
        case "Linear":
            return Linear()
        case "Relu":
            return Relu()
    raise ValueError(f"unknown sparsity {said['kind']!r}")
