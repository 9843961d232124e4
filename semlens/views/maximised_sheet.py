"""Pictures that were made for components, beside images that excite them."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from semlens.index import ConceptIndex
from semlens.types import Component
from semlens.views.contact_sheet import example_pictures
from semlens.views.tiles import GAP, TEXT, fit, font, short

_SIDE = 168
_HEAD = 40


@dataclass(frozen=True)
class MadeRow:
    """A component's line: what is written under its name, and its pictures."""

    component: Component
    lines: Sequence[str]
    pictures: Sequence[Image.Image]


def maximised_sheet(rows: Sequence[MadeRow], index: ConceptIndex | None = None, examples: int = 4) -> Image.Image:
    """A line per component: its name, the pictures made for it and, with an index, its strongest examples."""
    shown = [[p for p in example_pictures(index, index.row(r.component), examples) if p] if index else [] for r in rows]
    made = max(len(row.pictures) for row in rows)
    beside = TEXT + made * (_SIDE + GAP) + 3 * GAP
    width = beside + max(map(len, shown)) * (_SIDE + GAP)
    sheet = Image.new("RGB", (width, _HEAD + len(rows) * (_SIDE + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((TEXT, 12), "made for it", "#777777", font(15))
    if index:
        draw.text((beside, 12), "its strongest examples", "#777777", font(15))
    for number, (row, photos) in enumerate(zip(rows, shown, strict=True)):
        y = _HEAD + number * (_SIDE + GAP)
        draw.text((GAP * 2, y + 8), short(str(row.component)), "black", font(15))
        for place, line in enumerate(row.lines):
            draw.text((GAP * 2, y + 36 + 24 * place), short(line), "#444444", font(15))
        for left, pictures in ((TEXT, row.pictures), (beside, photos)):
            for place, picture in enumerate(pictures):
                sheet.paste(fit(picture, _SIDE), (left + place * (_SIDE + GAP), y))
    return sheet
