"""The studied model: a PyTorch network, how it takes an image, and what it is called."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.layers import LayerRow, list_layers
from semlens.types import Int64, Shaped, class_text, several

Preprocess = Callable[[Any], Tensor]
"""From an item of a set, most often an RGB image, to a tensor of the same size for every item."""


@runtime_checkable
class OfItems(Protocol):
    """A preprocessing of other items than images."""

    @property
    def example(self) -> Any:
        """An item that shows what the model takes."""
        ...

    def __call__(self, item: Any) -> Tensor:
        """What the model takes of an item."""
        ...

    def place(self, item: Any, boxes: Int64[np.ndarray, "m 4"]) -> Int64[np.ndarray, "m 4"]:
        """Boxes on the model's input, as boxes of the item (see `ExampleSet`)."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class VisionModel:
    """A network with its preprocessing. It is used where it is: its device, precision and mode stay the user's.

    Args:
        net: any module that takes a batch of images; or of token numbers, see `text_model`.
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

    def given(self, x: Tensor, *, non_blocking: bool = False) -> Tensor:
        """Preprocessed items on the network's device, in its precision unless they are whole numbers, as tokens are."""
        dtype = self.dtype if x.is_floating_point() else x.dtype
        return x.to(self.device, dtype, non_blocking=non_blocking)

    def fingerprint(self) -> str:
        """sha256 over every weight and buffer with its name, and over how the preprocessing is written down."""
        digest = hashlib.sha256(f"{type(self.net).__qualname__}\n{describe(self.preprocess)}\n".encode())
        for name, value in self.net.state_dict().items():
            _digest(digest, name, value)
        return digest.hexdigest()

    def example_input(self) -> Shaped[Tensor, "1 ..."]:
        """A picture of patches and noise, or what the preprocessing has for an example, preprocessed, on the network's
        device."""
        own = self.preprocess.example if isinstance(self.preprocess, OfItems) else None
        return self.given(self.preprocess(own or example_picture())[None])

    def layers(self) -> list[LayerRow]:
        """Every layer that can be analysed."""
        return list_layers(self.net, self.example_input())


def example_picture(side: int = 256) -> Image.Image:
    """A square picture of soft patches of colour under fine noise, always the same. On a grey one all patches of a
    network are alike, and paths that depend on what is seen do not show."""
    draw = np.random.default_rng(0)
    patches = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    noisy = np.asarray(patches).astype(np.int16) + draw.integers(-24, 25, (side, side, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


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
