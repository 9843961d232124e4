"""Changes of a network as a folder: a manifest, tensors, the dictionaries they speak of, and, where everything could
be folded into the network's weights, these."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from semlens.errors import SemlensError, unwritten
from semlens.model.changes import Change, Changes, Condition, Head, change_for_good
from semlens.model.checkpoint import first_line, read_checkpoint, write_tensors
from semlens.model.dictionary import Dictionary
from semlens.model.dictionary_file import load_dictionary, save_dictionary
from semlens.model.latents import layer_text
from semlens.model.weights import load_weights
from semlens.types import Shaped

MANIFEST, TENSORS, WEIGHTS = "correction.json", "tensors.safetensors", "weights.safetensors"
TRAINED = "trained."
"""Before the name of a parameter with new values."""
FORMAT, VERSION = "semlens-correction", "1.0"


@dataclass(frozen=True, eq=False)
class SavedChanges:
    """What such a folder holds."""

    model: str  # the spec of the network before
    fingerprint: str  # of it
    changes: Changes
    recipe: Mapping[str, Any]  # how they were found, in what JSON can hold
    weights: Path | None  # the changed network's own weights, where all is in them


def save_changes(saved: SavedChanges, folder: str | Path, weights: Mapping[str, Tensor] | None) -> None:
    """Writes a folder; the manifest last, so that a folder with one is whole.

    Args:
        weights: the state dict that has all changes in it, if there is one.

    Raises:
        SemlensError: it cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        tensors: dict[str, Tensor] = {}
        layers = [_layer(change, n, folder, tensors) for n, change in enumerate(saved.changes.layers)]
        head = saved.changes.head
        if head is not None:
            tensors |= {"head.weight": head.weight, "head.bias": head.bias}
        tensors |= {f"{TRAINED}{name}": value for name, value in saved.changes.weights.items()}
        write_tensors(folder / TENSORS, tensors)
        (folder / WEIGHTS).unlink(missing_ok=True)
        if weights is not None:
            write_tensors(folder / WEIGHTS, weights)
        manifest = {
            "format": FORMAT, "version": VERSION, "model": saved.model, "fingerprint": saved.fingerprint,
            "digest": saved.changes.digest(), "layers": layers, "head": None if head is None else head.path,
            "folded": weights is not None, "recipe": saved.recipe,
        }  # fmt: skip
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as fault:
        raise unwritten(folder, fault) from fault


def _layer(change: Change, number: int, folder: Path, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """What the manifest says of a change; its tensors join the others."""
    tensors[f"{number}.targets"] = change.targets
    if change.condition is not None:
        tensors |= {f"{number}.weights": change.condition.weights, f"{number}.intercept": change.condition.intercept}
    file = None
    if isinstance(change.layer, Dictionary):
        file = f"dictionary-{number}.safetensors"
        save_dictionary(change.layer, folder / file)
    layer = change.layer.layer if isinstance(change.layer, Dictionary) else layer_text(change.layer)
    return {"layer": layer, "dictionary": file, "units": list(change.units), "pool": change.pool,
            "conditional": change.condition is not None}  # fmt: skip


def load_changes(folder: str | Path) -> SavedChanges:
    """What `save_changes` wrote.

    Raises:
        SemlensError: there is no such folder, or it is not whole.
    """
    folder = Path(folder)
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if said.get("format") != FORMAT or said["version"].split(".")[0] != VERSION.split(".")[0]:
            raise SemlensError(f"{folder} holds no correction that this semlens reads")
        tensors = read_checkpoint(folder / TENSORS)
        layers = tuple(_change(one, n, folder, tensors) for n, one in enumerate(said["layers"]))
        head = Head(said["head"], tensors["head.weight"], tensors["head.bias"]) if said["head"] else None
        trained = {name.removeprefix(TRAINED): value for name, value in tensors.items() if name.startswith(TRAINED)}
        saved = SavedChanges(
            str(said["model"]), str(said["fingerprint"]), Changes(layers, head, trained), said["recipe"],
            folder / WEIGHTS if said["folded"] else None,
        )  # fmt: skip
    except OSError as fault:
        raise SemlensError(
            f"{folder} holds no correction: `semlens correct MODEL ... -o {folder}` writes one"
        ) from fault
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise SemlensError(f"the correction in {folder} is damaged ({first_line(fault)}): make it again") from fault
    if saved.changes.digest() != said["digest"]:
        raise SemlensError(f"the correction in {folder} is not as it was written: its digest is another; make it again")
    return saved


def _change(said: Mapping[str, Any], number: int, folder: Path, tensors: Mapping[str, Tensor]) -> Change:
    condition = None
    if said["conditional"]:
        condition = Condition(tensors[f"{number}.weights"], tensors[f"{number}.intercept"])
    layer: Any = said["layer"]
    if said["dictionary"]:  # by what it is, wherever the folder was moved
        layer = replace(load_dictionary(folder / said["dictionary"]), name="")
    return Change(layer, tuple(said["units"]), tensors[f"{number}.targets"], said["pool"], condition)


def apply_saved(saved: SavedChanges, net: nn.Module, x: Shaped[Tensor, "n ..."]) -> None:
    """Changes a network for good: by the weights of the folder, where it has them, else by the changes.

    Args:
        x: an image that the network takes.
    """
    if saved.weights is not None:
        load_weights(net, saved.weights)
    else:
        change_for_good(net, saved.changes, x)
