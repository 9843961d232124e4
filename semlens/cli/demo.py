"""The whole story on the testbed: a network is searched, labelled, audited, caught at what it should not do, corrected,
and audited again.

It is told with the public names, as any script would tell it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

import semlens as sl
from semlens.analysis import Hit, Labels, relevance_of
from semlens.analysis.audit import Audit, Verdict
from semlens.app.audits import remember
from semlens.benchmark.truth import outputs
from semlens.images import ImageSet
from semlens.testbed.world import CLASSES, CONCEPTS, SHORTCUT, Scene, World, draw, write_world
from semlens.types import Component, Float32, Progress
from semlens.views.tiles import GAP, SIDE, TEXT, font, lay

MODEL, FOUNDATION = "testbed:shortcut", "testbed:clip"
LAYERS = ("block2", "block3", "block4")
QUERIES = ("ruler", "blue-white veil")
PHOTO_LAYERS, PHOTO_EXAMPLES = ("blocks.4", "conv_head"), 8
PHOTO_QUERIES = ("an animal", "food", "a vehicle", "a building", "a printed page")
ARTEFACT, SPOKEN_FOR = "band-aid", "other"
"""The artefact that is put in, and the class that it speaks for."""

SEED = 5
VECTORS = 500  # images of a class whose relevance vectors are kept
LABELS_ON_SHEET, PAIRS_ON_SHEET = 5, 9

WIDTH = TEXT + 8 * (SIDE + GAP) + GAP


@dataclass(frozen=True)
class Size:
    """How much material the story takes."""

    pictures: int = 600
    examples: int = 16  # per component
    changed: int = 40  # melanomas that get a band-aid
    drawing: str = "umap"  # of the map; "principal" where the extra is not installed


USUAL = Size()


@dataclass(frozen=True)
class Known:
    """The components of a layer that one phrase fits best, and what they contribute to a class."""

    label: str  # empty: those without a label
    components: int
    relevance: float  # sum of their positive shares for the class, in [0, 1]
    strongest: Component


@dataclass(frozen=True)
class Effect:
    """What the artefact does to melanomas, nothing else changed."""

    scenes: tuple[Scene, ...]
    changed: tuple[Scene, ...]  # the same with the artefact
    before: Float32[np.ndarray, "n"]  # probability of the class that it speaks for, in [0, 1]
    after: Float32[np.ndarray, "n"]

    @property
    def turned(self) -> float:
        """Part of the scenes that are taken for that class only with the artefact, in [0, 1]."""
        return float(((self.before < 0.5) & (self.after > 0.5)).mean())


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
    corrected: Path  # the correction's folder
    second: tuple[Verdict, ...]  # of the audit of the corrected model
    healed: Effect  # what the artefact does to it

    def json(self) -> list[dict[str, Any]]:
        """Hits, what is known, the verdicts of both audits, what the artefact does before and after, a row each."""
        effect = {"put_in": ARTEFACT, "before": self.before, "after": self.after, "turned": self.turned}
        hits = [asdict(hit) | {"component": str(hit.component)} for hit in self.hits]
        known = [asdict(group) | {"strongest": str(group.strongest)} for group in self.known]
        files = {"index": str(self.index), "picture": str(self.picture), "report": str(self.report)}
        second = [asdict(verdict) | {"model": "corrected"} for verdict in self.second]
        healed = {"corrected": str(self.corrected), "put_in": ARTEFACT, "before": float(self.healed.before.mean()),
                  "after": float(self.healed.after.mean()), "turned": self.healed.turned}  # fmt: skip
        return [*hits, *known, *map(asdict, self.verdicts), *second, healed, files | effect]


def run(out: Path, progress: Progress, size: Size = USUAL) -> Story:
    """The story, told below `out`: the pictures, the index, and a sheet that shows it all."""
    foundation, model = sl.load_foundation(FOUNDATION), sl.load_model(MODEL)
    pictures = World.of(SHORTCUT, size.pictures, SEED)
    table = write_world(pictures, out / "world", progress=progress)
    images = sl.load_images(table)
    index = sl.build(
        model, images, LAYERS, foundation, out / "index", k=size.examples, crop="relevance", classes=CLASSES,
        vectors=VECTORS, resume=True, progress=progress,
    )  # fmt: skip
    hits = sl.search(index, sl.probe(foundation, QUERIES), top=3)
    words = sl.probe(foundation, [concept.phrases[0] for concept in CONCEPTS])
    labels = sl.label(index, words, progress=progress)
    known = knowledge(labels, SPOKEN_FOR)
    drawing = size.drawing if find_spec("umap") else "principal"
    for result in (labels, sl.score(index), sl.atlas(index, vocabulary=words, drawing=drawing, progress=progress)):
        sl.keep(result, out / "index")  # so that the page shows them at once
    spec = replace(sl.load_spec("melanoma"), output=SPOKEN_FOR, title=f"What speaks for {SPOKEN_FOR!r}")
    audited = sl.audit(index, spec, sl.probe_spec(foundation, spec), labels=labels)
    (out / "report.html").write_text(sl.report(audited), encoding="utf-8")
    remember(out / "index", audited)  # so that the page offers it
    effect = put_in(model, pictures.scenes, size.changed)
    second, healed = _corrected(model, audited, images, pictures.scenes, out, progress, size)
    heats = sl.portraits(index, model, images, [group.strongest for group in known[:LABELS_ON_SHEET]], examples=4)
    rows = [replace(row, label=group.label or "no label") for row, group in zip(heats, known, strict=False)]
    sheet = {
        f"Search: the components that {' and '.join(map(repr, QUERIES))} find": sl.contact_sheet(index, hits),
        f"What speaks for {SPOKEN_FOR!r}: the strongest component of each label, and where it looks": sl.heat_sheet(
            rows
        ),
        f"What a {ARTEFACT} does: the chance of {SPOKEN_FOR!r} before and after": pairs(effect),
        "The same pictures with the corrected network": pairs(healed),
    }
    page(sheet).save(out / "sheet.png")
    return Story(
        out / "index", table, out / "sheet.png", out / "report.html", tuple(hits), tuple(known),
        tuple(audited.verdicts), float(effect.before.mean()), float(effect.after.mean()), effect.turned,
        out / "corrected", tuple(second.verdicts), healed,
    )  # fmt: skip


def _corrected(
    model: sl.VisionModel, audited: Audit, images: ImageSet, scenes: Sequence[Scene], out: Path,
    progress: Progress, size: Size,
) -> tuple[Audit, Effect]:  # fmt: skip
    """What the audit found taken out of the network: an audit of what is left, and what the artefact does to it."""
    correction = sl.corrected(model, audited, images, progress=progress)
    correction.save(out / "corrected", images)
    with correction as corrected:
        index = sl.build(
            corrected, images, LAYERS[-1], sl.load_foundation(FOUNDATION), out / "corrected-index", k=size.examples,
            classes=CLASSES, resume=True, progress=progress,
        )  # fmt: skip
        healed = put_in(corrected, scenes, size.changed)
    second = sl.audit(index, audited.spec, audited.probes)
    (out / "report-corrected.html").write_text(sl.report(second, before=audited), encoding="utf-8")
    return second, healed


def run_on(source: str, choices: Mapping[str, Any], out: Path, progress: Progress) -> tuple[Path, Sequence[Hit]]:
    """A picture of what is found, and the hits: EfficientNet-Lite0 over photographs, searched for some words."""
    foundation = sl.load_foundation("offline:conse")
    photos = sl.load_images(source, **choices)
    index = sl.build(
        sl.load_model("offline:efficientnet_lite0"), photos, PHOTO_LAYERS, foundation, out / "photos-index",
        k=min(PHOTO_EXAMPLES, len(photos)), resume=True, progress=progress,
    )  # fmt: skip
    hits = sl.search(index, sl.probe(foundation, PHOTO_QUERIES), top=3)
    sl.contact_sheet(index, hits).save(out / "photos.png")
    return out / "photos.png", hits


def put_in(model: sl.VisionModel, scenes: Sequence[Scene], count: int) -> Effect:
    """What the artefact does to the first `count` scenes of the other class that do not have it."""
    without = [scene for scene in scenes if scene.diagnosis != SPOKEN_FOR and not scene.has(ARTEFACT)][:count]
    changed = [scene.with_level(ARTEFACT, 1.0) for scene in without]
    before, after = (chance(model, group, SPOKEN_FOR) for group in (without, changed))
    return Effect(tuple(without), tuple(changed), before, after)


def knowledge(labels: Labels, output: str) -> list[Known]:
    """What the last layer knows that speaks for a class: its components by label, the most relevant first."""
    index, last = labels.index, labels.index.layers[-1]
    shares = np.maximum(relevance_of(index).of_class(output)[last.start : last.stop], 0)
    groups: dict[str, list[tuple[float, Component]]] = {}
    for unit in np.argsort(-shares, kind="stable").tolist():
        label = labels.of(last.start + unit) or ""
        groups.setdefault(label, []).append((float(shares[unit]), Component(last.layer, unit)))
    known = [
        Known(label, len(members), sum(share for share, _ in members), members[0][1])
        for label, members in groups.items()
    ]
    return sorted(known, key=lambda group: -group.relevance)


def chance(model: sl.VisionModel, scenes: Sequence[Scene], output: str) -> Float32[np.ndarray, "n"]:
    """The probability that the model gives a class on each scene, in [0, 1]."""
    logits = outputs(model, scenes)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (odds / odds.sum(axis=1, keepdims=True))[:, CLASSES.index(output)]


def pairs(effect: Effect) -> Image.Image:
    """Some scenes without and with the artefact, over the probability that the model gives each."""
    strip = Image.new("RGB", (WIDTH, 2 * (SIDE + 24) + GAP), "white")
    ink = ImageDraw.Draw(strip)
    for row, (scenes, chances) in enumerate(((effect.scenes, effect.before), (effect.changed, effect.after))):
        for place in range(min(PAIRS_ON_SHEET, len(scenes))):
            x, y = GAP * 2 + place * (SIDE + GAP), row * (SIDE + 24)
            lay(strip, draw(scenes[place]).image, (x, y))
            colour = "#b42318" if chances[place] > 0.5 else "#1a7f37"
            ink.text((x, y + SIDE + 3), f"{SPOKEN_FOR} {chances[place]:.0%}", colour, font(14))
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
