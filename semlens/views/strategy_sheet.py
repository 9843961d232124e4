"""Strategies as one picture: for each prototype of a class the images nearest to it, and what it is made of."""

import io
from collections.abc import Callable

from PIL import Image, ImageDraw

from semlens.analysis import Prototype, Strategies, picture_of
from semlens.views.contact_sheet import example_pictures
from semlens.views.tiles import GAP, SIDE, TEXT, font, lay, short

_HEAD = 44


def strategy_sheet(
    found: Strategies, load: Callable[[int], Image.Image] | None = None, *, most: int = 6, components: int = 3,
    pictures: int = 8,
) -> Image.Image:  # fmt: skip
    """A picture of up to `most` prototypes of a class: how many images each has, those nearest to it, and the
    components it relies on, with their share, a bar of it beside the mark of their mean over the class, and examples.

    Args:
        load: an image of the index, by id; without it the thumbnails that the index keeps are shown.
    """
    prototypes = list(found.prototypes)[:most]
    lines = sum(1 + len(row.uses[:components]) for row in prototypes)
    width = TEXT + pictures * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, len(prototypes) * _HEAD + lines * (SIDE + GAP) + GAP), "white")
    draw, y = ImageDraw.Draw(sheet), GAP
    for row in prototypes:
        heading = f"{row.prototype}: {row.share:.0%} of {found.output} ({row.images:,} images)"
        draw.text((GAP * 2, y + 8), heading, "black", font(20))
        draw.line((GAP * 2, y + 38, width - GAP * 2, y + 38), "#dddddd")
        y += _HEAD
        _nearest(sheet, draw, found, row, y, load, pictures)
        y += SIDE + GAP
        for use in row.uses[:components]:
            draw.text((GAP * 2, y + 8), short(str(use.component)), "black", font(15))
            draw.text((GAP * 2, y + 32), short(use.label or "no label", 26), "#444444", font(15))
            draw.text((GAP * 2, y + 58), f"{use.share:+.1%} of its relevance", "#1a7f37", font(14))
            _bar(draw, y, use.share, use.usual)
            for place, shown in enumerate(example_pictures(found.index, found.index.row(use.component), pictures)):
                if shown:
                    lay(sheet, shown, (TEXT + place * (SIDE + GAP), y))
            y += SIDE + GAP
    return sheet


def _nearest(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, found: Strategies, row: Prototype, y: int,
    load: Callable[[int], Image.Image] | None, pictures: int,
) -> None:  # fmt: skip
    draw.text((GAP * 2, y + 8), "images nearest to it", "#777777", font(15))
    for place, image in enumerate(found.nearest(row.prototype - 1, pictures)):
        kept = b"" if load else picture_of(found.index, image)
        if kept or load:
            shown = load(image) if load else Image.open(io.BytesIO(kept), formats=("WEBP",))
            lay(sheet, shown.convert("RGB"), (TEXT + place * (SIDE + GAP), y))


def _bar(draw: ImageDraw.ImageDraw, y: int, share: float, usual: float) -> None:
    """The share, of the whole width, with a mark at what is usual."""
    full = TEXT - 40
    draw.rectangle((GAP * 2, y + 84, GAP * 2 + full, y + 92), "#eeeeee")
    draw.rectangle((GAP * 2, y + 84, GAP * 2 + round(full * min(abs(share) * 2, 1)), y + 92), "#1a7f37")
    mark = GAP * 2 + round(full * min(abs(usual) * 2, 1))
    draw.line((mark, y + 80, mark, y + 96), "black", 2)
