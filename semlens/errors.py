"""What a user did wrong, said once: what was asked, what exists, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class SemlensError(ValueError):
    """A user's mistake, explained in one sentence; the command line prints it and exits 2."""


def unknown(what: str, asked: str, known: Iterable[str], hint: str = "") -> SemlensError:
    """An error that names the nearest three of what exists, e.g. `unknown("layer", "layer5", names)`."""
    names = list(known)
    near = get_close_matches(asked, names, n=3, cutoff=0.3) or names[:3]
    nearest = f"; nearest: {', '.join(near)}" if near else ""
    return SemlensError(f"unknown {what} {asked!r}{nearest}{'. ' + hint if hint else ''}")


def missing_extra(package: str, extra: str) -> SemlensError:
    """An error that says which extra brings `package`."""
    return SemlensError(f"{package} is not installed: pip install 'semlens[{extra}]'")
