"""A sheet of hits shows what they are ranked by."""

import io
from dataclasses import replace

from PIL import Image

from semlens.analysis.search import search
from semlens.index import Thumbnails
from semlens.views.contact_sheet import contact_sheet
from semlens.views.tiles import GAP, SIDE, TEXT
from tests.planted import phrases
from tests.responding import responding

GREEN, FULL, BAR = (26, 127, 55), TEXT - 40, 44 + GAP + 88


def bar(sheet: Image.Image, nth: int) -> int:
    """How many pixels of the bar of the nth hit are green."""
    y = BAR + nth * (SIDE + GAP)
    return sum(sheet.getpixel((x, y)) == GREEN for x in range(GAP * 2, GAP * 2 + FULL + 1))


def test_bars_are_of_what_hits_are_ranked_by() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "WEBP")
    index = responding([(4,), (5,), (4,)], layers=(3,))
    index = replace(index, read_thumbnails=lambda: Thumbnails.pack((file.getvalue(),) * len(index.vectors)))
    lone = search(index, phrases([4]), top=2, by="encoding")
    sheet = contact_sheet(index, lone)
    assert bar(sheet, 0) > FULL - 5  # less the mark of what chance reaches
    assert abs(bar(sheet, 1) - FULL * lone[1].z / lone[0].z) < 6
    first = search(index, phrases([4]), top=1, by="examples")
    assert abs(bar(contact_sheet(index, first), 0) - FULL * first[0].similarity) < 6
