"""`OUT.partial`, where the work for an index lies until it is whole: who may write there, and what is taken up."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import reduce
from pathlib import Path

from semlens.collection import load_examples, load_relevance, merge_all, merge_relevance, save_examples, save_relevance
from semlens.errors import SemlensError
from semlens.index import check_target

LOCK = "lock"
_HERE: set[Path] = set()
"""Folders that this process itself has claimed: the system's locks tell processes apart, not threads."""


def partial_folder(out: str | Path) -> Path:
    """Where the work for the index `out` lies until it is whole."""
    path = Path(out)
    if not path.name:
        raise SemlensError(f"{str(out)!r} is no place for an index; name a folder")
    return path.with_name(f"{path.name}.partial")


def check_free(out: str | Path, resume: bool) -> None:
    """Returns if a build may begin: nothing foreign at `out`, a folder that can be written, nobody at work, and no work
    of before that is not to be resumed.

    Raises:
        SemlensError: if not.
    """
    with claimed(out, resume=resume):
        return


@contextmanager
def claimed(out: str | Path, *, resume: bool, part: str = "") -> Iterator[Path]:
    """The folder for the work, which is this process's alone as long as the `with` lasts, however it ends.

    Args:
        part: the name of a shard: parts of one index are collected side by side, but each by one process.

    Raises:
        SemlensError: as `check_free` does.
    """
    check_target(Path(out))
    partial = partial_folder(out)
    key = partial.absolute() / part
    left = [path for path in partial.iterdir() if not path.name.endswith(LOCK)] if partial.is_dir() else []
    if key in _HERE:
        raise _taken(out)
    try:
        partial.mkdir(parents=True, exist_ok=True)
        locks = [_Lock(partial / LOCK, shared=bool(part)), *([_Lock(partial / f"{part}.{LOCK}")] if part else [])]
    except OSError as fault:
        raise SemlensError(f"cannot write to {partial}: {fault.strerror or fault}; give another --out") from fault
    _HERE.add(key)
    try:
        if not all(lock.taken for lock in locks):
            raise _taken(f"{part} of {out}" if part and locks[0].taken else out)
        if left and not resume:
            raise SemlensError(
                f"{partial} holds unfinished work: go on with resume (--resume), or delete it to start anew"
            )
        yield partial
    finally:
        _HERE.discard(key)
        for lock in reversed(locks):
            lock.release()
        with suppress(OSError):
            partial.rmdir()  # which is refused where work lies in it


def _taken(what: str | Path) -> SemlensError:
    return SemlensError(f"another process is building {what} at this moment: wait for it, or give another --out")


class _Lock:
    """A file that one process has locked, or several shared; the system takes the lock back when a process ends."""

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self.taken = _try_lock(self._file, shared) and self._is_there()

    def _is_there(self) -> bool:
        """Whether the file is still that of the path: who held it before may have removed it since."""
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self._path))
        except OSError:
            return False

    def release(self) -> None:
        """Gives the lock back; the file goes if no one else has it."""
        if sys.platform == "win32":  # which takes the lock back with the file, and lets none go that anybody has open
            os.close(self._file)
            with suppress(OSError):
                self._path.unlink()
            return
        with suppress(OSError):
            if self.taken and _try_lock(self._file, shared=False):
                self._path.unlink()
        os.close(self._file)


def _try_lock(file: int, shared: bool) -> bool:
    """Whether the lock could be had, at once. A file system without locks has none to give, and takes everybody."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return shared  # there are no shared locks there
        return True
    import fcntl

    try:
        # not flock: its locks pass to workers, which outlive a process that is killed by seconds
        fcntl.lockf(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as fault:
        return fault.errno not in (errno.EACCES, errno.EAGAIN)  # else such a file system
    return True


def join_shards(partial: Path) -> Path:
    """The checkpoint to go on from, with the shards that lie beside it merged into it."""
    checkpoint = partial / "examples.safetensors"
    if states := _beside(checkpoint, "shard"):
        save_examples(merge_all(load_examples(path) for path in states), checkpoint)
    return checkpoint


def join_relevance(partial: Path) -> Path:
    """The same for relevance."""
    checkpoint = partial / "relevance.safetensors"
    if states := _beside(checkpoint, "relevance-shard"):
        save_relevance(reduce(merge_relevance, (load_relevance(path) for path in states)), checkpoint)
    return checkpoint


def _beside(checkpoint: Path, prefix: str) -> list[Path]:
    """The checkpoint, if there is one, and the shards beside it; none if there are no shards."""
    shards = sorted(checkpoint.parent.glob(f"{prefix}-*.safetensors"))
    return [*[checkpoint] * checkpoint.exists(), *shards] if shards else []
