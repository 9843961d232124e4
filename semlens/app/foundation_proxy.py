"""An index's foundation model, which runs in a process of its own, and the labels that it gives to components."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL.Image import Image

from semlens.analysis import Labels, cached, label, load_vocabulary, probe
from semlens.app.jobs import LONG, Job
from semlens.app.request import Call, NotThere
from semlens.types import Float32, FoundationId, Progress, silent


@dataclass(frozen=True, eq=False)
class FoundationProxy:
    """The foundation model of the index that a call is about; the vectors of texts are cached on disk."""

    call: Call
    progress: Progress = silent

    @property
    def identity(self) -> FoundationId:
        """What the index remembers the model by."""
        return self.call.opened.index.recipe.foundation

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text; those embedded before without loading the model."""
        return cached(self.identity, self._embed_new, progress=self.progress)(texts)

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image."""
        return self._vectors("images", files=[b64encode(_png(image)).decode() for image in images])

    def _embed_new(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        return self._vectors("texts", texts=list(texts))

    def _vectors(self, do: str, **inputs: list[str]) -> Float32[np.ndarray, "n d"]:
        worker = self.call.session.foundation
        return worker.ask(do, self.progress, foundation=vars(self.identity), **inputs).arrays["vectors"]


def labels_of(call: Call) -> Labels:
    """The labels of an index.

    Raises:
        NotThere: none are stored, and there is no vocabulary to label from.
        Pending: they are being computed.
    """
    labels = labels_if_any(call)
    if labels is None:
        raise NotThere(
            "no labels are stored in this index: `semlens label INDEX --vocabulary FILE --save` stores them, "
            "`semlens serve INDEX --vocabulary FILE` shows them"
        )
    return labels


def labels_if_any(call: Call) -> Labels | None:
    """The labels of an index, None where none are stored and there is no vocabulary to label from.

    Raises:
        Pending: they are being computed.
    """
    opened, vocabulary = call.opened, call.session.vocabulary
    if opened.labels is not None or vocabulary is None:
        return opened.labels

    def run(progress: Progress) -> Labels:
        phrases = probe(FoundationProxy(call, progress), load_vocabulary(vocabulary))
        return label(opened.index, phrases, progress=progress)

    return call.session.jobs.get(("labels", opened.number), Job(opened.number, "labels", "labelling"), run, lane=LONG)


def _png(image: Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
