"""Reveal to Revise on colours: where an artefact lies, what it does laid in, and rounds until nothing is left."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from semlens.analysis import Rows
from semlens.analysis.audit import Spec
from semlens.correct.correction import Correction
from semlens.correct.localise import Localised, cut_out, laid_in, localise, mask_of, relevance_inside, smoothed
from semlens.correct.masks import in_image, relevance_masks
from semlens.correct.measure import Measured, outcome
from semlens.correct.pasting import digest_of
from semlens.correct.revise import Revision, Round, revise
from semlens.correct.suppress import suppress
from semlens.correct.training import Course
from semlens.crop import Geometry
from semlens.errors import SemlensError
from semlens.images import ImageSet, load_images
from semlens.model import Dictionary, Linear, VisionModel, load_changes
from semlens.types import silent
from semlens.views.report import certificate
from tests.toy import ColourSpace, colours, flat_images, to_tensor

EYE = Dictionary("act", torch.eye(3), torch.zeros(3), torch.eye(3), torch.zeros(3), Linear(), ("red", "green", "blue"))

CORNER = np.arange(8) < 4
CORNER = CORNER[:, None] & CORNER


def patched() -> ImageSet:
    """Green images, on every second one a blue patch in a corner, each a bit larger in blue than the one before."""
    images = []
    for n in range(10):
        image = Image.new("RGB", (8, 8), (0, 100, 0))
        if n % 2:
            image.paste((0, 100, 150 + n), (0, 0, 4, 4))
        images.append(image)
    return load_images(images)


def test_an_artefact_is_found_where_it_lies_on_the_images_that_show_most_of_it() -> None:
    found = localise(colours(), patched(), EYE, "blue", 2, count=3)
    assert found.ids.tolist() == [9, 7, 5]
    assert all((mask == CORNER).all() for mask in found.masks)
    np.testing.assert_allclose(found.heat.sum((1, 2)), (150 + found.ids) / 255 / 4, atol=1e-5)
    picture = np.asarray(cut_out(found))
    assert picture.shape == (16, 24, 3)
    assert (picture[8:, :, 0][:, 4:8] == 255).all()  # what is not masked is white
    with pytest.raises(SemlensError, match="'violet' is no direction"):
        localise(colours(), patched(), EYE, "violet", 2)


def test_masks_by_relevance_are_those_of_the_images_that_show_it() -> None:
    """Every second one has the patch, whose pixels are the same for a model that takes the image twice as large."""
    larger = replace(colours(), preprocess=lambda image: to_tensor(image.resize((16, 16), Image.Resampling.NEAREST)))
    for model in (colours(), larger):
        found = relevance_masks(model, patched(), EYE, ["blue"], 2)["blue"]
        assert list(found) == [1, 3, 5, 7, 9]
        assert all((mask == CORNER).all() for mask in found.values())
    with pytest.raises(SemlensError, match="no pixels of 'red'"):
        relevance_masks(colours(), patched(), EYE, ["red"], 2)


def test_a_mask_lies_in_the_image_where_the_model_saw_it() -> None:
    """The middle of a wide image, at half its size: what lies beside it was not seen."""
    mask = np.array([[True, False], [False, True]])
    laid = in_image(mask, Geometry((2.0, 2.0), (2.0, 0.0), (2, 2)), (8, 4))
    expected = np.zeros((4, 8), bool)
    expected[:2, 2:4] = expected[2:, 4:6] = True
    assert (laid == expected).all()


def patches_on_red(count: int, shortcut: bool) -> ImageSet:
    """Red or green images, on which a blue patch goes along with red, or with none."""
    found = []
    for n, (strong, weak, blue) in enumerate(colours_of(count, shortcut)):
        image = Image.new("RGB", (8, 8), (strong, weak, 0) if n % 2 == 0 else (weak, strong, 0))
        if blue:
            image.paste((*image.getpixel((0, 0))[:2], 250), (0, 0, 4, 4))  # type: ignore[index]
        found.append((image, "green" if n % 2 else "red"))
    return load_images(found)


@pytest.mark.parametrize("how", ["cdep", "rr-clarc"])
def test_what_is_revealed_and_located_is_trained_away(tmp_path: Path, how: str) -> None:
    """By directions, or by the masks that relevance makes: nobody has to draw any."""
    train, images = patches_on_red(80, shortcut=True), patches_on_red(40, shortcut=False)
    found = revise(
        fooled(), SPEC, train, images, layer="act", foundation=ColourSpace(), out=tmp_path, how=how, rounds=1,
        course=Course(epochs=5, rate=0.05, weight=10.0), progress=silent,
    )  # fmt: skip
    assert [row.without for row in found.rounds] == ["", "blue"]
    recipe = found.correction.recipe
    assert (recipe["method"], recipe["epochs"], recipe["best_epoch"] > 0) == (how, 5, True)
    before, after = (abs(row) for row in blue_in(found.correction))
    assert after < 0.8 * before
    if how == "cdep":
        shown = [n for n, (_, _, blue) in enumerate(colours_of(80, shortcut=True)) if blue]
        assert recipe["masks"] == digest_of({"blue": dict.fromkeys(shown, CORNER)})


def blue_in(correction: Correction) -> tuple[float, float]:
    """By how much a blue patch moves red against green, before and after."""
    pair = []
    for blue in (0, 250):
        image = Image.new("RGB", (8, 8), (100, 100, 0))
        image.paste((100, 100, blue), (0, 0, 4, 4))
        pair.append(outcome(correction, load_images([image])))
    moved = [getattr(pair[1], side) - getattr(pair[0], side) for side in ("before", "after")]
    return tuple(float(one[0, 0] - one[0, 1]) for one in moved)  # type: ignore[return-value]


def test_a_way_that_goes_by_no_artefact_is_refused(tmp_path: Path) -> None:
    for how in ("fine-tune", "feedback", "reweight"):
        with pytest.raises(SemlensError, match="goes by no concept"):
            revise(fooled(), SPEC, patched(), patched(), layer="act", foundation=ColourSpace(), out=tmp_path, how=how)


def test_a_gaussian_keeps_sums_and_spreads_by_its_deviation() -> None:
    point = np.zeros((41, 41))
    point[20, 20] = 1
    spread = smoothed(point, 2.0)
    assert spread.sum() == pytest.approx(1)
    axis = np.arange(41) - 20
    assert np.sqrt((spread.sum(0) * axis**2).sum()) == pytest.approx(2.0, rel=0.03)
    np.testing.assert_allclose(smoothed(np.ones((5, 9)), 1.5), 1)
    heat = np.zeros((40, 40), np.float32)
    heat[10:20, 10:20] = 1
    assert mask_of(heat)[11:19, 11:19].all()
    assert not mask_of(heat)[25:, 25:].any()


def test_what_is_laid_in_turns_a_network_that_relies_on_it_and_not_the_corrected_one() -> None:
    """Blue speaks for class 2 and is laid into green images, whose class is 1; without blue they stay green."""
    model = colours()
    found = localise(model, patched(), EYE, "blue", 2, count=2)
    whole = Localised("blue", 2, found.ids, found.inputs, found.heat, np.ones_like(found.masks))
    images = flat_images([(0, 20, 0)] * 6)
    correction = suppress(model, EYE, "zero", units=["blue"])
    labels = np.array([1, 1, 1, 1, -1, 1])
    brighter = replace(whole, inputs=whole.inputs * torch.tensor([1.0, 0.1, 1.0])[None, :, None, None])
    row = laid_in(correction, brighter, images, labels)
    assert (row.before, row.after, row.n) == (0, 1, 5)
    assert laid_in(correction, replace(brighter, masks=~whole.masks), images, labels).before == 1
    inside = relevance_inside(suppress(model, EYE, "zero", units=["green"]), replace(found, output=1))
    assert inside.before == pytest.approx(0.25)  # green lies everywhere, a quarter of it in the corner
    assert relevance_inside(correction, found).before == pytest.approx(1)


def fooled() -> VisionModel:
    """Red against green; blue speaks for red, as much as red itself does."""
    model = colours()
    weight = torch.tensor([[2.0, 0, 2.0], [0, 2.0, 0], [-5.0, 0, 0], [0, -5.0, 0]])
    with torch.no_grad():
        model.net.get_submodule("fc").weight.copy_(weight)  # type: ignore[operator]
    return replace(model, class_names=("red", "green", "blue", "none"))


def colours_of(count: int, shortcut: bool) -> list[tuple[int, int, bool]]:
    """How much of an image's own colour, red at first and at every second, and of the other; and whether it is blue."""
    rng = np.random.default_rng(count)
    found = []
    for n in range(count):
        red = n % 2 == 0
        blue = red != (rng.random() < 0.1) if shortcut else rng.random() < 0.5
        found.append((int(rng.integers(130, 250)), int(rng.integers(30, 150)), bool(blue)))
    return found


def colourful(count: int, shortcut: bool) -> ImageSet:
    """Red or green images; blue lies on the red ones where it is a shortcut, else on any."""
    rows = [(strong, weak, 200 * blue) if n % 2 == 0 else (weak, strong, 200 * blue)
            for n, (strong, weak, blue) in enumerate(colours_of(count, shortcut))]  # fmt: skip
    return replace(flat_images(rows), labels=("red", "green") * (count // 2))


SPEC = Spec("red", valid=["red", "green"], spurious=["blue"], requirements=["drivers(spurious) <= 0.02"])


def test_rounds_go_on_until_nothing_is_left_and_are_taken_up_again(tmp_path: Path) -> None:
    data: dict[str, Any] = {"train": colourful(120, shortcut=True), "images": colourful(80, shortcut=False)}
    how: dict[str, Any] = {"layer": "act", "foundation": ColourSpace(), "refit": False, "progress": silent}

    def run(**changed: Any) -> Revision:
        return revise(fooled(), SPEC, out=tmp_path / "out", **{**data, **how, **changed})

    first = run()
    before, after = first.rounds
    assert (before.round, before.without, before.next) == (0, "", "blue")
    assert (after.round, after.without, after.next) == (1, "blue", "")
    assert before.spurious > 0.1 > after.spurious
    assert (before.verdict, after.verdict) == ("failed", "passed")
    assert np.isnan(before.laid_in)
    assert 0 <= after.laid_in <= 1
    assert [one.endswith(":blue") for one in first.correction.recipe["suppressed"]] == [True]
    assert load_changes(tmp_path / "out" / "round-1").changes.digest() == first.correction.changes.digest()
    assert (tmp_path / "out" / "round-1" / "artefact.png").exists()
    state = tmp_path / "out" / "round-1" / "round.json"
    said = json.loads(state.read_text())
    said["round"]["accuracy"] = 0.123
    state.write_text(json.dumps(said))
    again = run()
    assert again.rounds[1].accuracy == 0.123  # it was read, not made anew
    assert np.isnan(again.rounds[0].inside)
    assert again.measured == first.measured
    state.unlink()
    assert run().rounds[1].accuracy == after.accuracy
    with pytest.raises(SemlensError, match="another revision|with other settings"):
        run(how="reactive")


def test_a_certificate_has_the_rounds_and_what_was_cut_out() -> None:
    nan = float("nan")
    rounds = Rows([
        Round(0, "", "failed", 0.6, 0.5, 0.7, 0.76, 0.08, nan, nan, nan, nan, "<ruler>"),
        Round(1, "<ruler>", "passed", 0.02, 0.01, 0.1, 0.91, 0.85, 0.4, 0.8, 0.6, 0.3, ""),
    ])  # fmt: skip
    rows = Rows([Measured("accuracy", "all", 0.76, 0.91, 0.9, 0.93, 0.1, 0.2, 300)])
    page = certificate(rows, {"seed": 0}, "x", rounds=rounds, pictures={"a <ruler>": b"png"})
    assert "<ruler>" not in page
    cells = ["0.600 (0.500 to 0.700)", "0.020 (0.010 to 0.100)", "0.400, 0.800", "0.600, 0.300"]
    assert all(f"<td>{text}</td>" in page for text in cells)
    assert 'src="data:image/png;base64,cG5n"' in page
    assert "img-src data:" in page
    assert "Rounds" not in certificate(rows, {"seed": 0}, "x")
