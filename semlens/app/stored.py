"""The labels of an index as the app shows them, and the foundation model that answers what was never asked."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL.Image import Image

from semlens.analysis.labels import Labels, label
from semlens.analysis.probe import cached, probe
from semlens.analysis.vocabulary import load_vocabulary
from semlens.app.answer import Job, NotThere
from semlens.app.session import Opened, Session
from semlens.shapes import Float32
from semlens.types import FoundationId, Progress, silent


def labels_of(session: Session, opened: Opened) -> Labels:
    """The labels. Raises NotThere where there are none, and Pending while they are computed."""
    found = labels_if_any(session, opened)
    if found is None:
        raise NotThere(
            "no labels are stored in this index: `semlens label INDEX --vocabulary FILE --save` stores them, "
            "`semlens serve INDEX --vocabulary FILE` shows them"
        )
    return found


def labels_if_any(session: Session, opened: Opened) -> Labels | None:
    """The labels, None where there are none. Raises Pending while they are computed."""
    if opened.labels is not None or session.vocabulary is None:
        return opened.labels
    source = session.vocabulary

    def run(progress: Progress) -> Labels:
        words = probe(tower_of(session, opened, progress), load_vocabulary(source))
        return label(opened.index, words, progress=progress)

    return session.jobs.get(("labels", opened.number), Job(opened.number, "labels", "labelling"), run)


@dataclass(frozen=True, eq=False)
class Tower:
    """The foundation model of an index, in a process of its own; what it said of texts is kept on disk."""

    session: Session
    identity: FoundationId
    progress: Progress = silent

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text; those asked before without loading the model."""
        return cached(self.identity, self._embed_new, progress=self.progress)(texts)

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image."""
        files = [b64encode(_png(image)).decode() for image in images]
        return self.session.towers.ask("images", self.progress, foundation=vars(self.identity), files=files).arrays[
            "vectors"
        ]

    def _embed_new(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        asked = {"foundation": vars(self.identity), "texts": list(texts)}
        return self.session.towers.ask("texts", self.progress, **asked).arrays["vectors"]


def tower_of(session: Session, opened: Opened, progress: Progress = silent) -> Tower:
    """The foundation model of an index."""
    return Tower(session, opened.index.recipe.foundation, progress)


def _png(image: Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
