"""Search results as one picture: a row per component, its concept examples beside it."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from semlens.index import ConceptIndex
from semlens.search import Hit
from semlens.tiles import GAP, SIDE, TEXT, font, lay, short
from semlens.types import MISSING

_HEAD = 44


def contact_sheet(index: ConceptIndex, hits: Sequence[Hit], examples: int = 8) -> Image.Image:
    """A picture of the hits in their order, each probe under its own heading, up to `examples` thumbnails per
    component."""
    probes = list(dict.fromkeys(hit.probe for hit in hits))
    examples = min(examples, index.rows.shape[1])
    width = TEXT + examples * (SIDE + GAP) + GAP
    height = len(probes) * _HEAD + len(hits) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, max(height, _HEAD)), "white")
    draw = ImageDraw.Draw(sheet)
    y = GAP
    for probe in probes:
        mine = [hit for hit in hits if hit.probe == probe]
        draw.text((GAP * 2, y + 8), probe, "black", font(20))
        draw.line((TEXT + 3, y + 13, TEXT + 3, y + 29), "black", 2)  # the mark that the bars below carry
        draw.text((TEXT + 12, y + 14), f"random components reach {mine[0].baseline:.2f} (95 %)", "#777777", font(13))
        y += _HEAD
        for hit in mine:
            _row(sheet, draw, index, hit, y, examples)
            y += SIDE + GAP
    return sheet


def _row(sheet: Image.Image, draw: ImageDraw.ImageDraw, index: ConceptIndex, hit: Hit, y: int, examples: int) -> None:
    row = index.row(hit.component)
    name = index.unit_names[row]
    draw.text((GAP * 2, y + 8), short(str(hit.component)), "black", font(15))
    if name:
        draw.text((GAP * 2, y + 32), short(name), "#444444", font(15))
    colour = "#1a7f37" if hit.similarity > hit.baseline else "#777777"
    draw.text((GAP * 2, y + 58), f"similarity {hit.similarity:.2f}", colour, font(15))
    full = TEXT - 40
    draw.rectangle((GAP * 2, y + 84, GAP * 2 + full, y + 92), "#eeeeee")
    draw.rectangle((GAP * 2, y + 84, GAP * 2 + round(full * max(hit.similarity, 0)), y + 92), colour)
    mark = GAP * 2 + round(full * max(hit.baseline, 0))
    draw.line((mark, y + 80, mark, y + 96), "black", 2)
    slots = [int(slot) for slot in index.rows[row, :examples] if slot != MISSING]
    for place, slot in enumerate(slots):
        picture = index.thumbnails.get(slot)
        if picture:
            shown = Image.open(io.BytesIO(picture), formats=("WEBP",)).convert("RGB")
            lay(sheet, shown, (TEXT + place * (SIDE + GAP), y))
