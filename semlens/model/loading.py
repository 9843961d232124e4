"""The studied model: a PyTorch network, how it takes an image, and what it is called. `load_model` reads a spec."""

import hashlib
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from semlens.model import offline
from semlens.model.layers import LayerRow, list_layers
from semlens.shapes import Float
from semlens.testbed.nets import load_classifier, preprocess
from semlens.testbed.world import CLASSES

Preprocess = Callable[[Image], Tensor]


@dataclass(frozen=True, eq=False)
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
    `testbed:shortcut`, `testbed:clean`, `testbed:transformer`.
    After the first two, `@FILE` loads the weights from a local safetensors or weights-only checkpoint:
    `timm:resnet18@weights.safetensors`.

    Raises SemlensError for an unknown family, name or file, and where a hub cannot be reached.
    """
    family, colon, name = spec.partition(":")
    loaders = {
        "timm": _timm,
        "torchvision": _torchvision,
        "hf": _hf,
        "file": _file,
        "offline": _offline,
        "testbed": _testbed,
    }
    if not colon or family not in loaders:
        raise unknown(
            "model",
            spec,
            [f"{known}:..." for known in loaders],
            "A model is written FAMILY:NAME, for example timm:resnet50",
        )
    model = loaders[family](name)
    model.net.eval()
    if device is not None:
        model.net.to(device)
    return VisionModel(model.net, model.preprocess, model.class_names, spec)


def load_weights(net: nn.Module, path: str | Path) -> None:
    """Puts a checkpoint's tensors into `net`; they must fit exactly.

    Only tensors are read: safetensors, or torch files with `weights_only=True`. A file that needs more is refused,
    never trusted.
    """
    path = Path(path)
    if not path.is_file():
        raise unknown("weights file", str(path), [str(p) for p in path.parent.glob("*")])
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file  # imports torch's half of safetensors only where it is used

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        nested: Any = state.get("state_dict", state)
        net.load_state_dict(nested)
    except Exception as error:  # the file decides what is raised; whatever it is, it is not loaded another way
        raise SemlensError(f"{path} cannot be loaded as plain weights of this model: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:300]


@contextmanager
def _from_hub(what: str) -> Iterator[None]:
    """Turns whatever a hub or a library raises into one sentence."""
    try:
        yield
    except SemlensError:
        raise
    except Exception as error:
        raise SemlensError(
            f"{what} cannot be loaded: {_first_line(error)}. Without a network, give local weights "
            "(timm:NAME@FILE, torchvision:NAME@FILE, hf:FOLDER) or use offline:efficientnet_lite0"
        ) from error


def _timm(name: str) -> VisionModel:
    try:
        import timm  # an extra
    except ImportError:
        raise missing_extra("timm", "torch") from None
    name, _, weights = name.partition("@")
    if not timm.is_model(name) and not name.startswith("hf"):
        raise unknown("timm model", name, timm.list_models())
    with _from_hub(f"timm:{name}"):
        net = timm.create_model(name, pretrained=not weights)
        transform = timm.data.create_transform(**timm.data.resolve_data_config(model=net))
    if weights:
        load_weights(net, weights)
    names = offline.imagenet_class_names() if getattr(net, "num_classes", 0) == 1000 else ()
    return VisionModel(net, transform, names)


def _torchvision(name: str) -> VisionModel:
    try:
        from torchvision import models  # an extra
    except ImportError:
        raise missing_extra("torchvision", "torch") from None
    name, _, file = name.partition("@")
    name, _, tag = name.partition("/")
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
    with _from_hub(f"torchvision:{name}"):
        net = models.get_model(name, weights=None if file else weights)
    if file:
        load_weights(net, file)
    return VisionModel(net, weights.transforms(), tuple(weights.meta.get("categories", ())))


@dataclass(frozen=True)
class _HfPreprocess:
    """A transformers image processor as a function of one image."""

    processor: Any

    def __call__(self, image: Image) -> Tensor:
        pixels: Tensor = self.processor(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    def __repr__(self) -> str:
        return str(self.processor.to_json_string())


def _hf(name: str) -> VisionModel:
    try:
        from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification  # an extra
    except ImportError:
        raise missing_extra("transformers", "transformers") from None
    with _from_hub(f"hf:{name}"):
        processor = AutoImageProcessor.from_pretrained(name)
        net, report = AutoModelForImageClassification.from_pretrained(name, output_loading_info=True)
        if report["missing_keys"]:  # no classifier in the checkpoint, so the bare network is what was trained
            net, report = AutoModel.from_pretrained(name, output_loading_info=True)
    if report["missing_keys"]:
        raise SemlensError(
            f"hf:{name} lacks weights for {sorted(report['missing_keys'])[0]}; a partly random model is not analysed"
        )
    labels = getattr(net.config, "id2label", {}) if "ImageClassification" in type(net).__name__ else {}
    return VisionModel(net, _HfPreprocess(processor), tuple(labels[i] for i in sorted(labels)))


def _file(name: str) -> VisionModel:
    """Runs the user's own Python file; it is code and is trusted as such."""
    path, colon, factory = name.rpartition(":")
    if not colon or not Path(path).is_file():
        raise unknown(
            "model file",
            path or name,
            [str(p) for p in Path(path or ".").parent.glob("*.py")],
            "Write file:PATH.py:FACTORY",
        )
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        names = runpy.run_path(path)
    finally:
        sys.path.pop(0)
    if not callable(names.get(factory)):
        raise unknown(
            f"factory in {path}",
            factory,
            [n for n, value in names.items() if callable(value) and not n.startswith("_")],
        )
    model = names[factory]()
    if not isinstance(model, VisionModel):
        raise SemlensError(
            f"{path}:{factory}() gives a {type(model).__name__}; let it return semlens.VisionModel(net, preprocess)"
        )
    return model


def _offline(name: str) -> VisionModel:
    if name != "efficientnet_lite0":
        raise unknown("offline model", name, ["efficientnet_lite0"])
    return VisionModel(
        offline.load_efficientnet_lite(0), offline.preprocess_efficientnet_lite(0), offline.imagenet_class_names()
    )


def _testbed(name: str) -> VisionModel:
    return VisionModel(load_classifier(name), preprocess(), CLASSES)
