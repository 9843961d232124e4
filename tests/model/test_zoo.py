"""Tiny models of many families: every listed row is as wide as its module says, and `collect` gives what a plain hook
sees, one image at a time, whatever the size of the batch."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from semlens.collection import collect
from semlens.model.layers import LayerRow, list_layers
from semlens.model.loading import VisionModel
from tests.toy import random_images, to_tensor

IMAGES = random_images(3)
SIDE = 64


def large(image: Any) -> Tensor:
    return nn.functional.interpolate(to_tensor(image)[None], (SIDE, SIDE), mode="bilinear")[0]


def tiny(name: str, **sizes: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, num_classes=5, **sizes)


ZOO: dict[str, Callable[[], nn.Module]] = {
    "swin": tiny("swin_tiny_patch4_window7_224", img_size=SIDE, window_size=4, embed_dim=8, depths=(2, 2),
                 num_heads=(2, 2)),
    "torchvision swin": lambda: torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5),
    "convnext": tiny("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 12, 16, 20)),
    "cait": tiny("cait_xxs24_224", img_size=SIDE, depth=2, embed_dim=24, num_heads=2),
    "levit": tiny("levit_128s", img_size=SIDE, embed_dim=(16, 24), depth=(1, 1), num_heads=(2, 2), key_dim=8),
    "registers": tiny("vit_tiny_patch16_224", img_size=SIDE, depth=2, embed_dim=24, num_heads=2, reg_tokens=3),
    "resnet": lambda: torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5),
    "vgg": lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(1350, 5)),
}  # fmt: skip
SPECIAL = {"registers": 4}  # CaiT's class token joins in its last blocks, on sequences of their own
LENGTHS = {"cait": {17: 1}}


def width(module: nn.Module) -> int | None:
    """How wide a module is by its own account."""
    names = ("out_channels", "out_features", "num_features")
    return next((getattr(module, name) for name in names if hasattr(module, name) and not [*module.children()]), None)


def seen_alone(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What every call gives, by the name that `layers` gives it."""
    calls: Counter[str] = Counter()
    outputs: dict[str, Tensor] = {}

    def see(path: str, output: Any) -> None:
        outputs[f"{path}#{calls[path]}"] = (
            output[0] if isinstance(output, tuple) else output
        ).clone()  # may be overwritten
        calls[path] += 1

    handles = [
        module.register_forward_hook(lambda _m, _a, output, path=path: see(path, output))
        for path, module in net.named_modules()
    ]
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    return outputs


def means(y: Tensor, row: LayerRow, special: int) -> Tensor:
    """The mean over positions; of a sequence of features, of each feature's two signs over the patches."""
    count = row.components
    if row.kind == "tokens":
        y = y[:, special:].flatten(0, -2)
        return torch.cat([y.clamp(min=0), (-y).clamp(min=0)], 1).mean(0)
    axis = 1 if y.shape[1] == count else -1
    return y.movedim(axis, -1).reshape(-1, count).mean(0)


@pytest.mark.parametrize("family", ZOO)
def test_every_row_is_what_a_plain_hook_sees(family: str) -> None:
    torch.manual_seed(0)
    net = ZOO[family]().eval()
    pictures = [large(IMAGES.load(i))[None] for i in range(len(IMAGES))]
    rows = [row for row in list_layers(net, pictures[0]) if row.kind != "heads"]
    assert len(rows) >= 5
    alone = [seen_alone(net, x) for x in pictures]
    for batch_size in (2, 3):
        found = collect(
            VisionModel(net, large), IMAGES, [row.layer for row in rows], k=3, batch_size=batch_size, workers=0
        )
        for row, axis in zip(rows, found.layers, strict=True):
            assert row.layer == axis.layer
            call = row.layer if "#" in row.layer else f"{row.layer}#0"
            wide = width(net.get_submodule(call.partition("#")[0]))
            assert wide is None or row.components == wide * (2 if row.kind == "tokens" else 1)
            length = alone[0][call].shape[1]
            special = LENGTHS.get(family, {}).get(length, SPECIAL.get(family, 0) if length > 16 else 0)
            truth = torch.stack([means(outputs[call], row, special) for outputs in alone]).numpy()
            ids, activations = found.ids[axis.start : axis.stop], found.activations[axis.start : axis.stop]
            assert len(ids) == truth.shape[1]
            component, rank = np.nonzero((ids >= 0) & (ids < len(truth)))
            close: dict[str, Any] = {
                "rtol": 1e-4,
                "atol": 1e-5 * max(1, float(np.abs(truth).max())),
                "err_msg": row.layer,
            }
            np.testing.assert_allclose(activations[component, rank], truth[ids[component, rank], component], **close)
            np.testing.assert_allclose(activations[:, 0], truth.max(0), **close)
