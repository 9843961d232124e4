"""From a spec to a model: `load_model` reads what a user writes."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from semlens.errors import SemlensError, unknown
from semlens.hub import ask_soon
from semlens.model import offline
from semlens.model.changes_file import apply_saved, load_changes
from semlens.model.libraries import from_open_clip, from_timm, from_torchvision, from_transformers
from semlens.model.vision_model import VisionModel
from semlens.testbed.clip import load_clip_net
from semlens.testbed.nets import load_classifier, preprocess
from semlens.testbed.world import CLASSES


def as_model(model: Any) -> VisionModel:
    """The model itself, or the one that a name stands for.

    Raises:
        SemlensError: it is neither.
    """
    if isinstance(model, VisionModel):
        return model
    if isinstance(model, str):
        return load_model(model)
    what = type(model).__name__
    raise SemlensError(f"a {what} is no model: give sl.VisionModel(net, preprocess), or a name as 'timm:resnet50'")


def load_model(spec: str, device: str | None = None) -> VisionModel:
    """The model that a spec names, in eval mode.

    Specs: `timm:NAME`, `torchvision:NAME`, `hf:REPO-or-folder`, `file:PATH.py:FACTORY`, `offline:efficientnet_lite0`,
    `offline:minilm`, `testbed:shortcut`, `testbed:clean`, `testbed:transformer`, `corrected:FOLDER`, which `semlens
    correct` wrote. Of `open_clip:ARCH/TAG` and the like, written as foundation models are, and `testbed:clip` it is the
    image tower. What `hf:` names may read texts: `hf:FOLDER?tokens=32`, of a decoder `hf:FOLDER?outputs= yes, no`.
    After the first three, `@FILE` takes the weights from a local checkpoint, `timm:resnet18@weights.safetensors` (see
    `load_weights`), and `?` goes before it with what a fine-tuned model was made with, several with `&`:
    `timm:resnet18?num_classes=2@best.pt`, `torchvision:resnet50?classes=benign,malignant@best.pt`.

    Raises:
        SemlensError: an unknown family, name, option or file, weights that do not fit, or a hub that cannot be reached.
    """
    family, colon, name = spec.partition(":")
    loaders = {
        "timm": from_timm,
        "torchvision": from_torchvision,
        "hf": from_transformers,
        "open_clip": from_open_clip,
        "file": _file,
        "offline": _offline,
        "testbed": _testbed,
        "corrected": _corrected,
    }
    if not colon or family not in loaders:
        raise unknown(
            "model",
            spec,
            [f"{known}:..." for known in loaders],
            "A model is written FAMILY:NAME, for example timm:resnet50",
        )
    if device is not None:
        check_device(device)
    ask_soon(spec)
    model = loaders[family](name)
    model.net.eval()
    if device is not None:
        model.net.to(device)
    return VisionModel(model.net, model.preprocess, model.class_names, spec)


def check_device(name: str) -> None:
    """Returns if models can run on a device, as torch writes it.

    Raises:
        SemlensError: torch does not know it, or cannot use it here.
    """
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as fault:
        reason = str(fault).partition("\n")[0]
        if "xpected one of" in reason or "nvalid device string" in reason:  # torch lists its seventeen kinds
            raise SemlensError(
                f"there is no device {name!r}: write cpu, cuda for a GPU of NVIDIA or AMD (cuda:1 for the second), or "
                "mps for one of Apple"
            ) from fault
        raise SemlensError(f"device {name!r} cannot be used here: {reason.partition('. ')[0]}") from fault


def users_function(name: str, kind: str) -> Callable[..., Any]:
    """The function in the user's own Python file that PATH.py:NAME means; the file is run: it is code and is trusted as
    such.

    Args:
        kind: what is asked for, as an error names it: "model file".

    Raises:
        SemlensError: there is no such file or function, or the file cannot be run.
    """
    path, colon, factory = name.rpartition(":")
    if not colon or not Path(path).is_file():
        raise unknown(
            kind,
            path or name,
            [str(p) for p in Path(path or ".").parent.glob("*.py")],
            "Write file:PATH.py:FACTORY",
        )
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        names = runpy.run_path(path)
    except SyntaxError as fault:
        raise SemlensError(f"{path} cannot be run: {fault}") from fault
    except SystemExit as fault:
        raise SemlensError(f'{path} ends the program as it is run: put that under if __name__ == "__main__"') from fault
    finally:
        sys.path.pop(0)
    if not callable(names.get(factory)):
        raise unknown(
            f"factory in {path}",
            factory,
            [n for n, value in names.items() if callable(value) and not n.startswith("_")],
        )
    function: Callable[..., Any] = names[factory]
    return function


def _file(name: str) -> VisionModel:
    """What the user's own factory gives."""
    model = users_function(name, "model file")()
    if not isinstance(model, VisionModel):
        raise SemlensError(
            f"{name}() gives a {type(model).__name__}; let it return semlens.VisionModel(net, preprocess)"
        )
    return model


def _offline(name: str) -> VisionModel:
    if name.partition("?")[0] == "minilm":
        offline.check_files(offline.minilm_folder(), offline.MINILM)
        return from_transformers(name.replace("minilm", str(offline.minilm_folder()), 1))
    if name.replace("-", "_") != "efficientnet_lite0":
        raise unknown("offline model", name, ["efficientnet_lite0", "minilm"])
    return VisionModel(
        offline.load_efficientnet_lite(0), offline.preprocess_efficientnet_lite(0), offline.imagenet_class_names()
    )


def _corrected(folder: str) -> VisionModel:
    """The model that a correction was made for, corrected: with the weights of the folder, or changed for good."""
    saved = load_changes(folder)
    model = load_model(saved.model)
    if model.fingerprint() != saved.fingerprint:
        raise SemlensError(f"{saved.model} has other weights now than when the correction in {folder} was made")
    apply_saved(saved, model.net, model.example_input())
    return model


def _testbed(name: str) -> VisionModel:
    if name == "clip":
        return VisionModel(load_clip_net().image, preprocess())
    return VisionModel(load_classifier(name), preprocess(), CLASSES)
