"""The whole story on the testbed: a network is searched, labelled, audited, and caught at what it should not do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from semlens.analysis.ask import probe_spec
from semlens.analysis.atlas import atlas
from semlens.analysis.audit import Verdict, audit, load_spec
from semlens.analysis.keep import keep
from semlens.analysis.labels import Labels, label
from semlens.analysis.outputs import relevance_of
from semlens.analysis.probe import probe
from semlens.analysis.score import score
from semlens.analysis.search import Hit, search
from semlens.benchmark.truth import outputs
from semlens.foundation import load_foundation
from semlens.images import load_images
from semlens.model import VisionModel, load_model
from semlens.pipeline import build
from semlens.revisit.example_heatmaps import portraits
from semlens.shapes import Float32
from semlens.testbed.world import CLASSES, CONCEPTS, SHORTCUT, Scene, World, draw, write_world
from semlens.types import Component, Progress
from semlens.views.contact_sheet import contact_sheet
from semlens.views.heatmap import heat_sheet
from semlens.views.report import report
from semlens.views.tiles import GAP, SIDE, TEXT, font, lay

MODEL, FOUNDATION = "testbed:shortcut", "testbed:clip"
LAYERS = ("block2", "block3", "block4")
QUERIES = ("ruler", "blue-white veil")
PHOTO_LAYERS, PHOTO_EXAMPLES = ("blocks.4", "conv_head"), 8
PHOTO_QUERIES = ("an animal", "food", "a vehicle", "a building", "a printed page")
SHORTCUT_OF = "band-aid", "other"
"""The artefact that is put in, and the class that it speaks for."""

PICTURES, EXAMPLES, SEED = 600, 16, 5
TRIED, SHOWN, PAIRS = 40, 5, 9
"""Melanomas that get a band-aid; components and pairs of pictures on the sheet."""

WIDTH = TEXT + 8 * (SIDE + GAP) + GAP


@dataclass(frozen=True)
class Known:
    """The components of a layer that one phrase fits best, and what they contribute to a class."""

    label: str  # empty: those without a label
    components: int
    relevance: float  # sum of their positive shares for the class, in [0, 1]
    strongest: Component


@dataclass(frozen=True)
class Story:
    """What the demo made and found."""

    index: Path
    images: Path  # a table of the pictures that were looked at
    picture: Path
    report: Path  # of the audit, as a page
    hits: tuple[Hit, ...]
    known: tuple[Known, ...]  # what the last layer knows, the most relevant for the class of the shortcut first
    verdicts: tuple[Verdict, ...]  # of the audit
    before: float  # mean probability of that class on melanomas, in [0, 1] ...
    after: float  # ... and with the artefact put in, nothing else changed
    turned: float  # part of these melanomas that are taken for the other class only with the artefact

    def json(self) -> list[dict[str, Any]]:
        """Hits, what is known, the audit's verdicts and the effect of the artefact, a row each."""
        effect = {"put_in": SHORTCUT_OF[0], "before": self.before, "after": self.after, "turned": self.turned}
        found = [asdict(hit) | {"component": str(hit.component)} for hit in self.hits]
        known = [asdict(one) | {"strongest": str(one.strongest)} for one in self.known]
        files = {"index": str(self.index), "picture": str(self.picture), "report": str(self.report)}
        return [*found, *known, *map(asdict, self.verdicts), files | effect]


def run(out: Path, progress: Progress) -> Story:
    """The story, told below `out`: the pictures, the index, and a sheet that shows it all."""
    artefact, of = SHORTCUT_OF
    foundation, model = load_foundation(FOUNDATION), load_model(MODEL)
    pictures = World.of(SHORTCUT, PICTURES, SEED)
    table = write_world(pictures, out / "world", progress=progress)
    images = load_images(table)
    index = build(
        model, images, LAYERS, foundation, out / "index", k=EXAMPLES, crop="relevance", classes=CLASSES, resume=True,
        progress=progress,
    )  # fmt: skip
    hits = search(index, probe(foundation, QUERIES), top=3)
    words = probe(foundation, [concept.phrases[0] for concept in CONCEPTS])
    labels = label(index, words, progress=progress)
    known = knowledge(labels, of)
    drawing = "umap" if find_spec("umap") else "principal"
    for found in (labels, score(index), atlas(index, vocabulary=words, drawing=drawing, progress=progress)):
        keep(found, out / "index")  # so that the page shows them at once
    spec = replace(load_spec("melanoma"), output=of, title=f"What speaks for {of!r}")
    audited = audit(index, spec, probe_spec(foundation, spec), labels=labels)
    (out / "report.html").write_text(report(audited), encoding="utf-8")
    tried = [scene for scene in pictures.scenes if scene.diagnosis != of and not scene.has(artefact)][:TRIED]
    changed = [scene.with_level(artefact, 1.0) for scene in tried]
    before, after = (chance(model, scenes, of) for scenes in (tried, changed))
    heats = portraits(index, model, images, [one.strongest for one in known[:SHOWN]], examples=4)
    rows = [replace(row, label=one.label or "no label") for row, one in zip(heats, known, strict=False)]
    page(
        {
            f"Search: the components that {' and '.join(map(repr, QUERIES))} find": contact_sheet(index, hits),
            f"What speaks for {of!r}: the strongest component of each label, and where it looks": heat_sheet(rows),
            f"What a {artefact} does: the chance of {of!r} before and after": pairs(tried, changed, before, after),
        }
    ).save(out / "sheet.png")
    turned = float(((before < 0.5) & (after > 0.5)).mean())
    return Story(
        out / "index", table, out / "sheet.png", out / "report.html", tuple(hits), tuple(known),
        tuple(audited.verdicts), float(before.mean()), float(after.mean()), turned,
    )  # fmt: skip


def run_on(source: str, out: Path, progress: Progress) -> tuple[Path, Sequence[Hit]]:
    """A picture of what is found, and the hits: EfficientNet-Lite0 over photographs, searched for some words."""
    foundation = load_foundation("offline:conse")
    photos = load_images(source)
    index = build(
        load_model("offline:efficientnet_lite0"), photos, PHOTO_LAYERS, foundation, out / "photos-index",
        k=min(PHOTO_EXAMPLES, len(photos)), resume=True, progress=progress,
    )  # fmt: skip
    hits = search(index, probe(foundation, PHOTO_QUERIES), top=3)
    contact_sheet(index, hits).save(out / "photos.png")
    return out / "photos.png", hits


def knowledge(labels: Labels, of: str) -> list[Known]:
    """What the last layer knows that speaks for a class: its components by label, the most relevant first."""
    index, last = labels.index, labels.index.layers[-1]
    shares = np.maximum(relevance_of(index).of_class(of)[last.start : last.stop], 0)
    groups: dict[str, list[tuple[float, Component]]] = {}
    for unit in np.argsort(-shares, kind="stable").tolist():
        label = labels.of(last.start + unit) or ""
        groups.setdefault(label, []).append((float(shares[unit]), Component(last.layer, unit)))
    known = [Known(label, len(of), sum(share for share, _ in of), of[0][1]) for label, of in groups.items()]
    return sorted(known, key=lambda one: -one.relevance)


def chance(model: VisionModel, scenes: Sequence[Scene], of: str) -> Float32[np.ndarray, "n"]:
    """The probability that the model gives a class on each scene, in [0, 1]."""
    logits = outputs(model, scenes)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True))[:, CLASSES.index(of)]


def pairs(
    tried: Sequence[Scene], changed: Sequence[Scene], before: Float32[np.ndarray, "n"], after: Float32[np.ndarray, "n"]
) -> Image.Image:
    """Some scenes without and with the artefact, over the probability that the model gives each."""
    strip = Image.new("RGB", (WIDTH, 2 * (SIDE + 24) + GAP), "white")
    ink = ImageDraw.Draw(strip)
    for row, (scenes, chances) in enumerate(((tried, before), (changed, after))):
        for place in range(min(PAIRS, len(scenes))):
            x, y = GAP * 2 + place * (SIDE + GAP), row * (SIDE + 24)
            lay(strip, draw(scenes[place]).image, (x, y))
            ink.text(
                (x, y + SIDE + 3),
                f"other {chances[place]:.0%}",
                "#b42318" if chances[place] > 0.5 else "#1a7f37",
                font(14),
            )
    return strip


def page(parts: Mapping[str, Image.Image]) -> Image.Image:
    """Pictures under their headings, one below the other."""
    head = 46
    width = max(part.width for part in parts.values())
    sheet = Image.new("RGB", (width, sum(part.height + head for part in parts.values())), "white")
    ink, y = ImageDraw.Draw(sheet), 0
    for heading, part in parts.items():
        ink.text((GAP * 2, y + 12), heading, "black", font(22))
        sheet.paste(part, (0, y + head))
        y += head + part.height
    return sheet
