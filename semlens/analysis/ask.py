"""From what a person types to probes for an index; the foundation model loads only if a text was never asked before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from semlens.analysis.probe import Probes, cached, concat_probes, probe, probe_images
from semlens.analysis.vocabulary import load_vocabulary
from semlens.errors import SemlensError
from semlens.numerics import unit
from semlens.types import Float32, FoundationId, FoundationModel, Image, Progress, several, silent

if TYPE_CHECKING:
    from semlens.analysis.audit import Spec, SpecProbes
    from semlens.analysis.labels import Labels
    from semlens.index import ConceptIndex


@dataclass(frozen=True)
class _Remembered:
    """The foundation model that made an index, which loads once, and only for what was never asked before."""

    identity: FoundationId
    device: str | None
    progress: Progress = silent

    @cached_property
    def loaded(self) -> FoundationModel:
        """The model itself."""
        return load(self.identity, self.device)

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image."""
        return self.loaded.embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text."""
        return cached(self.identity, lambda new: self.loaded.embed_texts(new), progress=self.progress)(texts)


def ask(
    foundation: FoundationId,
    texts: Sequence[str],
    files: Sequence[Path] = (),
    templates: Sequence[str] = ("{}",),
    null: str = "cosine",
    device: str | None = None,
    progress: Progress = silent,
    choices: Mapping[str, Any] = MappingProxyType({}),
) -> Probes:
    """A probe per text, and one for the images together, in the space of the foundation model that made an index.

    Args:
        choices: how images are read; see `load_image`.

    Raises:
        SemlensError: nothing to ask, an image that cannot be read, or a model here that has other weights.
    """
    remembered, probes = _Remembered(foundation, device, progress), []
    if texts:
        probes.append(probe(remembered, texts, templates=templates, null=null))
    if files:
        probes.append(_probe_files(remembered, files, ", ".join(file.name for file in files), choices))
    if not probes:
        raise SemlensError("nothing to search for: give a text or an image")
    return concat_probes(probes)


def as_probes(foundation: FoundationId, given: "Probes | str | Sequence[str]") -> Probes:
    """Probes as they are, or of one or several texts, in the space of the foundation model that made an index.

    Raises:
        SemlensError: it is neither.
    """
    if isinstance(given, Probes):
        return given
    texts = several(given) if isinstance(given, str | Sequence) else ()
    if not texts or not all(isinstance(text, str) for text in texts):
        raise SemlensError(
            f"a {type(given).__name__} is nothing to ask for: give texts, or probes of probe or probe_images"
        )
    return ask(foundation, texts)


def as_vocabulary(foundation: FoundationId, given: "Probes | str | Sequence[str]") -> Probes:
    """The same of a vocabulary: probes as they are, or the phrases that `load_vocabulary` makes of what is given."""
    return given if isinstance(given, Probes) else as_probes(foundation, load_vocabulary(given))


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
    from semlens.analysis.labels import label

    words = ask_vocabulary(index.recipe.foundation, source, templates, device, progress)
    return label(index, words, progress=progress, **how)


def ask_spec(
    foundation: FoundationId, spec: "Spec", folder: Path = Path(), device: str | None = None,
    index: "ConceptIndex | None" = None,
) -> "SpecProbes":  # fmt: skip
    """The probes of a spec, as `probe_spec` makes them; its files are looked for in `folder`."""
    return probe_spec(_Remembered(foundation, device), spec, folder, index)


def probe_spec(
    foundation: FoundationModel, spec: "Spec", folder: str | Path = ".", index: "ConceptIndex | None" = None
) -> "SpecProbes":
    """The probes of a spec's concepts, one per phrase and one for the images of a concept together; with them what
    tells whether the foundation model knows their words and sees them.

    Args:
        folder: where the spec's files are looked for.
        index: the one to be audited: the spec's images are read as its images were, on the same background.

    Raises:
        SemlensError: an image, or the table of marks, that cannot be read.
    """
    from semlens.analysis.audit import UNRELATED, Shown, SpecProbes, entries, named_concepts, read_marks

    texts = [entry.phrase for entry in entries(spec) if entry.phrase]
    by_text = iter(probe(foundation, texts, templates=spec.templates) if texts else ())
    probes, folder, choices = [], Path(folder), choices_of(index)
    for entry in entries(spec):
        files = [folder / name for name in entry.images]
        named = f"images of {entry.concept}"
        probes.append(next(by_text) if entry.phrase else _probe_files(foundation, files, named, choices))
    joined = concat_probes(probes)
    shown = {
        concept.name: Shown(
            *(_embedded(foundation, folder, files, choices) for files in (concept.images, concept.without))
        )
        for concept in named_concepts(spec)
        if concept.images
    }
    try:
        unrelated = probe(foundation, UNRELATED, templates=spec.templates)
    except SemlensError:  # the concepts are cached, but the foundation model is not here: what it sees is not asked
        unrelated = None
    return SpecProbes(
        joined.names, joined.vectors, joined.nulls, joined.foundation,
        unrelated=unrelated,
        unknown=joined.unknown,
        shown=shown,
        marks=read_marks(folder / spec.marks, spec) if spec.marks else {},
    )  # fmt: skip


def choices_of(index: "ConceptIndex | None") -> dict[str, Any]:
    """How the images of an index were read, so that others are read alike."""
    if index is None or "?" not in index.recipe.images.source:
        return {}
    from semlens.images import pixels_of  # decoding, which texts do without

    return pixels_of(index.recipe.images.source)


def _embedded(
    foundation: FoundationModel, folder: Path, files: Sequence[str], choices: Mapping[str, Any]
) -> Float32[np.ndarray, "n d"]:
    """A unit vector per image file."""
    from semlens.images import load_image  # decoding, which texts do without

    if not files:
        return np.empty((0, foundation.identity.dimension), np.float32)
    return unit(foundation.embed_images([load_image(folder / name, **choices) for name in files]))


def _probe_files(
    foundation: FoundationModel, files: Sequence[Path], name: str, choices: Mapping[str, Any] = MappingProxyType({})
) -> Probes:
    """One probe from image files."""
    from semlens.images import load_image  # decoding, which texts do without

    return probe_images(foundation, [load_image(file, **choices) for file in files], name)


def load(identity: FoundationId, device: str | None = None) -> FoundationModel:
    """The foundation model that made an index, with the very weights.

    Raises:
        SemlensError: the weights here are others.
    """
    from semlens.foundation import load_foundation  # brings torch

    loaded = load_foundation(identity.name, device)
    if loaded.identity.digest != identity.digest:
        raise SemlensError(
            f"{identity.name} here has other weights than the index was made with; use those weights, "
            "or build the index anew"
        )
    return loaded
