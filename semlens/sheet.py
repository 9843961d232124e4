"""Search results as one picture: a row per component, its concept examples beside it."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont, ImageOps

from semlens.index import ConceptIndex
from semlens.search import Hit
from semlens.types import MISSING

_SIDE, _GAP, _TEXT, _HEAD = 112, 6, 250, 44


def contact_sheet(index: ConceptIndex, hits: Sequence[Hit], examples: int = 8) -> Image.Image:
    """A picture of the hits in their order, each probe under its own heading, up to `examples` thumbnails per
    component."""
    probes = list(dict.fromkeys(hit.probe for hit in hits))
    examples = min(examples, index.rows.shape[1])
    width = _TEXT + examples * (_SIDE + _GAP) + _GAP
    height = len(probes) * _HEAD + len(hits) * (_SIDE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, max(height, _HEAD)), "white")
    draw = ImageDraw.Draw(sheet)
    y = _GAP
    for probe in probes:
        mine = [hit for hit in hits if hit.probe == probe]
        draw.text((_GAP * 2, y + 8), probe, "black", _font(20))
        draw.line((_TEXT + 3, y + 13, _TEXT + 3, y + 29), "black", 2)  # the mark that the bars below carry
        draw.text((_TEXT + 12, y + 14), f"random components reach {mine[0].baseline:.2f} (95 %)", "#777777", _font(13))
        y += _HEAD
        for hit in mine:
            _row(sheet, draw, index, hit, y, examples)
            y += _SIDE + _GAP
    return sheet


def _row(sheet: Image.Image, draw: ImageDraw.ImageDraw, index: ConceptIndex, hit: Hit, y: int, examples: int) -> None:
    row = index.row(hit.component)
    name = index.unit_names[row]
    draw.text((_GAP * 2, y + 8), _short(str(hit.component)), "black", _font(15))
    if name:
        draw.text((_GAP * 2, y + 32), _short(name), "#444444", _font(15))
    colour = "#1a7f37" if hit.similarity > hit.baseline else "#777777"
    draw.text((_GAP * 2, y + 58), f"similarity {hit.similarity:.2f}", colour, _font(15))
    full = _TEXT - 40
    draw.rectangle((_GAP * 2, y + 84, _GAP * 2 + full, y + 92), "#eeeeee")
    draw.rectangle((_GAP * 2, y + 84, _GAP * 2 + round(full * max(hit.similarity, 0)), y + 92), colour)
    mark = _GAP * 2 + round(full * max(hit.baseline, 0))
    draw.line((mark, y + 80, mark, y + 96), "black", 2)
    slots = [int(slot) for slot in index.rows[row, :examples] if slot != MISSING]
    for place, slot in enumerate(slots):
        picture = index.thumbnails.get(slot)
        if picture:
            shown = Image.open(io.BytesIO(picture), formats=("WEBP",)).convert("RGB")
            shown = ImageOps.contain(shown, (_SIDE, _SIDE))  # a small crop is shown as large as the others
            left, top = _TEXT + place * (_SIDE + _GAP) + (_SIDE - shown.width) // 2, y + (_SIDE - shown.height) // 2
            sheet.paste(shown, (left, top))
            draw.rectangle((left, top, left + shown.width - 1, top + shown.height - 1), None, "#dddddd")


def _short(text: str, limit: int = 28) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
