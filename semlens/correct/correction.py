"""A model and what is changed in it: on while a `with` lasts, or until undone; kept as a folder."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from semlens.correct.folding import folded
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import Changes, Head, SavedChanges, VisionModel, changed, layer_text, load_changes, save_changes

CHECKED = 64
"""Images on which weights with the changes in them must give what the changed model gives."""


@dataclass(eq=False)
class Correction:
    """Changes of a model, for as long as one wants: `with correction as model:`, or `apply` and `undo`.

    While it is on, the model has another fingerprint; when it is off, everything is as it was, to the last bit.
    Mutable: it is on or off.
    """

    model: VisionModel
    changes: Changes
    recipe: Mapping[str, Any] = field(default_factory=dict)  # how it was made, in what JSON can hold
    _on: ExitStack | None = field(default=None, init=False, repr=False)

    def __repr__(self) -> str:
        layers = ", ".join(f"{len(change.units)} of {layer_text(change.layer)}" for change in self.changes.layers)
        parts = [layers] * bool(layers) + ["a refitted last layer"] * (self.changes.head is not None)
        parts += [f"{len(self.changes.weights)} parameters trained on"] * bool(self.changes.weights)
        return f"Correction({self.model.name}: {', '.join(parts) or 'nothing'}; {'on' if self._on else 'off'})"

    def apply(self) -> VisionModel:
        """The model with its changes, until `undo`.

        Raises:
            SemlensError: it is on already, or another correction is; a layer that the model does not have.
        """
        if self._on is not None:
            raise SemlensError("the correction is on already")
        stack = ExitStack()
        stack.enter_context(changed(self.model.net, self.changes, self.model.example_input()))
        self._on = stack
        return self.model

    def undo(self) -> VisionModel:
        """The model as it was before."""
        stack, self._on = self._on, None
        if stack is not None:
            stack.close()
        return self.model

    def __enter__(self) -> VisionModel:
        return self.apply()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def with_head(self, head: Head | None) -> "Correction":
        """The same changes with another last layer."""
        return Correction(self.model, replace(self.changes, head=head), self.recipe)

    def save(self, folder: str | Path, images: ImageSet | None = None) -> bool:
        """Writes the correction to a folder, which `load_model("corrected:FOLDER")` and `load_correction` read; whether
        all of it is in a state dict of the model's own, `weights.safetensors` there.

        It is where the changed weights give the same logits, up to rounding, on images and on noise.

        Args:
            images: on which that is held against the changed model; noise alone proves less.

        Raises:
            SemlensError: the folder cannot be written, or the correction is on.
        """
        if self._on is not None:
            raise SemlensError("the correction is on: undo it, so that the weights before it are seen")
        weights = folded(self.model, self.changes, images, CHECKED)
        saved = SavedChanges(self.model.name, self.model.fingerprint(), self.changes, self.recipe, None)
        save_changes(saved, folder, weights)
        return weights is not None


def load_correction(folder: str | Path, model: VisionModel) -> Correction:
    """The correction in a folder, for the model that it was made for.

    Raises:
        SemlensError: there is none, or the model is another.
    """
    saved = load_changes(folder)
    if model.fingerprint() != saved.fingerprint:
        raise SemlensError(
            f"the correction in {folder} was made for {saved.model} with other weights than this model's"
        )
    return Correction(model, saved.changes, saved.recipe)
