"""From what a person types to probes for an index; the foundation model loads only if a text was never asked before."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semlens.errors import SemlensError
from semlens.probe import Probes, TextTower, cached, join, probe_images, probe_texts
from semlens.types import FoundationId, FoundationModel, Progress, silent
from semlens.vocabulary import load_vocabulary

if TYPE_CHECKING:
    from semlens.index import ConceptIndex
    from semlens.label import Labels
    from semlens.spec import Spec


def ask(
    foundation: FoundationId,
    texts: Sequence[str],
    files: Sequence[Path] = (),
    templates: Sequence[str] = ("{}",),
    null: str = "cosine",
    device: str | None = None,
    progress: Progress = silent,
) -> Probes:
    """A probe per text, and one for the images together, in the space of the foundation model that made an index.

    Raises SemlensError if there is nothing to ask, an image cannot be read, or the model here has other weights.
    """
    loaded = cache(lambda: load(foundation, device))  # at most once, and only when it is needed
    probes = []
    if texts:
        tower = cached(foundation, lambda asked: loaded().embed_texts(asked), progress=progress)
        probes.append(probe_texts(foundation, tower, texts, templates=templates, null=null))
    if files:
        from semlens.images import load_image  # brings torch, which a text that is cached does without

        name = ", ".join(file.name for file in files)
        probes.append(probe_images(loaded(), [load_image(file) for file in files], name))
    if not probes:
        raise SemlensError("nothing to search for: give a text or an image")
    return join(probes)


def ask_vocabulary(
    foundation: FoundationId, source: str, templates: Sequence[str] = ("{}",), device: str | None = None,
    progress: Progress = silent,
) -> Probes:  # fmt: skip
    """A probe per phrase of the vocabulary that a user named; see `load_vocabulary`."""

    return ask(foundation, load_vocabulary(source), templates=templates, device=device, progress=progress)


def labels_by(
    index: "ConceptIndex", source: str, templates: Sequence[str] = ("{}",), device: str | None = None,
    progress: Progress = silent, **how: Any,
) -> "Labels":  # fmt: skip
    """An index's labels by the vocabulary that a user named; `how` goes to `label`."""
    from semlens.label import label

    words = ask_vocabulary(index.recipe.foundation, source, templates, device, progress)
    return label(index, words, progress=progress, **how)


def ask_spec(foundation: FoundationId, spec: "Spec", folder: Path = Path(), device: str | None = None) -> Probes:
    """The probes of a spec's concepts, as `ask` makes them; image files are looked for in `folder`."""
    loaded = cache(lambda: load(foundation, device))
    tower = cached(foundation, lambda asked: loaded().embed_texts(asked))
    return _probes(foundation, tower, loaded, spec, folder)


def probe_spec(foundation: FoundationModel, spec: "Spec", folder: str | Path = ".") -> Probes:
    """The probes of a spec's concepts, one per phrase and one for the images of a concept together.

    Args:
        folder: where the spec's image files are looked for.

    Raises SemlensError for an image that cannot be read.
    """
    return _probes(foundation.identity, foundation.embed_texts, lambda: foundation, spec, Path(folder))


def _probes(
    identity: FoundationId, tower: TextTower, loaded: Callable[[], FoundationModel], spec: "Spec", folder: Path
) -> Probes:
    from semlens.spec import entries  # brings pydantic, which a search does without

    asked = entries(spec)
    texts = [entry.phrase for entry in asked if entry.phrase]
    by_text = probe_texts(identity, tower, texts, templates=spec.templates) if texts else None
    places = iter(range(len(texts)))
    found = []
    for entry in asked:
        if entry.phrase:
            assert by_text is not None
            found.append(by_text[next(places)])
        else:
            from semlens.images import load_image

            photos = [load_image(folder / name) for name in entry.images]
            found.append(probe_images(loaded(), photos, f"images of {entry.concept}"))
    return join(found)


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
