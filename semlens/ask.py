"""From what a person types to probes for an index; the foundation model loads only if a text was never asked before."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from semlens.errors import SemlensError
from semlens.probe import Probes, cached, join, probe_images, probe_texts
from semlens.types import FoundationId, FoundationModel


def ask(
    foundation: FoundationId,
    texts: Sequence[str],
    files: Sequence[Path] = (),
    templates: Sequence[str] = ("{}",),
    null: str = "cosine",
    device: str | None = None,
) -> Probes:
    """A probe per text, and one for the images together, in the space of the foundation model that made an index.

    Raises SemlensError if there is nothing to ask, an image cannot be read, or the model here has other weights.
    """
    loaded = cache(lambda: load(foundation, device))  # at most once, and only when it is needed
    probes = []
    if texts:
        tower = cached(foundation, lambda asked: loaded().embed_texts(asked))
        probes.append(probe_texts(foundation, tower, texts, templates=templates, null=null))
    if files:
        from semlens.images import load_image  # brings torch, which a text that is cached does without

        name = ", ".join(file.name for file in files)
        probes.append(probe_images(loaded(), [load_image(file) for file in files], name))
    if not probes:
        raise SemlensError("nothing to search for: give a text or an image")
    return join(probes)


def load(identity: FoundationId, device: str | None = None) -> FoundationModel:
    """The foundation model that made an index, with the very weights. Raises SemlensError if they are others."""
    from semlens.foundation import load_foundation  # brings torch

    loaded = load_foundation(identity.name, device)
    if loaded.identity.digest != identity.digest:
        raise SemlensError(
            f"{identity.name} here has other weights than the index was made with; use those weights, "
            "or build the index anew"
        )
    return loaded
