"""A file of weights as people have it, read as plain tensors and nothing else; what is none is said in one sentence.
And files of tensors of our own: written whole or not at all, and taken up where a run was killed.
"""

import argparse
import json
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from semlens.errors import SemlensError, unknown, unwritten

OTHERS = MappingProxyType(
    {
        **dict.fromkeys((".h5", ".hdf5", ".keras", ".pb", ".tflite"), "TensorFlow or Keras"),
        **dict.fromkeys((".npz", ".npy", ".msgpack"), "JAX or numpy"),
        ".onnx": "ONNX",
        ".gguf": "llama.cpp",
        ".mlmodel": "Core ML",
    }
)
"""Endings of files that hold weights of something else than PyTorch."""

STARTS = (
    (b"version https://git-lfs", "is a pointer of Git LFS and not the file itself: fetch that with `git lfs pull`"),
    (b"<", "is a web page or XML, as a failed download leaves it: fetch the file again"),
    (b"\x1f\x8b", "is compressed (gzip): unpack it and give the file inside"),
    (b"\x89HDF", "holds weights of TensorFlow or Keras, which PyTorch cannot take: convert them"),
    (b"\x89PNG", "is a picture"),
    (b"\xff\xd8\xff", "is a picture"),
)
"""How files begin that are taken for checkpoints and are none, with what they are."""

TRUST = "Where its source is trusted, write its tensors out once"
DEPTH = 3
"""How deep a state dict may lie inside of a checkpoint."""

State = Mapping[str, Any]


def read_checkpoint(path: Path) -> Any:
    """What a checkpoint holds: safetensors, the index of a sharded one, or a torch file read with `weights_only=True`.

    Raises:
        SemlensError: there is no such file, or it is not one of these: what it is, and what to give instead.
    """
    if path.is_dir():
        raise SemlensError(f"{path} is a folder: {_inside(path)}")
    if not path.is_file():
        raise unknown("weights file", str(path), sorted(str(p) for p in path.parent.glob("*")))
    try:
        start = _start(path)
        if path.name.endswith(".index.json"):
            return _sharded(path)
        if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
            return _safetensors(path)
        if said := _is_none(path, start):
            raise SemlensError(f"{path} {said}")
        return _torch(path)
    except OSError as fault:
        raise SemlensError(f"{path} cannot be read: {fault.strerror or fault}") from fault


def states(checkpoint: Any, depth: int = DEPTH) -> Iterator[tuple[str, State]]:
    """Every state dict inside of a checkpoint with the keys that lead to it, "model.ema": the outermost first."""
    if not isinstance(checkpoint, Mapping):
        return
    if any(isinstance(value, Tensor) for value in checkpoint.values()) and all(isinstance(k, str) for k in checkpoint):
        yield "", checkpoint
    for key, value in checkpoint.items() if depth else ():
        for inner, state in states(value, depth - 1):
            yield f"{key}.{inner}".rstrip("."), state


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _inside(folder: Path) -> str:
    """What to give in place of a folder."""
    if (folder / "adapter_config.json").is_file():
        return "it holds a LoRA/PEFT adapter, not a model; merge it first (merge_and_unload) and save what comes out"
    ends = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".index.json")
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(ends))
    return f"give the file in it, one of {', '.join(files[:4])}" if files else "give the file of weights itself"


def _is_none(path: Path, start: bytes) -> str:
    """What a file is that is no checkpoint of PyTorch; empty where it may be one."""
    if not start:
        return "is empty"
    if path.suffix.lower() in OTHERS:
        return f"holds weights of {OTHERS[path.suffix.lower()]}, which PyTorch cannot take: convert them"
    if said := next((said for first, said in STARTS if start.lstrip().startswith(first)), ""):
        return said
    if path.suffix.lower() == ".safetensors":
        return "is no safetensors file, or was cut off: fetch it again"
    if start.startswith(b"PK") and not zipfile.is_zipfile(path):
        return "was cut off, as by a download or a copy that stopped: fetch it again"
    if zipfile.is_zipfile(path):
        return _other_archive(path)
    return "" if start[:1] == b"\x80" or start[257:262] == b"ustar" else "is no checkpoint of PyTorch or safetensors"


def _other_archive(path: Path) -> str:
    """What an archive is if not a checkpoint."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] or name for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "is damaged: fetch or copy it again"
    if "constants.pkl" in names:
        return "holds a TorchScript program and no plain weights: save the state_dict of the model that it was made of"
    return "" if "data.pkl" in names else "is an archive, but no checkpoint of PyTorch: give the file of weights itself"


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file  # torch's half of safetensors, only where it is used

    try:
        return load_file(path)
    except (SafetensorError, ValueError) as fault:
        raise SemlensError(f"{path} is damaged or was cut off ({first_line(fault)}): fetch it again") from fault


def _sharded(index: Path) -> dict[str, Any]:
    """The tensors of all files that an index names beside it."""
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted({str(name) for name in named.values()})
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise SemlensError(f"{index} is no index of a sharded checkpoint: it has no weight_map") from fault
    merged: dict[str, Any] = {}
    for name in files:
        if Path(name).name != name or name == index.name:
            raise SemlensError(f"{index} names {name!r}, which is no file beside it")
        merged |= read_checkpoint(index.parent / name)
    return merged


def _torch(path: Path) -> Any:
    """What torch reads of a file without running anything in it."""
    try:
        # training scripts keep their settings in a Namespace, which runs nothing
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as fault:  # the file decides what is raised; whatever it is, it is not loaded another way
        raise SemlensError(f"{path} {_refused(path, fault)}") from fault


def _refused(path: Path, fault: Exception) -> str:
    """Why torch does not read a file as plain tensors, and what to do."""
    unsafe = _unsafe(path)
    if any(name.startswith("torch.nn.modules.") for name in unsafe):
        first = next((name for name in unsafe if not name.startswith("torch.nn.modules.")), unsafe[0])
        how = f'torch.save(torch.load("{path.name}", weights_only=False).state_dict(), "weights.pt")'
        return f"holds a whole pickled model ({first}) and not plain weights, and would run code. {TRUST}: {how}"
    if unsafe:
        how = f'torch.save(torch.load("{path.name}", weights_only=False)["state_dict"], "weights.pt")'
        kind = "is a Lightning checkpoint that" if _lightning(path) else "is no file of plain weights: it"
        return f"{kind} holds Python objects beside the tensors ({', '.join(unsafe[:3])}). {TRUST}: {how}"
    return f"is damaged, or no file of plain weights ({first_line(fault)})"


def _unsafe(path: Path) -> list[str]:
    """The Python objects that a file asks for, by name; none where that cannot be seen."""
    try:
        return sorted(set(torch.serialization.get_unsafe_globals_in_checkpoint(str(path))) - {"argparse.Namespace"})
    except Exception:  # an older or a damaged file
        return []


def _lightning(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = next((name for name in archive.namelist() if name.endswith("data.pkl")), "")
            return bool(pickled) and b"pytorch-lightning_version" in archive.read(pickled)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, zlib.error):  # not, or a damaged archive
        return False


def first_line(fault: BaseException) -> str:
    """What an error of a library says, without the advice that stands around it and without terminal codes."""
    text = str(fault) or type(fault).__name__
    line = text.partition("WeightsUnpickler error: ")[2] or text
    return line.strip().splitlines()[0].partition("\x1b")[0][:300].strip()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], said: Mapping[str, str] | None = None) -> None:
    """Writes a file that either replaces the old one whole or leaves it, and that others may read as far as the user's
    umask lets them; safetensors alone makes one that only its owner can read.

    Args:
        said: texts that stand beside the tensors.

    Raises:
        SemlensError: it cannot be written.
    """
    from safetensors.torch import save_file

    beside = path.with_name(f".{path.name}.new")
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}  # each its own memory
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
        mode = beside.stat().st_mode
        save_file(plain, beside, dict(said) if said else None)
        beside.chmod(mode)
        beside.replace(path)
    except (OSError, SafetensorError) as fault:
        raise unwritten(path, fault) from fault
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def taken_up(file: Path, key: str, recipe: str, digest: str) -> Iterator[tuple[dict[str, Any], dict[str, Tensor]]]:
    """What a run that was killed has left by `write_tensors`: the JSON beside the tensors, and these. What goes wrong
    inside the `with`, because something is missing in them, is told as damage too.

    Args:
        key: of the JSON among the texts.
        recipe, digest: where in it the digest of the run's recipe stands, and what it is to be.

    Raises:
        SemlensError: the run had another recipe, or the file is damaged.
    """
    try:
        with safe_open(file, "pt") as stored:
            said = json.loads((stored.metadata() or {})[key])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no dict
        if said[recipe] != digest:
            raise SemlensError(
                f"{file} is from a run with another model, other images or settings; delete it to start anew"
            )
        yield said, tensors
    except SemlensError:
        raise
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as fault:
        raise SemlensError(f"{file} is damaged ({fault}): delete it and begin again") from fault
