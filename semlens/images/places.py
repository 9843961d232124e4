"""Where the files lie that a table names: as it writes them, or as people write them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from unicodedata import normalize

from semlens.images.folders import NAMED_SO, files_below


@dataclass(frozen=True)
class Places:
    """The paths of files from a folder, and how many were not written so."""

    paths: tuple[str, ...]  # by name; one that leads to no file stays as it is written
    found: int  # names that lead to a file
    guessed: Mapping[str, str]  # written, and where it was found: for names that do not lead to a file as they stand


def locate(names: Sequence[str], folder: Path) -> Places:
    """The files that `names` stand for: from the folder, its `images`, or, where that leads nowhere, below the folder.

    There, a name may lack its suffix, have backslashes, begin with the folder itself or be a path of another machine;
    it counts as found only if one file fits.
    """
    search = _Search(folder, frozenset(names))
    paths, guessed, found = [], {}, 0
    for name in names:
        path = search.as_written(name)
        if path is None and name and (path := search.as_meant(name)):
            guessed[name] = path
        found += path is not None
        paths.append(name if path is None else path)
    return Places(tuple(paths), found, guessed)


@dataclass(frozen=True)
class _Search:
    folder: Path
    names: frozenset[str]

    def as_written(self, name: str) -> str | None:
        """The path of a file, from the folder."""
        for path in (name, os.path.join("images", name)):
            if name and _is_file(self.folder / path):
                return path
        return None

    def as_meant(self, name: str) -> str | None:
        """The one file below the folder that a name can mean."""
        slashed = name.replace("\\", "/")
        inside = slashed.removeprefix(f"{self.folder.resolve().name}/")
        for path in dict.fromkeys((slashed, inside)):
            if path != name and (found := self.as_written(path)):
                return found
        parts = tuple(part for part in slashed.split("/") if part not in ("", ".", ".."))
        if not parts:
            return None
        by_name, by_stem = self._files
        key = _key(parts[-1])
        files = by_name.get(key) or ([] if key.endswith(NAMED_SO) else by_stem.get(key, []))
        elsewhere = len(parts) == 1 or PureWindowsPath(name).is_absolute() or name.startswith("/")
        agreed = {file: _common(file, parts) for file in files}
        best = [file for file, depth in agreed.items() if depth == max(agreed.values())]
        if len(best) != 1 or not (agreed[best[0]] or (elsewhere and self._last_parts[key] == 1)):
            return None  # several may be meant, or a file of the same name in another folder
        return best[0] if _is_file(self.folder / best[0]) else None

    @cached_property
    def _files(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """All images below the folder by name, and by name without suffix."""
        by_name: dict[str, list[str]] = {}
        by_stem: dict[str, list[str]] = {}
        for file in sorted(files_below(self.folder)):
            by_name.setdefault(_key(PurePosixPath(file).name), []).append(file)
            if file.lower().endswith(NAMED_SO):
                by_stem.setdefault(_key(PurePosixPath(file).stem), []).append(file)
        return by_name, by_stem

    @cached_property
    def _last_parts(self) -> dict[str, int]:
        """How many of the names end in the same part."""
        count: dict[str, int] = {}
        for name in self.names:
            key = _key(name.replace("\\", "/").rpartition("/")[2])
            count[key] = count.get(key, 0) + 1
        return count


def _key(name: str) -> str:
    """A name without letter case, its accents written one way: macOS takes "\u00e4" apart into two characters."""
    return normalize("NFC", name).casefold()


def _common(file: str, parts: Sequence[str]) -> int:
    """How many folders before the name agree."""
    ours = [_key(part) for part in file.split("/")[:-1]]
    theirs = [_key(part) for part in parts[:-1]]
    count = 0
    while count < min(len(ours), len(theirs)) and ours[-1 - count] == theirs[-1 - count]:
        count += 1
    return count


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds what no name can
        return False
