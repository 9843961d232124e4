"""The folder an index lives in: immutable parts named by their content, and the manifest that lists them.

Nothing here knows what an index means; docs/index-format.md is the norm. A folder is hostile until these functions have
passed it: any fault is one SemlensError, never a crash or a read outside the folder.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from platformdirs import user_cache_path
from safetensors import SafetensorError

from semlens.errors import SemlensError, unknown
from semlens.index.files import JSON_LIMIT, Arrays, NewArrays, NewTable, canonical, decode, parse, tensors

FORMAT, MAJOR, MINOR = "semlens-index", 1, 4
MANIFEST = "manifest.json"
PART = re.compile(r"(?P<name>[a-z]+(-[a-z]+)*)-(?P<hash>[0-9a-f]{16})\.(safetensors|parquet)")
STAGING = ".saving-"
HASH_LIMIT = 256 * 2**20
"""A part of more bytes is hashed once on a machine, and not each time, where an index is opened for a search."""

T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """Of the format. Another major version cannot be read; a newer minor one only adds."""

    major: int
    minor: int

    @property
    def newer(self) -> bool:
        """Whether it may hold what this semlens does not know."""
        return self.minor > MINOR


@dataclass(frozen=True)
class Tensor:
    """What the manifest says of one array."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """What the manifest says of one file."""

    file: str
    bytes: int
    sha256: str
    rows: int
    tensors: dict[str, Tensor]


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Turns whatever is wrong with the file at `path` into the one sentence a user sees."""
    try:
        yield
    except SemlensError:
        raise
    except (ValueError, RecursionError, OSError) as fault:
        raise SemlensError(f"{path} cannot be used: {fault}; copy the index again or rebuild it") from fault


def replace_parts(
    folder: Path, minor: int, head: Mapping[str, Any], contents: Mapping[str, NewArrays | NewTable]
) -> None:
    """Replaces the index in `folder` in one step, as of the minor version of the format that holds all of it.

    Raises:
        SemlensError: if that fails; the old one stays whole.
    """
    with _staging(folder) as staging:
        parts = {name: _stage(staging, name, content) for name, content in contents.items()}
        _stage_manifest(staging / MANIFEST, {**head, "version": asdict(Version(MAJOR, minor))}, parts)
        _publish(staging, folder, [part.file for part in parts.values()])
    _sweep(folder, parts)


def add_parts(
    folder: Path, minor: int, head: Mapping[str, Any], contents: Mapping[str, NewArrays], same: Mapping[str, Any]
) -> None:
    """Adds to the index in `folder`, or puts in place of what has the same name, in one step; its other parts are not
    touched.

    Raises:
        SemlensError: if that fails, or if the manifest does not have the values of `same`; the index is then as it was.
    """
    read_tree(folder)  # before anything is written where no index is
    with _staging(folder) as staging:
        tree = read_tree(folder)  # again: a writer that began before is stopped by now, one that begins later stops us
        with blaming(folder / MANIFEST):
            version: Version = decode(Version, tree["version"], "version")
            parts: dict[str, Part] = decode(dict[str, Part], tree.get("parts"), "parts", strict=not version.newer)
        if version.newer or any(tree.get(key) != value for key, value in same.items()):
            reason = "is of a newer version" if version.newer else "is not the index that this was computed from"
            raise SemlensError(f"{folder} {reason}: nothing was added")
        new = {name: _stage(staging, name, content) for name, content in contents.items()}
        version = Version(MAJOR, max(minor, version.minor))
        _stage_manifest(staging / MANIFEST, {**tree, **head, "version": asdict(version)}, parts | new)
        _publish(staging, folder, [part.file for part in new.values()])
    _sweep(folder, parts | new)


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A folder for what is being saved.

    Raises:
        SemlensError: where saving fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_target(folder)
        # left by a killed save; or of a writer at work, which fails then, as the writer that began last wins
        for left in folder.glob(f"{STAGING}*"):
            shutil.rmtree(left)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except (OSError, SafetensorError) as fault:
        raise SemlensError(f"cannot save the index in {folder}: {fault}; what was there is unchanged") from fault


def _publish(staging: Path, folder: Path, files: list[str]) -> None:
    """Moves staged parts into the folder, then the manifest: the index is the old one up to that step."""
    _move(staging, folder, files)
    _move(staging, folder, [MANIFEST])


def _sweep(folder: Path, parts: Mapping[str, Part]) -> None:
    """Deletes the parts that the manifest does not name."""
    named = {part.file for part in parts.values()}
    for name in os.listdir(folder):
        if PART.fullmatch(name) and name not in named:
            with suppress(OSError):  # some systems keep open files from being deleted: the next save tries again
                (folder / name).unlink()


def check_target(folder: Path) -> None:
    """Returns if an index may be saved in `folder`.

    Raises:
        SemlensError: if it holds what is not ours to replace.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise SemlensError(f"{folder} is a file: save the index elsewhere")
    if (folder / MANIFEST).exists():
        with suppress(ValueError, RecursionError):
            if _read_json(folder / MANIFEST).get("format") == FORMAT:
                return
        raise SemlensError(f"{folder} holds a {MANIFEST} that is no index's: save elsewhere or delete it")
    foreign = sorted(name for name in os.listdir(folder) if not (PART.fullmatch(name) or name.startswith(STAGING)))
    if foreign:
        raise SemlensError(f"{folder} is not empty and not an index (it holds {foreign[0]!r}): save elsewhere")


def _stage(staging: Path, name: str, content: NewArrays | NewTable) -> Part:
    """The part, written and flushed, still in the staging folder."""
    path = staging / f"{name}.{content.suffix}"
    path.touch()
    mode = path.stat().st_mode  # what the user's umask grants; safetensors makes files that only their owner can read
    content.write(path)
    path.chmod(mode)
    _flush(path)
    digest = _sha256(path)
    path = path.rename(staging / f"{name}-{digest[:16]}.{content.suffix}")
    listed = {key: Tensor(array.dtype.name, array.shape) for key, array in content.arrays.items()}
    return Part(path.name, path.stat().st_size, digest, content.rows, listed)


def _stage_manifest(path: Path, head: Mapping[str, Any], parts: Mapping[str, Part]) -> None:
    tree = {**head, "format": FORMAT, "parts": {name: asdict(part) for name, part in parts.items()}}
    # a path that is no Unicode text gets "?" for what cannot be written, before the digest is taken
    tree = json.loads(json.dumps(tree, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))
    tree["sha256"] = hashlib.sha256(canonical(tree)).hexdigest()
    text = json.dumps(tree, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    _flush(path)


def _move(source: Path, folder: Path, files: list[str]) -> None:
    for file in files:
        os.replace(source / file, folder / file)
    if os.name == "posix":  # elsewhere a folder cannot be opened, and needs no flush
        _flush(folder)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path, kind: type[T], optional: Mapping[str, type]) -> tuple[T, dict[str, Any]]:
    """The manifest as a `kind`, a dataclass, once its version, digest and types are checked; and, decoded, those keys
    of `optional` that it has, each a dataclass of the type given."""
    tree = read_tree(folder)
    with blaming(folder / MANIFEST):
        strict = not decode(Version, tree["version"], "version", strict=False).newer
        present = {key: tree.pop(key) for key in optional if key in tree}
        records = {
            key: decode(optional[key], value, f"the manifest.{key}", strict=strict) for key, value in present.items()
        }
        manifest: T = decode(kind, tree, "the manifest", strict=strict)
        return manifest, records


def read_tree(folder: Path) -> dict[str, Any]:
    """The manifest as JSON, without its own digest, once that and its version are checked."""
    with blaming(folder):
        if not os.path.exists(folder / MANIFEST):
            raise _no_index(folder)
    path = inside(folder, MANIFEST)
    with blaming(path):
        tree = _read_json(path)
        if tree.get("format") != FORMAT:
            raise ValueError(f"it is not the manifest of a {FORMAT}")
        _refuse_version(folder, decode(Version, tree.get("version"), "version", strict=False))
        if tree.pop("sha256", None) != hashlib.sha256(canonical(tree)).hexdigest():
            raise ValueError("it was altered (its sha256 differs)")
        return tree


def _read_json(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return parse(file.read(JSON_LIMIT + 1))


def _refuse_version(folder: Path, version: Version) -> None:
    text = f"{folder} has index format {version.major}.{version.minor}"
    if version.major > MAJOR:
        raise SemlensError(f"{text}: it was made by a newer semlens (this one reads {MAJOR}); update semlens")
    if version.major < MAJOR:
        raise SemlensError(f"{text} and this semlens reads {MAJOR}: rebuild it with `semlens build`")


def _no_index(folder: Path) -> SemlensError:
    if os.path.exists(folder):
        return SemlensError(f"{folder} is not an index: it holds no {MANIFEST}; `semlens build` makes one")
    siblings = folder.parent.iterdir() if folder.parent.is_dir() else []
    return unknown("index", str(folder), sorted(str(path) for path in siblings if os.path.exists(path / MANIFEST)))


def inside(folder: Path, file: str) -> Path:
    """The regular file of that name.

    Raises:
        SemlensError: if there is none or a link leads out of the folder.
    """
    path = folder / file
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise SemlensError(f"{path} cannot be used: it is a link out of the index; put the file itself there")
    if not real.is_file():
        raise SemlensError(
            f"{path} cannot be used: it is missing or no regular file; copy the index again or rebuild it"
        )
    return path


def locate(folder: Path, name: str, part: Part) -> Path:
    """Where the part lies, once its file name, place and size are checked."""
    with blaming(folder / MANIFEST):
        match = PART.fullmatch(part.file)
        if not match or (match["name"], match["hash"]) != (name, part.sha256[:16]):
            raise ValueError(f"{part.file[:80]!r} is no file name for the part {name!r}")
    path = inside(folder, part.file)
    with blaming(path):
        size = path.stat().st_size
        if size != part.bytes:
            raise ValueError(f"it has {size} bytes instead of {part.bytes}")
    return path


def check_digest(path: Path, part: Part, *, remembered: bool = False) -> None:
    """Returns if the file is the one that was saved.

    Args:
        remembered: whether a file need not be hashed that was on this machine before and was not written to since.

    Raises:
        SemlensError: if not.
    """
    note = _note(path, part) if remembered else None
    if note is not None and note.exists():
        return
    with blaming(path):
        if _sha256(path) != part.sha256:
            raise ValueError("it was altered (its sha256 differs)")
    if note is not None and note == _note(path, part):  # nor was it written to meanwhile
        with suppress(OSError):  # a cache that cannot be written remembers nothing
            note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            note.touch()


def _note(path: Path, part: Part) -> Path:
    """The empty file in the user's cache that says: this file, as the system knows it now, has this digest."""
    with blaming(path):
        status = os.stat(path)
    known = [str(path.resolve()), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
    return user_cache_path("semlens") / "checked" / hashlib.sha256(repr([*known, part.sha256]).encode()).hexdigest()


def read_arrays(folder: Path, name: str, part: Part, *, quick: bool) -> Arrays:
    """The arrays of a part, memory-mapped, exactly those that the manifest lists; first hashed, unless it is large, has
    to be open quickly and was hashed before."""
    path = locate(folder, name, part)
    check_digest(path, part, remembered=quick and part.bytes > HASH_LIMIT)
    with blaming(path):
        arrays = tensors(np.asarray(np.memmap(path, np.uint8, mode="r")))
        if {key: Tensor(array.dtype.name, array.shape) for key, array in arrays.items()} != part.tensors:
            raise ValueError("its tensors are not those that the manifest lists")
        return arrays
