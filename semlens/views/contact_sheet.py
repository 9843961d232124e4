"""Results as one picture: a row per component, its concept examples beside it."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from semlens.analysis import Hit, Labels
from semlens.index import ConceptIndex
from semlens.types import MISSING
from semlens.views.tiles import GAP, SIDE, TEXT, font, lay, short

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
        best = [hit for hit in hits if hit.probe == probe]
        draw.text((GAP * 2, y + 8), probe, "black", font(20))
        draw.line((TEXT + 3, y + 13, TEXT + 3, y + 29), "black", 2)  # the mark that the bars below carry
        word, chance, _ = _figure(best[0])
        who = "components with permuted activations" if best[0].by == "encoding" else "random components"
        draw.text((TEXT + 12, y + 14), f"{who} reach {word} {chance:.2f} (95 %)", "#777777", font(13))
        y += _HEAD
        full = 1.0 if best[0].by == "examples" else max(*(_figure(hit)[2] for hit in best), chance, 1e-9)
        for hit in best:
            _row(sheet, draw, index, hit, y, examples, full)
            y += SIDE + GAP
    return sheet


def _figure(hit: Hit) -> tuple[str, float, float]:
    """What a hit is shown by: the figure's name, what chance reaches in it, and its value. By encoding it is what ranks
    them."""
    if hit.by == "examples":
        return "similarity", hit.baseline, hit.similarity
    return ("z", hit.permuted, hit.z) if np.isnan(hit.joint) else ("joint", hit.permuted, hit.joint)


def _row(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, index: ConceptIndex, hit: Hit, y: int, examples: int, most: float
) -> None:
    """A hit: its name, a bar of its figure, which is full at `most`, and its examples."""
    row, (word, chance, value) = index.row(hit.component), _figure(hit)
    name = index.unit_names[row]
    draw.text((GAP * 2, y + 8), short(str(hit.component)), "black", font(15))
    if name:
        draw.text((GAP * 2, y + 32), short(name), "#444444", font(15))
    colour = "#1a7f37" if value > chance else "#777777"
    draw.text((GAP * 2, y + 58), f"{word} {value:.2f}", colour, font(15))
    full = TEXT - 40
    draw.rectangle((GAP * 2, y + 84, GAP * 2 + full, y + 92), "#eeeeee")
    draw.rectangle((GAP * 2, y + 84, GAP * 2 + round(full * max(value / most, 0)), y + 92), colour)
    mark = GAP * 2 + round(full * max(chance / most, 0))
    draw.line((mark, y + 80, mark, y + 96), "black", 2)
    _examples(sheet, index, row, y, examples)


def label_sheet(labels: Labels, examples: int = 8, most: int = 9) -> Image.Image:
    """A picture of each layer's `most` best-aligned labels, and of a third as many components without one."""
    index, examples = labels.index, min(examples, labels.index.rows.shape[1])
    by_layer = {axis.layer: _chosen(labels, axis.start, axis.stop, most) for axis in index.layers}
    by_layer = {layer: rows for layer, rows in by_layer.items() if rows}
    height = sum(_HEAD + len(rows) * (SIDE + GAP) for rows in by_layer.values()) + GAP
    sheet = Image.new("RGB", (TEXT + examples * (SIDE + GAP) + GAP, height), "white")
    draw, y = ImageDraw.Draw(sheet), GAP
    for layer, rows in by_layer.items():
        axis = index.layer_slice(layer)
        alive = int((~index.dead[axis]).sum())
        draw.text((GAP * 2, y + 8), short(layer, 20), "black", font(20))
        given = f"{int(labels.accepted[axis].sum()):,} of {alive:,} components have a label"
        draw.text((TEXT + 12, y + 14), f"{given} (false-discovery rate {labels.fdr:g})", "#777777", font(13))
        y += _HEAD
        for row in rows:
            name, label = index.unit_names[row], labels.of(row)
            draw.text((GAP * 2, y + 8), short(str(index.component(row))), "#444444", font(14))
            draw.text((GAP * 2, y + 30), short(label or "no label", 24), "#1a7f37" if label else "#777777", font(17))
            fit = f"z {labels.fits[row, 0]:.1f}" if labels.by == "encoding" else f"alignment {labels.fits[row, 0]:.2f}"
            sure = f"{fit}, p {labels.p_value[row]:.2g}"
            draw.text((GAP * 2, y + 56), sure, "#777777", font(13))
            second = next(
                (f"also: {one}" for one in labels.meanings.get(row, ())[1:]), f"next: {labels.runner_up(row)}"
            )
            note = f"model: {name}" if name else second
            draw.text((GAP * 2, y + 76), short(note, 34), "#777777", font(13))
            _examples(sheet, index, row, y, examples)
            y += SIDE + GAP
    return sheet


def _chosen(labels: Labels, start: int, stop: int, most: int) -> list[int]:
    """The rows that a layer is shown by."""
    rows = start + np.argsort(-labels.fits[start:stop, 0], kind="stable")  # NaN, the dead ones, come last
    rows = rows[~labels.index.dead[rows] & ~np.isnan(labels.fits[rows, 0])]
    named, unnamed = rows[labels.accepted[rows]], rows[~labels.accepted[rows]]
    return [*named[:most].tolist(), *unnamed[: most // 3].tolist()]


def _examples(sheet: Image.Image, index: ConceptIndex, row: int, y: int, examples: int) -> None:
    for place, shown in enumerate(example_pictures(index, row, examples)):
        if shown:
            lay(sheet, shown, (TEXT + place * (SIDE + GAP), y))


def example_pictures(index: ConceptIndex, row: int, examples: int) -> list[Image.Image | None]:
    """The thumbnails of a component's strongest examples, None for each that the index was saved without."""
    slots = [int(slot) for slot in index.rows[row, :examples] if slot != MISSING]
    kept = [index.thumbnails.get(slot) for slot in slots]
    return [Image.open(io.BytesIO(each), formats=("WEBP",)).convert("RGB") if each else None for each in kept]
