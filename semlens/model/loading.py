"""The studied model: a PyTorch network, how it takes an image, and what it is called. `load_model` reads a spec."""

import hashlib
import runpy
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from PIL.Image import new as blank_image
from torch import Tensor, nn

from semlens.errors import SemlensError, missing_extra, unknown
from semlens.hub import ask_soon, hugging_face, quiet
from semlens.model import offline
from semlens.model.changes import change_for_good
from semlens.model.changes_file import load_changes
from semlens.model.checkpoint import read_checkpoint
from semlens.model.fetching import check_url, fetched_by_timm, making
from semlens.model.layers import LayerRow, list_layers
from semlens.model.spec import ModelSpec, read_model_spec
from semlens.model.weights import load_weights
from semlens.progress import watched
from semlens.testbed.clip import load_clip_net
from semlens.testbed.nets import load_classifier, preprocess
from semlens.testbed.world import CLASSES
from semlens.types import Float, class_text, several

Preprocess = Callable[[Image], Tensor]
HF_WEIGHTS = ("model.safetensors", "model-*.safetensors")


@dataclass(frozen=True, eq=False, repr=False)
class VisionModel:
    """A network with its preprocessing. It is used where it is: its device, precision and mode stay the user's.

    Args:
        net: any module that takes a batch of images.
        preprocess: from an RGB image to a float tensor "3 h w", the same size for every image.
        class_names: of the outputs, if it classifies.
        name: what reports call it.
    """

    net: nn.Module
    preprocess: Preprocess
    class_names: tuple[str, ...] = ()
    name: str = "model"

    def __post_init__(self) -> None:
        if isinstance(self.net, str) or not callable(self.preprocess):
            raise SemlensError("a VisionModel is made of a network and its preprocessing; load_model takes names")
        names = tuple(map(class_text, several(self.class_names)))  # a name may be several, as torchvision's ImageNet's
        object.__setattr__(self, "class_names", names)

    def __repr__(self) -> str:
        count = f", {len(self.class_names):,} classes" if self.class_names else ""
        return f"VisionModel({self.name}: {type(self.net).__name__}{count})"

    @property
    def device(self) -> torch.device:
        """Where the network's first parameter lies."""
        return next((p.device for p in self.net.parameters()), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the network's first floating-point parameter."""
        return next((p.dtype for p in self.net.parameters() if p.is_floating_point()), torch.float32)

    def fingerprint(self) -> str:
        """sha256 over every weight and buffer with its name, and over how the preprocessing is written down."""
        digest = hashlib.sha256(f"{type(self.net).__qualname__}\n{describe(self.preprocess)}\n".encode())
        for name, value in self.net.state_dict().items():
            _digest(digest, name, value)
        return digest.hexdigest()

    def example_input(self) -> Float[Tensor, "1 ..."]:
        """A grey image, preprocessed, on the network's device and in its precision."""
        x = self.preprocess(blank_image("RGB", (256, 256), (128, 128, 128)))
        return x[None].to(self.device, self.dtype)

    def layers(self) -> list[LayerRow]:
        """Every layer that can be analysed."""
        return list_layers(self.net, self.example_input())


def _digest(digest: Any, name: str, value: Any) -> None:
    """Feeds one entry of a state dict to a digest: a tensor, or what modules keep beside them (quantised weights, their
    own extra state)."""
    if isinstance(value, Tensor) and value.is_quantized:
        digest.update(f"{name} {value.qscheme()}\n".encode())
        _digest(digest, f"{name} quantised", value.int_repr())
        _digest(digest, f"{name} scaled", value.dequantize())
    elif isinstance(value, Tensor):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        raw = value.detach().cpu().contiguous()
        digest.update(raw.flatten().view(torch.uint8).numpy().data if raw.numel() else b"")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _digest(digest, f"{name}.{key}", item)
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _digest(digest, f"{name}.{number}", item)
    elif isinstance(value, BytesIO):
        digest.update(f"{name}\n".encode() + value.getvalue())
    else:
        digest.update(f"{name} {_words(value)}\n".encode())


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


def describe(preprocess: Preprocess) -> str:
    """A preprocessing in words that change when it does: its repr without addresses, or its qualified name."""
    if isinstance(preprocess, partial):
        return f"{describe(preprocess.func)}{preprocess.args}{sorted(preprocess.keywords.items())}"
    return _words(preprocess)


def _words(value: Any) -> str:
    """The repr of anything, or without one of its own its qualified name."""
    text = repr(value)
    return text if " at 0x" not in text else str(getattr(value, "__qualname__", type(value).__qualname__))


def load_model(spec: str, device: str | None = None) -> VisionModel:
    """The model that a spec names, in eval mode.

    Specs: `timm:NAME`, `torchvision:NAME`, `hf:REPO-or-folder`, `file:PATH.py:FACTORY`, `offline:efficientnet_lite0`,
    `testbed:shortcut`, `testbed:clean`, `testbed:transformer`, `corrected:FOLDER`, which `semlens correct` wrote. Of
    `open_clip:ARCH/TAG` and the like, written as foundation models are, and `testbed:clip` it is the image tower.
    After the first three, `@FILE` takes the weights from a local checkpoint, `timm:resnet18@weights.safetensors` (see
    `load_weights`), and `?` goes before it with what a fine-tuned model was made with, several with `&`:
    `timm:resnet18?num_classes=2@best.pt`, `torchvision:resnet50?classes=benign,malignant@best.pt`.

    Raises:
        SemlensError: an unknown family, name, option or file, weights that do not fit, or a hub that cannot be reached.
    """
    family, colon, name = spec.partition(":")
    loaders = {
        "timm": _timm,
        "torchvision": _torchvision,
        "hf": _hf,
        "open_clip": _open_clip,
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


def _loaded(named: ModelSpec, net: nn.Module, preprocess: Preprocess, class_names: tuple[str, ...]) -> VisionModel:
    """The model, once its weights are in it; the user's names of the classes go before the library's."""
    if named.file:
        load_weights(net, named.file)
    return VisionModel(net, preprocess, named.class_names or class_names)


def _timm(text: str) -> VisionModel:
    try:
        import timm  # an extra
    except ImportError:
        raise missing_extra("timm", "torch") from None
    named = read_model_spec("timm", text)
    if not timm.is_model(named.name) and not named.name.startswith("hf"):
        raise unknown("timm model", named.name, timm.list_models())
    with making(named), fetched_by_timm(named):
        net = timm.create_model(named.name, pretrained=not named.file, **named.options)
        transform = timm.data.create_transform(**timm.data.resolve_data_config(model=net))
    return _loaded(named, net, transform, offline.imagenet_class_names() if _outputs(net) == 1000 else ())


def _outputs(net: nn.Module) -> int:
    return int(getattr(net, "num_classes", 0) or 0)


def _torchvision(text: str) -> VisionModel:
    try:
        from torchvision import models  # an extra
    except ImportError:
        raise missing_extra("torchvision", "torch") from None
    named = read_model_spec("torchvision", text)
    name, _, tag = named.name.partition("/")
    if name not in models.list_models(module=models):
        raise unknown(
            "torchvision model",
            name,
            models.list_models(module=models),
            "Write torchvision:NAME or torchvision:NAME/WEIGHTS",
        )
    known = models.get_model_weights(name)
    if tag and tag not in known.__members__:
        raise unknown(f"weights of torchvision:{name}", tag, known.__members__)
    weights = known[tag] if tag else known.DEFAULT
    with making(named):
        if not named.file:
            check_url(named.spec, weights.url)
        net = models.get_model(name, weights=None if named.file else weights, progress=watched(), **named.options)
    names = tuple(weights.meta.get("categories", ()))
    kept = named.options.get("num_classes", len(names)) == len(names)
    return _loaded(named, net, weights.transforms(), names if kept else ())


@dataclass(frozen=True)
class _HfPreprocess:
    """A transformers image processor as a function of one image."""

    processor: Any

    def __call__(self, image: Image) -> Tensor:
        pixels: Tensor = self.processor(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    def __repr__(self) -> str:
        return str(self.processor.to_json_string())


def _hf(text: str) -> VisionModel:
    try:
        from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification  # an extra
    except ImportError:
        raise missing_extra("transformers", "transformers") from None
    named = ModelSpec("hf", text, {}, (), "") if Path(text).is_dir() else read_model_spec("hf", text)
    if Path(named.name, "adapter_config.json").is_file() and not named.file:
        read_checkpoint(Path(named.name))  # says what to do with a folder that holds an adapter only
    hub = quiet() if Path(named.name).is_dir() else hugging_face(named.name, () if named.file else HF_WEIGHTS)
    with making(named), hub:
        processor = AutoImageProcessor.from_pretrained(named.name)
        if named.file:
            options = dict(named.options)
            labels = {"num_labels": options.pop("num_classes")} if "num_classes" in options else {}
            config = AutoConfig.from_pretrained(named.name, **labels, **options)
            net = AutoModelForImageClassification.from_config(config)
        else:
            net = _pretrained(named)
    return _loaded(named, net, _HfPreprocess(processor), () if "num_classes" in named.options else _labels(net))


def _pretrained(named: ModelSpec) -> Any:
    """A model of transformers as its repository or folder has it: with its classifier, where that was trained."""
    from transformers import AutoModel, AutoModelForImageClassification

    for kind in (AutoModelForImageClassification, AutoModel):  # where there is no classifier, the bare network
        net, report = kind.from_pretrained(named.name, output_loading_info=True, **named.options)
        if not report["missing_keys"]:
            return net
    lacking = sorted(report["missing_keys"])[0]
    raise SemlensError(f"{named.spec} lacks weights for {lacking}; a partly random model is not analysed")


def _open_clip(name: str) -> VisionModel:
    try:
        from semlens.model.open_clip import open_clip_files
    except ImportError:
        raise missing_extra("open_clip", "clip") from None
    net, preprocess = open_clip_files(name).towers()
    return VisionModel(net.visual, preprocess)


def _labels(net: Any) -> tuple[str, ...]:
    """The names of a classifier's outputs."""
    labels = getattr(net.config, "id2label", {}) if "ImageClassification" in type(net).__name__ else {}
    return tuple(labels[i] for i in sorted(labels))


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
    if name.replace("-", "_") != "efficientnet_lite0":
        raise unknown("offline model", name, ["efficientnet_lite0"])
    return VisionModel(
        offline.load_efficientnet_lite(0), offline.preprocess_efficientnet_lite(0), offline.imagenet_class_names()
    )


def _corrected(folder: str) -> VisionModel:
    """The model that a correction was made for, corrected: with the weights of the folder, or changed for good."""
    saved = load_changes(folder)
    model = load_model(saved.model)
    if model.fingerprint() != saved.fingerprint:
        raise SemlensError(f"{saved.model} has other weights now than when the correction in {folder} was made")
    if saved.weights is not None:
        load_weights(model.net, saved.weights)
    else:
        change_for_good(model.net, saved.changes, model.example_input())
    return model


def _testbed(name: str) -> VisionModel:
    if name == "clip":
        return VisionModel(load_clip_net().image, preprocess())
    return VisionModel(load_classifier(name), preprocess(), CLASSES)
