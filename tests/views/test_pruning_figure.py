"""The figure of pruning curves: every order a line through its points, named by area."""

import numpy as np
import pytest

from semlens.analysis import Rows
from semlens.correct import Curve
from semlens.errors import SemlensError
from semlens.views.plot import curve_figure


def test_every_order_is_a_line_and_the_largest_area_is_named_first() -> None:
    curves = [Curve("relevance", 0.7, 0.6, 0.8, None, None, None, 40, (0.0, 0.5), (1.0, 0.4)),
              Curve("magnitude", 0.9, 0.8, 1.0, -0.2, -0.3, -0.1, 40, (0.0, 0.5), (1.0, 0.8))]  # fmt: skip
    (axes,) = curve_figure(Rows(curves, "a net")).axes
    for line, curve in zip(axes.lines, curves, strict=True):
        np.testing.assert_allclose(np.asarray(line.get_xydata()), np.array([[0.0, 1.0], [50.0, curve.accuracy[1]]]))
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["0.90  magnitude", "0.70  relevance"]
    assert axes.get_title("left") == "a net, 40 images"
    with pytest.raises(SemlensError, match="no curve"):
        curve_figure(Rows([]))
