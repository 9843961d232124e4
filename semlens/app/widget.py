"""The page in a notebook's cell: the same module, asked over the notebook's own connection."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from weakref import finalize

from semlens.app.asked import Request
from semlens.app.routes import answer
from semlens.app.session import Session, open_session
from semlens.errors import missing_extra
from semlens.index import ConceptIndex

if TYPE_CHECKING:
    import anywidget

IndexLike = ConceptIndex | str | os.PathLike[str]


def explore(
    *indexes: IndexLike,
    images: str | Sequence[str] = (),
    model: str | Sequence[str] = (),
    vocabulary: str | None = None,
    height: int = 720,
) -> "anywidget.AnyWidget":
    """The page over one index or two, for a notebook to show.

    Args:
        indexes: folders or loaded indexes; what is noted in the page is kept beside a folder only.
        images: where the images are, to show them whole; of two indexes one each, or one for both.
        model: likewise the studied model, for heat maps and edges.
        vocabulary: what to label components from where no labels are stored.
        height: of the cell, in pixels.

    Raises SemlensError where anywidget is not installed, or as `semlens serve` does.
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise missing_extra("anywidget", "notebook") from None
    from semlens.app.server import page_folder  # brings starlette, as the extra does

    class Explorer(anywidget.AnyWidget):  # type: ignore[misc]
        _esm = page_folder() / "widget.js"
        _css = page_folder() / "widget.css"
        height = traitlets.Int().tag(sync=True)

    kept = [TemporaryDirectory() if isinstance(index, ConceptIndex) else None for index in indexes]
    session = open_session(
        [_folder(index, place) for index, place in zip(indexes, kept, strict=True)],
        images=_listed(images),
        model=_listed(model),
        vocabulary=vocabulary,
    )
    shown = Explorer(height=height)
    shown.on_msg(lambda widget, asked, buffers: _answer(widget, session, asked, buffers))
    finalize(shown, _close, session, kept)
    return shown


def _folder(index: IndexLike, place: "TemporaryDirectory[str] | None") -> Path:
    if place is None:
        assert not isinstance(index, ConceptIndex)
        return Path(index)
    assert isinstance(index, ConceptIndex)
    folder = Path(place.name) / "index"
    index.save(folder)
    return folder


def _listed(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _answer(widget: Any, session: Session, asked: dict[str, Any], buffers: Sequence[bytes]) -> None:
    path, _, query = str(asked["path"]).partition("?")
    body = bytes(buffers[0]) if buffers else b""
    found = answer(session, Request(str(asked["method"]), path, dict(parse_qsl(query)), body))
    widget.send({"id": asked["id"], "status": found.status}, buffers=[found.body])


def _close(session: Session, kept: "list[TemporaryDirectory[str] | None]") -> None:
    session.close()
    for place in kept:
        if place is not None:
            place.cleanup()
