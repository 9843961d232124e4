"""Audits by foundation models that do not see what they are asked: `python benchmarks/blind_audits.py --images TABLE`.

Each case is built and audited end to end, by encoding and by examples, without marked images and, where there is a
table of them, with these. What counts is how many verdicts are "met" and sure: none may be, as what is asked for is not
seen.

- grounds: EfficientNet-Lite0 over captioned photographs that were pasted on grounds (TABLE has columns `file` and
  `background`), the grounds as spurious concepts, `offline:conse`, for the classes that are predicted most.
- lesions: the testbed's networks, with and without their shortcuts, by the shipped spec `melanoma`, `offline:conse`.
- unknown words: the same networks by `testbed:clip`, whose every spurious phrase has a word that it does not know.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import semlens as sl
from semlens.analysis.audit import Audit
from semlens.images import ImageSet
from semlens.testbed.world import CLASSES, NAMES, SHORTCUT, World, write_world

REQUIREMENTS = (
    *sl.load_spec("melanoma").requirements,
    "relevance_mass(spurious + both) <= 0.30",
    "no component with spurious > valid above relevance 0.20",
    "components(spurious) <= 20",
)
"""What is required everywhere: what a shipped spec requires, and more."""

UNKNOWN = ("glorp", "purple glorp", "blarg ruler", "red vlimp")
CONSE, CLIP = "offline:conse", "testbed:clip"
LITE, LITE_LAYERS, CLASSES_ASKED = "offline:efficientnet_lite0", ("conv_head",), 3
NETWORKS, LAYERS = ("testbed:shortcut", "testbed:clean"), ("block4",)


@dataclass(frozen=True)
class Case:
    """An audit that was made."""

    name: str
    marked: bool
    audit: Audit


def grounds(table: Path, folder: Path) -> Iterator[Case]:
    """Photographs on grounds that the foundation model hardly sees."""
    with table.open(encoding="utf8") as lines:
        rows = list(csv.DictReader(lines))
    shown = sorted({row["background"] for row in rows})
    marks = folder / "grounds.csv"
    with marks.open("w", newline="", encoding="utf8") as file:
        out = csv.writer(file)
        out.writerow(["image", *shown])
        out.writerows([row["file"], *(int(row["background"] == one) for one in shown)] for row in rows)
    images, model = sl.load_images(table), sl.load_model(LITE)
    classes = predicted(model, images)
    index = sl.build(
        model, images, LITE_LAYERS, sl.load_foundation(CONSE), folder / "grounds", k=8, classes=classes,
        of="predicted",
    )  # fmt: skip
    for number in classes:
        spec = sl.Spec(
            output=number, valid=["an animal", "food", "a vehicle", "a tool"], spurious=shown, requirements=REQUIREMENTS
        )
        yield from audits(f"grounds, class {number}", index, spec, folder, marks)


def predicted(model: sl.VisionModel, images: ImageSet) -> list[int]:
    """The classes that are predicted most."""
    import torch

    found: Counter[int] = Counter()
    with torch.inference_mode():
        for start in range(0, len(images), 32):
            batch = [model.preprocess(images.load(at)) for at in range(start, min(start + 32, len(images)))]
            found.update(model.net(torch.stack(batch)).argmax(dim=1).tolist())
    return [number for number, _ in found.most_common(CLASSES_ASKED)]


def lesions(folder: Path) -> Iterator[Case]:
    """Skin lesions, of which the foundation model knows nothing; and to one that does, phrases with unknown words."""
    table = write_world(World.of(SHORTCUT, 400, 61), folder / "world")
    marks = folder / "marks.csv"
    with table.open(encoding="utf8") as lines, marks.open("w", newline="", encoding="utf8") as file:
        out = csv.writer(file)
        out.writerow(["image", *NAMES])
        for row in csv.DictReader(lines):
            out.writerow([row["path"], *(int(float(row[name] or 0) > 0) for name in NAMES)])
    melanoma = sl.load_spec("melanoma")
    shipped = replace(melanoma, requirements=REQUIREMENTS)
    strange = sl.Spec(output=CLASSES[0], valid=["ragged border"], spurious=UNKNOWN, requirements=REQUIREMENTS)
    for network in NETWORKS:
        for foundation, what, spec in ((CONSE, "lesions", shipped), (CLIP, "unknown words", strange)):
            index = sl.build(
                sl.load_model(network), sl.load_images(table), LAYERS, sl.load_foundation(foundation),
                folder / f"{network}-{foundation}".replace(":", "-"), k=16, classes=CLASSES,
            )  # fmt: skip
            for output in CLASSES:
                own = marks if foundation == CONSE else None
                yield from audits(f"{what}, {network}, {output}", index, replace(spec, output=output), folder, own)


def audits(name: str, index: sl.ConceptIndex, spec: sl.Spec, folder: Path, marks: Path | None) -> Iterator[Case]:
    """By encoding and by examples, without marked images and with them."""
    foundation = sl.load_foundation(index.recipe.foundation.name)
    for table in (None, marks) if marks else (None,):
        rules = replace(spec, marks=table.name if table else "")
        probes = sl.probe_spec(foundation, rules, folder)
        for by in ("encoding", "examples"):
            yield Case(name, table is not None, sl.audit(index, rules, probes, by=by))


def main() -> None:
    """Prints a row per audit, and the totals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="the table of photographs; without it only the testbed is asked")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    print(
        "| case | by | marked | met, sure | met | not met | cannot tell | seen |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    with TemporaryDirectory() as name:
        folder = Path(name)
        every = [lesions(folder), *([grounds(options.images, folder)] if options.images else [])]
        for case in (case for some in every for case in some):
            verdicts = case.audit.verdicts
            kinds = Counter(verdict.verdict for verdict in verdicts)
            kinds["sure"] = sum(verdict.met and verdict.sure for verdict in verdicts)
            seen = [one.seen == "yes" for one in case.audit.visibility if one.side == "spurious"]
            blind = not all(seen)
            total.update({f"{kind}, {'blind' if blind else 'sees'}": count for kind, count in kinds.items()})
            cells = [str(kinds[kind]) for kind in ("sure", "met", "not met", "cannot tell")]
            marked = "yes" if case.marked else "no"
            print(
                f"| {case.name} | {case.audit.by} | {marked} | {' | '.join(cells)} | {np.sum(seen)} of {len(seen)} |",
                flush=True,
            )
    print(dict(total))


if __name__ == "__main__":
    main()
