"""How a picture is written down while it is optimised: as spatial frequencies of decorrelated colours, of one contrast.

In this basis steps of one size change a picture as natural images differ: low frequencies and brightness more than high
frequencies and hue. The basis has all pictures in it, so that it rules how one is found, not which is the best.

Source: Olah, Mordvintsev and Schubert 2017 (Feature Visualization: preconditioning by frequency and colour); Ohta,
Kanade and Sakai 1980 (the principal axes of the colours of natural images).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from semlens.types import Float, Float32

CONTRAST = 0.2
"""Root mean square by which a pixel differs from grey, of a range of 1. scikit-image's photographs have 0.15 to 0.3."""

_SPREAD = 1.0, 0.28, 0.12
"""Standard deviations of brightness, red against blue, and green against both, of which the first is 1."""

_START = 0.2
"""Standard deviation of the first coefficients. Only ratios to a step's length matter, for the contrast is fixed."""

_STRENGTH = 1.5  # of what is added to an image's logits
_EDGE = 0.96  # black and white of an image that is to be changed: at 1 no step would move them


def noise(size: tuple[int, int], generators: Sequence[torch.Generator]) -> Float32[Tensor, "n 3 h f 2"]:
    """Coefficients of pictures of coloured noise, each drawn by a generator of its own."""
    height, width = size
    drawn = [torch.randn(3, height, width // 2 + 1, 2, generator=generator) for generator in generators]
    return torch.stack(drawn) * _START


def painted(
    coefficients: Float[Tensor, "n 3 h f 2"], size: tuple[int, int], contrast: float
) -> Float[Tensor, "n 3 h w"]:
    """The RGB pictures that coefficients stand for, from 0 to 1, each with the same contrast around grey."""
    colours = _in_colours(coefficients, size)
    rms = colours.pow(2).mean((1, 2, 3), keepdim=True).sqrt()
    return 0.5 + 0.5 * torch.tanh(2 * contrast * colours / rms)


def changed(coefficients: Float[Tensor, "n 3 h f 2"], start: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Pictures as they were at the start, from 0 to 1, with what the coefficients stand for added to the logit of each
    colour: however much that is, no colour leaves the range."""
    logits = torch.atanh((2 * start - 1).clamp(-_EDGE, _EDGE))
    return 0.5 + 0.5 * torch.tanh(logits + _STRENGTH * _in_colours(coefficients, (start.shape[2], start.shape[3])))


def _in_colours(coefficients: Float[Tensor, "n 3 h f 2"], size: tuple[int, int]) -> Float[Tensor, "n 3 h w"]:
    """What coefficients add to red, green and blue."""
    height, width = size
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
    frequency = (rows**2 + columns**2).sqrt().clamp(min=1 / max(height, width)).to(coefficients.device)
    planes = torch.fft.irfft2(torch.view_as_complex(coefficients) / frequency, s=size, norm="ortho")
    return torch.einsum("cd,ndhw->nchw", _colours().to(planes), planes)


def _colours() -> Float32[Tensor, "3 3"]:
    """What each decorrelated colour adds to red, green and blue, as long as it varies."""
    axes = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 2.0, -1.0]])
    return (axes / axes.norm(dim=1, keepdim=True) * torch.tensor(_SPREAD)[:, None]).T


def moved_about(pictures: Float[Tensor, "n 3 h w"], how: Float[Tensor, "n 4"]) -> Float[Tensor, "n 3 h w"]:
    """The pictures shifted, turned and scaled a little, mirrored at their edges.

    Args:
        how: from -1 to 1: shift across and down (of a sixteenth), turn (of 5 degrees), scale (of 5 %).
    """
    turn, scale = how[:, 2] * math.radians(5), 1 + how[:, 3] * 0.05
    cosine, sine, height, width = turn.cos() * scale, turn.sin() * scale, pictures.shape[2], pictures.shape[3]
    across = torch.stack([cosine, -sine * height / width, how[:, 0] / 8], 1)
    down = torch.stack([sine * width / height, cosine, how[:, 1] / 8], 1)
    grid = torch.nn.functional.affine_grid(torch.stack([across, down], 1), list(pictures.shape), align_corners=False)
    return torch.nn.functional.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def variation(pictures: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n"]:
    """Total variation: the mean difference of neighbouring pixels, across and down."""
    across, down = pictures.diff(dim=3).abs(), pictures.diff(dim=2).abs()
    return across.mean((1, 2, 3)) + down.mean((1, 2, 3))
