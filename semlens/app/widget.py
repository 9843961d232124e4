"""The page in a notebook's cell: the same module, asked over the notebook's own connection."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from weakref import finalize

from semlens.app.request import Request
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

    Raises:
        SemlensError: anywidget is not installed, or an index, its images or its notes cannot be used.
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

    places = [TemporaryDirectory() if isinstance(index, ConceptIndex) else None for index in indexes]
    session = open_session(
        [_folder(index, place) for index, place in zip(indexes, places, strict=True)],
        images=_listed(images),
        model=_listed(model),
        vocabulary=vocabulary,
    )
    explorer = Explorer(height=height)
    explorer.on_msg(lambda widget, message, buffers: _answer(widget, session, message, buffers))
    finalize(explorer, _close, session, places)
    return explorer


def _folder(index: IndexLike, place: "TemporaryDirectory[str] | None") -> Path:
    if place is None:
        assert not isinstance(index, ConceptIndex)
        return Path(index)
    assert isinstance(index, ConceptIndex)
    folder = Path(place.name) / "index"
    index.save(folder)
    return folder


def _listed(values: str | Sequence[str]) -> Sequence[str]:
    return [values] if isinstance(values, str) else values


def _answer(widget: Any, session: Session, message: dict[str, Any], buffers: Sequence[bytes]) -> None:
    path, _, query = str(message["path"]).partition("?")
    body = bytes(buffers[0]) if buffers else b""
    reply = answer(session, Request(str(message["method"]), path, dict(parse_qsl(query)), body))
    widget.send({"id": message["id"], "status": reply.status}, buffers=[reply.body])


def _close(session: Session, places: "list[TemporaryDirectory[str] | None]") -> None:
    session.close()
    for place in places:
        if place is not None:
            place.cleanup()
