"""Results as pictures: each kind has one, drawn without matplotlib's own state, and it shows what was found."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

import semlens as sl
from semlens.analysis.scores import score
from semlens.errors import SemlensError
from semlens.index.records import Thumbnails
from semlens.views.plot import plot
from tests.analysis.audit.test_audit import INDEX, SPURIOUS, VALID, spec_of
from tests.planted import phrases


def webp(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), color).save(file, "WEBP", lossless=True)
    return file.getvalue()


def test_an_audit_is_a_chart_of_its_quadrants() -> None:
    found = sl.audit(INDEX, spec_of(), phrases(VALID + SPURIOUS), draws=1500)
    figure = plot(found)
    (axes,) = figure.axes
    points = np.concatenate([np.asarray(part.get_offsets()) for part in axes.collections])
    order = np.lexsort(points.T)
    expected = found.fit.z[np.lexsort(found.fit.z.T)]
    np.testing.assert_allclose(points[order], expected, rtol=1e-5)
    said = [text.get_text() for text in axes.get_legend().get_texts()]
    masses = {one.quadrant: one for one in found.masses}
    assert said == [f"{name} ({one.components}, {one.relevance:.0%})" for name, one in masses.items()]
    places = [np.unique(np.asarray(line.get_xdata())) for line in axes.lines]
    lines = sorted(float(x[0]) for x in places if len(x) == 1)
    assert lines == pytest.approx([np.median(found.fit.critical[:, 0])])
    assert axes.get_title() == "layer0"


def test_scores_have_a_figure_and_pyplot_is_not_loaded() -> None:
    figure = plot(score(INDEX, draws=100))
    assert [axes.get_ylabel() for axes in figure.axes] == ["clarity", "polysemanticity", "redundancy"]
    assert "matplotlib.pyplot" not in sys.modules


def test_what_has_no_figure_is_said() -> None:
    with pytest.raises(SemlensError, match="a list has no figure; scores, atlases, .*, audits and faithfulness have"):
        plot([])


def test_matplotlib_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(SemlensError, match=r"pip install 'semlens\[notebook\]'"):
        plot(score(INDEX, draws=100))


def test_a_sheet_shows_labels_with_their_examples() -> None:
    from dataclasses import replace

    colours = ["red", "green"]
    shown = replace(INDEX, read_thumbnails=lambda: Thumbnails.pack([webp(colours[u % 2]) for u in range(600)]))
    labels = sl.label(shown, phrases(), draws=1500, split=False)
    sheet = sl.label_sheet(labels, examples=4, most=6)
    rows = min(6, int(labels.accepted.sum())) + min(2, int((~labels.accepted).sum()))
    assert sheet.height == rows * 118 + 44 + 6
    best = int(np.nanargmax(np.where(labels.accepted, labels.fits[:, 0], np.nan)))
    first = sheet.getpixel((250 + 56, 6 + 44 + 56))
    assert first == ((255, 0, 0) if shown.rows[best, 0] % 2 == 0 else (0, 128, 0))
