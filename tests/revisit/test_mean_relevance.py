"""Relevance of an index's components as a mean over images, where it is known in closed form."""

import numpy as np
import pytest

from semlens.collection import collect
from semlens.errors import SemlensError
from semlens.pipeline import embed
from semlens.revisit.mean_relevance import mean_relevance
from tests.toy import ColourSpace, colours, flat_images

VALUES = [(250, 10, 10), (10, 250, 10), (40, 10, 250)]
IMAGES = flat_images(VALUES)
INDEX = embed(collect(colours(), IMAGES, ["act", "fc"], k=2), IMAGES, ColourSpace())


def quiet(*_: object) -> None:
    """No progress."""


@pytest.mark.parametrize("method", ["gradient", "epsilon"])
def test_it_is_the_mean_of_what_attribute_gives(method: str) -> None:
    found = mean_relevance(INDEX, colours(), IMAGES, "not red", method=method, batch_size=2, progress=quiet)
    red = float(np.mean([value[0] for value in VALUES])) / 255
    np.testing.assert_allclose(found, np.array([-red, 0, 0, 0, 0, 0, -red]), atol=1e-4)


def test_another_model_is_refused() -> None:
    other = colours()
    other.net.fc.weight.data += 1  # type: ignore[operator]
    with pytest.raises(SemlensError):
        mean_relevance(INDEX, other, IMAGES, 0, progress=quiet)
