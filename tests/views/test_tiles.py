import numpy as np
import pytest
from PIL import Image

from semlens.views.tiles import GAP, SIDE, fit, lay, short


def test_a_long_text_keeps_its_beginning() -> None:
    assert short("a" * 28) == "a" * 28
    assert short("a" * 27 + "bc") == "a" * 27 + "…"
    assert short("four", 3) == "fo…"


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((50, 100), (56, 112)),
        ((224, 168), (112, 84)),
        ((1, 1), (112, 112)),
        ((1, 1000), (1, 112)),
        ((900, 2), (112, 1)),
    ],
)
def test_a_picture_fills_its_tile_in_one_direction(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit(Image.new("RGB", size)).size == fitted


def test_a_picture_lies_in_the_middle_of_its_tile_with_an_edge() -> None:
    sheet = Image.new("RGB", (SIDE + 2 * GAP, SIDE + 2 * GAP), "white")
    lay(sheet, Image.new("RGB", (20, 10), (9, 8, 7)), (GAP, GAP))
    drawn = np.asarray(sheet)
    inside = (drawn == (9, 8, 7)).all(2)
    assert inside.nonzero()[0].min() == GAP + SIDE // 4 + 1
    assert inside.nonzero()[0].max() == GAP + 3 * SIDE // 4 - 2
    assert (inside.nonzero()[1].min(), inside.nonzero()[1].max()) == (GAP + 1, GAP + SIDE - 2)
    assert inside.sum() == (SIDE - 2) * (SIDE // 2 - 2)
    assert ((drawn == 0xDD).all(2)).sum() == 2 * SIDE + 2 * (SIDE // 2 - 2)
