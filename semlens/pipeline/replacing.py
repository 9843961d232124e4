"""An index in place of another: nothing is replaced unasked, and notes never stand on another model's components."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from semlens.errors import SemlensError
from semlens.index import MANIFEST, ConceptIndex, Recipe, load_index
from semlens.model import DICTIONARY, Layer, VisionModel, as_layers, dictionaries_of, layer_text
from semlens.types import ExampleSet

NOTES = "annotations.sqlite"
"""What people noted about the components of an index, beside it."""


class ReplacedWarning(UserWarning):
    """An index was replaced by another one, and what people noted in it lies elsewhere."""


def check_replaced(
    out: str | Path,
    allowed: bool,
    model: VisionModel,
    images: ExampleSet,
    layers: Layer | Sequence[Layer],
    foundation: str,
    k: int,
    pool: str,
    crop: str,
    precision: str,
) -> None:
    """Returns if no index lies at `out` that is of another model, other images or layers, or has other settings.

    Args:
        allowed: whether such an index may be replaced.
        foundation: its name.

    Raises:
        SemlensError: it may not.
    """
    if allowed or not (Path(out) / MANIFEST).exists():
        return
    asked = as_layers(layers)
    wanted = {
        "model": model.fingerprint(), "images": images.fingerprint, "layers": tuple(map(layer_text, asked)),
        "dictionaries": dictionaries_of(asked), "foundation": foundation, "k": k, "pool": pool,
        "crop": crop, "precision": precision,
    }  # fmt: skip
    there = load_index(out)
    other = _settings(there)
    differs = [name for name in other if other[name] != wanted[name]]
    if differs:
        raise SemlensError(
            f"{out} holds an index already, of {there.recipe.model.name} over {there.recipe.images.source}, which "
            f"differs in {', '.join(differs)}: give another folder, or say that it may be replaced (--replace)"
        )


def save_replacing(index: ConceptIndex, out: str | Path) -> None:
    """Saves an index in place of what lies there; notes of another index are moved aside, and it is said where to."""
    _set_notes_aside(Path(out), index)
    index.save(out)


def _set_notes_aside(out: Path, index: ConceptIndex) -> None:
    """Moves the notes of an index that is about to be replaced by another one, and says where to."""
    if not (out / NOTES).exists() or not (out / MANIFEST).exists():
        return
    there = load_index(out)
    if (_same(there), there.layers) == (_same(index), index.layers):
        return
    number = 1
    while (kept := out.with_name(f"{out.name}.annotations-{number}.sqlite")).exists():
        number += 1
    (out / NOTES).rename(kept)
    warnings.warn(f"the notes of the index that was replaced are kept as {kept}", ReplacedWarning, stacklevel=4)


def _settings(index: ConceptIndex) -> dict[str, Any]:
    recipe = index.recipe
    return {
        "model": recipe.model.fingerprint,
        "images": recipe.images.fingerprint,
        "layers": tuple(axis.layer for axis in index.layers),
        "dictionaries": tuple(axis.kind for axis in index.layers if axis.kind.startswith(DICTIONARY)),
        "k": recipe.k,
        "pool": recipe.pool,
        "crop": recipe.crop.kind,
        "precision": recipe.precision,
        "foundation": recipe.foundation.name,
    }


def _same(index: ConceptIndex) -> Recipe:
    """The recipe without the versions of software, which make no other index."""
    return replace(index.recipe, software={}, decoder="")
