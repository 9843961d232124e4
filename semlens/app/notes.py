"""What people add to an index: tags, notes and labels of components, and audit specs. The one file that changes."""

import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, final

from platformdirs import user_data_path

from semlens.errors import SemlensError

FILE = "annotations.sqlite"
TAGS = ("valid", "spurious", "unsure")
LONGEST = {"tag": 10, "note": 20_000, "label": 200}
"""Letters of what can be said of a component, at most."""

_CHANGE = "id INTEGER PRIMARY KEY, at TEXT, layer TEXT, unit INTEGER, kind TEXT, value TEXT"
_SCHEMA = {
    "changes": f"CREATE TABLE changes ({_CHANGE})",
    "specs": "CREATE TABLE specs (name TEXT PRIMARY KEY, spec TEXT)",
}


@dataclass(frozen=True)
class Noted:
    """What people say of a component."""

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
        """All components of which something is said."""
        found: dict[tuple[str, int], dict[str, str]] = {}
        with self._lock:
            rows = self._base.execute("select layer, unit, kind, value from changes order by id").fetchall()
        for layer, unit, kind, value in rows:
            found.setdefault((layer, unit), {})[kind] = value
        noted = (Noted(*at, of.get("tag") or None, of.get("note", ""), of.get("label", "")) for at, of in found.items())
        return [one for one in noted if one.tag or one.note or one.label]

    def change(self, layer: str, unit: int, kind: str, value: str) -> None:
        """Says something of a component. Raises SemlensError for what cannot be said."""
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

    def specs(self) -> dict[str, Any]:
        """The audit specs that were kept, by name."""
        with self._lock:
            rows = self._base.execute("select name, spec from specs order by name").fetchall()
        return {name: json.loads(spec) for name, spec in rows}

    def keep_spec(self, name: str, spec: Mapping[str, Any] | None) -> None:
        """Keeps a spec under a name, or forgets it."""
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

    Raises SemlensError for a file there that is not one of ours: an index that someone hands over is hostile input.
    """
    path = folder / FILE
    if not (os.access(path, os.W_OK) if path.exists() else os.access(folder, os.W_OK)):
        path = user_data_path("semlens", ensure_exists=True) / f"{digest[:16]}-{FILE}"
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise SemlensError(f"{path} is no file of its own: move it away")
    try:
        return Notes(path, _opened(path))
    except (sqlite3.Error, ValueError) as fault:
        raise SemlensError(f"{path} holds no notes of semlens ({fault}): move it away") from fault


def _opened(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, timeout=10, check_same_thread=False)
    try:
        base.execute("pragma trusted_schema = off")
        base.execute("pragma cell_size_check = on")
        with closing(base.execute("select name, sql from sqlite_master where name not like 'sqlite_%'")) as rows:
            found = dict(rows.fetchall())
        if not found:
            with base:
                for statement in _SCHEMA.values():
                    base.execute(statement)
        elif found != _SCHEMA:  # a view or a trigger would run what someone else wrote
            raise ValueError("its tables are others")
        if base.execute("pragma quick_check").fetchone() != ("ok",):
            raise ValueError("it is damaged")
    except BaseException:
        base.close()
        raise
    return base
