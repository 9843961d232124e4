"""Many heat maps on one page: a matplotlib figure for a notebook, a contact sheet for anything else."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from semlens.errors import SemlensError, missing_extra
from semlens.types import Float32, UInt8
from semlens.views.heatmap.overlay import Box, finite, limit_of, outline, overlay, paint, pixels, whole
from semlens.views.tiles import GAP, SIDE, TEXT, fit, font, lay, short

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

_CAPTION, _FOOT, _FIGURE = 18, 26, 320  # pixels: a line under a pair, the legend, the side of a picture in a figure
_PAIR, _GREY = 2 * SIDE + 3 * GAP, "#777777"


@dataclass(frozen=True)
class HeatExample:
    """One concept example, and the relevance of its component on it."""

    image: Image.Image
    heat: Float32[np.ndarray, "h w"]  # on the model's input
    box: Box | None = None  # where that input lies in the image; None: it is all of it
    crop: Box | None = None  # the part that stands for the component; None: all of the image
    title: str = ""


@dataclass(frozen=True)
class HeatRow:
    """A component by name, with its label if it has one, and its examples."""

    name: str
    examples: Sequence[HeatExample]
    label: str = ""


def figure(
    examples: Sequence[HeatExample], *, name: str = "", unit: str = "relevance in logits", limit: float | None = None
) -> "matplotlib.figure.Figure":
    """A matplotlib figure of one component: its crops in a row, under each the whole image with relevance over it, and
    the scale that all share. A notebook shows it; nothing of matplotlib's own state changes.

    Args:
        unit: what the heat maps are in, written at the scale, whose numbers are per pixel of the model's input.

    Raises:
        SemlensError: where there are no examples or matplotlib is not installed.
    """
    if not examples:
        raise SemlensError(f"no examples of {name or 'the component'} to draw: give at least one HeatExample")
    shown = [_scaled(example, _FIGURE) for example in examples]
    limit = limit_of([example.heat for example in shown], limit)
    page = blank_page((1.2 + 2 * len(examples), 4.6 if name else 4.2))
    axes = page.subplots(2, len(examples), squeeze=False)
    for column, example, small in zip(axes.T, examples, shown, strict=True):
        column[0].set_title(example.title, fontsize=10)
        column[0].imshow(_square(_crop(example)))
        heated = overlay(small.image, small.heat, box=small.box, limit=limit)
        column[1].imshow(_square(outline(heated, small.crop) if small.crop else heated))
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("crop", color=_GREY)
    axes[1, 0].set_ylabel("relevance", color=_GREY)
    page.suptitle(name, fontsize=13)
    _colour_bar(page, limit, unit)
    return page


def blank_page(inches: tuple[float, float]) -> "matplotlib.figure.Figure":
    """An empty figure that a notebook shows: a bare one is shown only once pyplot is loaded."""
    try:
        from matplotlib.figure import Figure  # an extra
    except ImportError:
        raise missing_extra("matplotlib", "notebook") from None

    class Page(Figure):
        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=100)
            return file.getvalue()

    return Page(figsize=inches, layout="constrained")


def faint_lines(axes: "matplotlib.axes.Axes") -> None:
    """Axes with an edge at the left and below alone, and faint lines across, behind all that is drawn."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.93")
    axes.set_axisbelow(True)


def _colour_bar(page: "matplotlib.figure.Figure", limit: float, unit: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    scale = ScalarMappable(Normalize(-limit, limit), ListedColormap(_ramp(255) / 255))
    # Pointed at both ends: what is beyond full colour is drawn in full colour.
    bar = page.colorbar(scale, ax=page.axes, label=unit, extend="both", aspect=30, fraction=0.04)
    bar.set_ticks([-limit, 0, limit], labels=[f"−{limit:.2g}", "0", f"{limit:.2g}"])


def heat_sheet(rows: Sequence[HeatRow], *, examples: int = 4, limit: float | None = None) -> Image.Image:
    """A picture with a row per component: its name and label, then for up to `examples` of its examples the photograph
    with the crop framed and the same with relevance over it.

    Full colour is `limit`, or else the same for all examples of a row and set by them (`full_colour`).
    """
    shown = [row.examples[:examples] for row in rows]
    captions = [_CAPTION if any(example.title for example in row) else 0 for row in shown]
    width = TEXT + max([1, *map(len, shown)]) * _PAIR
    sheet = Image.new("RGB", (width, GAP + sum(SIDE + GAP + caption for caption in captions) + _FOOT), "white")
    draw = ImageDraw.Draw(sheet)
    y = GAP
    for row, mine, caption in zip(rows, shown, captions, strict=True):
        draw.text((GAP * 2, y + 8), short(row.name), "black", font(15))
        draw.text((GAP * 2, y + 32), short(row.label), "#444444", font(15))
        _pairs(sheet, y, [_scaled(example, SIDE) for example in mine], limit)
        y += SIDE + GAP + caption
    _legend(sheet, y, "each row has its own scale" if limit is None else "all rows at one scale")
    return sheet


def heated(examples: Sequence[HeatExample], side: int, *, limit: float | None = None) -> list[Image.Image]:
    """Each example's image, as large as fits into a square of `side`, with relevance over it and its crop framed.

    Full colour is `limit`, or else the same for all, set by them (`full_colour`).
    """
    tiles = [_scaled(example, side) for example in examples]
    limit = limit_of([tile.heat for tile in tiles], limit)
    drawn = [overlay(tile.image, tile.heat, box=tile.box, limit=limit) for tile in tiles]
    return [outline(one, tile.crop) if tile.crop else one for one, tile in zip(drawn, tiles, strict=True)]


def _pairs(sheet: Image.Image, y: int, tiles: Sequence[HeatExample], limit: float | None) -> None:
    limit = limit_of([tile.heat for tile in tiles], limit)
    for place, tile in enumerate(tiles):
        x = TEXT + place * _PAIR
        lay(sheet, outline(tile.image, tile.crop) if tile.crop else tile.image, (x, y))
        lay(sheet, overlay(tile.image, tile.heat, box=tile.box, limit=limit), (x + SIDE + GAP, y))
        ImageDraw.Draw(sheet).text((x, y + SIDE + 2), short(tile.title), _GREY, font(13))


def _legend(sheet: Image.Image, y: int, scale: str) -> None:
    draw = ImageDraw.Draw(sheet)
    x = GAP * 2  # below the text as well, so that it fits under a single pair of pictures
    draw.text((x, y + 4), "against", _GREY, font(13))
    sheet.paste(Image.fromarray(_ramp(121)[None].repeat(9, 0)), (x + 54, y + 8))
    draw.text((x + 183, y + 4), f"for: relevance; {scale}", _GREY, font(13))


def _scaled(example: HeatExample, side: int) -> HeatExample:
    """The example with its image as large as fits into a square of `side`, the heat averaged where it is finer than
    that. Lines and colours come after: they are sharp, and as strong as they are in what is drawn."""
    image = fit(example.image.convert("RGB"), side)
    across, down = image.width / example.image.width, image.height / example.image.height

    def moved(box: Box | None) -> Box | None:
        if box is None:
            return None
        left, top, right, bottom = whole(box, example.image.size)  # an error names the user's numbers, not the tile's
        return left * across, top * down, right * across, bottom * down

    box, crop = moved(example.box), moved(example.crop)
    left, top, right, bottom = box or (0, 0, *image.size)
    height, width = example.heat.shape
    size = min(width, max(1, round(right - left))), min(height, max(1, round(bottom - top)))
    heat = np.asarray(Image.fromarray(finite(example.heat)).resize(size, Image.Resampling.BOX))
    return replace(example, image=image, heat=heat, box=box, crop=crop)


def _crop(example: HeatExample) -> Image.Image:
    image = example.image.convert("RGB")
    return image.crop(pixels(example.crop, image.size)) if example.crop else image


def _square(picture: Image.Image) -> Image.Image:
    """The picture centred on white, so that all in a row stand on one line."""
    return ImageOps.pad(picture, (_FIGURE, _FIGURE), color="white")


def _ramp(steps: int) -> UInt8[np.ndarray, "{steps} 3"]:
    """The colours from -1 to 1 on white, an odd number of them so that one is white."""
    strength = np.linspace(-1, 1, steps, dtype=np.float32)[None]
    return np.asarray(paint(Image.new("RGB", (steps, 1), "white"), strength))[0]
