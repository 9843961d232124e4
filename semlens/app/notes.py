"""What people add to an index: tags, notes and labels of components, and audit specs. The one file that changes."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, final

from platformdirs import user_data_path

from semlens.errors import SemlensError
from semlens.index import MANIFEST

FILE = "annotations.sqlite"
TAGS = ("valid", "spurious", "unsure")
LONGEST = {"tag": 10, "note": 20_000, "label": 200}
"""Characters of what can be noted about a component, at most."""

_SCHEMA = {
    "changes": "CREATE TABLE changes (id INTEGER PRIMARY KEY, at TEXT NOT NULL, layer TEXT NOT NULL, "
    "unit INTEGER NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL) STRICT",
    "specs": "CREATE TABLE specs (name TEXT PRIMARY KEY NOT NULL, spec TEXT NOT NULL) STRICT",
}
_OURS = {("index", "sqlite_autoindex_specs_1", None)} | {("table", name, sql) for name, sql in _SCHEMA.items()}


@dataclass(frozen=True)
class Noted:
    """What people noted about a component."""

    layer: str
    unit: int
    tag: str | None
    note: str
    label: str


@final
class Notes:
    """The file, open. Every change is a row of a log, with its time, so that the last one can be taken back."""

    def __init__(self, path: Path, base: sqlite3.Connection) -> None:
        self.path, self._base, self._lock = path, base, Lock()

    def all(self) -> list[Noted]:
        """All components about which something is noted."""
        values: dict[tuple[str, int], dict[str, str]] = {}
        with self._lock:
            rows = self._base.execute("select layer, unit, kind, value from changes order by id").fetchall()
        for layer, unit, kind, value in rows:
            values.setdefault((layer, unit), {})[kind] = value
        noted = (
            Noted(layer, unit, kinds.get("tag") or None, kinds.get("note", ""), kinds.get("label", ""))
            for (layer, unit), kinds in values.items()
        )
        return [component for component in noted if component.tag or component.note or component.label]

    def change(self, layer: str, unit: int, kind: str, value: str) -> None:
        """Notes something about a component.

        Raises:
            SemlensError: an unknown kind or tag, a text that is too long, or a file that cannot be written.
        """
        if kind not in LONGEST or len(value) > LONGEST[kind]:
            raise SemlensError(f"a {kind} of {len(value):,} letters cannot be kept: tags, notes and labels can")
        if kind == "tag" and value and value not in TAGS:
            raise SemlensError(f"tag {value!r} is unknown; tags are {', '.join(TAGS)}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write("insert into changes values (null, ?, ?, ?, ?, ?)", (now, layer, unit, kind, value))

    def last(self) -> str | None:
        """What `undo` would take back, in words; None if there is nothing."""
        with self._lock:
            row = self._base.execute("select layer, unit, kind, value from changes order by id desc limit 1").fetchone()
        return f"{row[2]} {row[3][:40]!r} of {row[0]}:{row[1]}" if row else None

    def undo(self) -> None:
        """Takes the last change back."""
        self._write("delete from changes where id = (select max(id) from changes)", ())

    def last_audit(self) -> dict[str, Any] | None:
        """The audit that was made last: its `spec`, `output` and `verdict`; None if there is none."""
        with self._lock:
            row = self._base.execute("select spec from specs where name = ''").fetchone()
        with suppress(ValueError, RecursionError, TypeError):
            found = json.loads(row[0]) if row else None
            if isinstance(found, dict) and {"spec", "output", "verdict"} <= set(found):
                return found
        return None

    def keep_audit(self, spec: Mapping[str, Any], output: str, verdict: str) -> None:
        """Remembers an audit as the last one."""
        text = json.dumps({"spec": spec, "output": output, "verdict": verdict})
        self._write("insert or replace into specs values ('', ?)", (text,))

    def specs(self) -> dict[str, Any]:
        """The audit specs that were kept, by name."""
        with self._lock:
            rows = self._base.execute("select name, spec from specs where name <> '' order by name").fetchall()
        specs = {}
        for name, spec in rows:
            with suppress(ValueError, RecursionError):
                specs[name] = json.loads(spec)
        return specs

    def keep_spec(self, name: str, spec: Mapping[str, Any] | None) -> None:
        """Keeps a spec under a name, or forgets it.

        Raises:
            SemlensError: a name that is empty or too long, or a file that cannot be written.
        """
        if not 0 < len(name) <= 100:
            raise SemlensError("a spec is kept under a name of 1 to 100 letters")
        if spec is None:
            return self._write("delete from specs where name = ?", (name,))
        self._write("insert or replace into specs values (?, ?)", (name, json.dumps(spec)))

    def close(self) -> None:
        """Closes the file."""
        self._base.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        try:
            with self._lock, self._base:
                self._base.execute(statement, values)
        except sqlite3.Error as fault:
            raise SemlensError(f"cannot write {self.path}: {fault}") from fault


def open_notes(folder: Path, digest: str) -> Notes:
    """The notes that lie in an index's folder or, where that cannot be written, in the user's own data folder.

    Raises:
        SemlensError: a file there is not one of ours: an index that someone hands over is hostile input.
    """
    path = _place(folder, digest)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise SemlensError(f"{path} is no file of its own: move it away")
    for end in ("-journal", "-wal", "-shm"):
        beside = path.with_name(path.name + end)
        if os.path.lexists(beside) and not (end == "-journal" and _rolls_back_only(beside)):
            raise SemlensError(f"{beside} is nothing that semlens leaves behind: move it away")
    try:
        return Notes(path, _opened(path))
    except (sqlite3.Error, ValueError) as fault:
        raise SemlensError(f"{path} holds no notes of semlens ({fault}): move it away") from fault


def digest_of(folder: Path) -> str:
    """sha256 of an index's manifest, by which its notes are its own."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()


def tagged(folder: Path) -> list[Noted]:
    """The components of an index that people tagged.

    Raises:
        SemlensError: none is tagged, or as `open_notes`.
    """
    noted: list[Noted] = []
    digest = digest_of(folder)
    if _place(folder, digest).exists():
        with closing(open_notes(folder, digest)) as notes:
            noted = [one for one in notes.all() if one.tag]
    if not noted:
        raise SemlensError(
            f"no component of {folder} is tagged: tag some valid or spurious in the page (serve {folder})"
        )
    return noted


def _place(folder: Path, digest: str) -> Path:
    """Where the notes of an index lie, or would."""
    path = folder / FILE
    if os.access(path, os.W_OK) if path.exists() else os.access(folder, os.W_OK):
        return path
    return user_data_path("semlens", ensure_exists=True) / f"{digest[:16]}-{FILE}"


def _rolls_back_only(journal: Path) -> bool:
    """Whether a journal is one that a killed write leaves. One that ends with the name of another file, as SQLite
    writes it for changes to several databases, would make SQLite delete that file, wherever it lies."""
    if journal.is_symlink() or not journal.is_file():
        return False
    with journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - 8))
        return file.read() != bytes.fromhex("d9d505f920a163d7")


def _opened(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        base.execute("pragma trusted_schema = off")
        base.execute("pragma cell_size_check = on")
        base.text_factory = lambda text: text.decode("utf-8", "replace")
        with closing(base.execute("select type, name, sql from sqlite_master")) as rows:
            tables = rows.fetchall()
        if not tables:
            with base:
                for statement in _SCHEMA.values():
                    base.execute(statement)
        elif len(tables) != len(_OURS) or set(tables) != _OURS:  # a view or a trigger would run what someone else wrote
            raise ValueError("its tables are others")
        if base.execute("pragma quick_check").fetchone() != ("ok",):
            raise ValueError("it is damaged")
    except BaseException:
        base.close()
        raise
    return base
