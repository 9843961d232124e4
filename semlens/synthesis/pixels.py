"""From the pixels of an RGB image to a model's input, with a gradient: what its preprocessing does to colours."""

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from semlens.errors import SemlensError
from semlens.model import VisionModel
from semlens.types import Float

_SIDE = 512
_TRIED = (51, 153, 204)
_TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class Pixels:
    """An affine map of colours, and the size of the input."""

    matrix: Float[Tensor, "c 3"]
    offset: Float[Tensor, "c"]
    size: tuple[int, int]

    def __call__(self, pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h w"]:
        """The model's input for RGB pictures from 0 to 1 that have its size."""
        return torch.einsum("cd,ndhw->nchw", self.matrix, pictures) + self.offset[:, None, None]

    def back(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
        """The RGB pictures from 0 to 1 of which this is the model's input; the nearest where colours were mixed."""
        away = x - self.offset[:, None, None]
        return torch.einsum("dc,nchw->ndhw", torch.linalg.pinv(self.matrix), away).clamp(0, 1)


def pixels_of(model: VisionModel) -> Pixels:
    """What the preprocessing of `model` does to colours, found on images of one colour each: to shift and scale them,
    to swap them, to make grey of them.

    Raises:
        SemlensError: it does something else, so that no gradient of a pixel can be had through it.
    """
    black, *rest = (_input(model, colour) for colour in ((0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), _TRIED))
    if black.ndim != 3:
        raise SemlensError("images are made for models that take images: channels, height and width")
    offset, middle = _middle(black), [_middle(seen) for seen in rest]
    pixels = Pixels(torch.stack([seen - offset for seen in middle[:3]], 1), offset, (black.shape[1], black.shape[2]))
    expected = pixels(torch.tensor(_TRIED).div(255).to(offset)[None, :, None, None])[0, :, 0, 0]
    if not torch.allclose(expected, middle[3], atol=_TOLERANCE * float(pixels.matrix.abs().max())):
        raise SemlensError(
            "the model's preprocessing does more to colours than to shift, scale and mix them: give a VisionModel "
            "whose preprocessing is linear (as torchvision's Normalize is), and do the rest inside the network"
        )
    return pixels


def _input(model: VisionModel, colour: tuple[int, int, int]) -> Tensor:
    """What the model takes of an image of one colour."""
    return model.preprocess(Image.new("RGB", (_SIDE, _SIDE), colour)).to(model.device, torch.float32)


def _middle(seen: Float[Tensor, "c h w"]) -> Float[Tensor, "c"]:
    return seen[:, seen.shape[1] // 2, seen.shape[2] // 2]
