"""The commands that find directions of concepts and correct a model: `concept`, `correct`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import NewFile, NewFolder, Progress, app, as_json, device, say, seed, show
from semlens.cli.training import course_of, course_options, training_of, training_options
from semlens.errors import SemlensError

if TYPE_CHECKING:
    from semlens.analysis import Rows
    from semlens.analysis.audit import Spec

_FOUNDATION = click.option("--foundation", help="Which knows the phrases: open_clip:ARCH/TAG, testbed:clip.")


@app.command()
@click.argument("model")
@click.argument("images")
@click.option("--layer", required=True, help="Whose directions, as `layers` lists them.")
@click.option(
    "--positive", required=True, multiple=True,
    help="What shows a concept, several times for several: a phrase, NAME=folder:PATH, NAME=ids:3,17 or "
    "NAME=component:LAYER:UNIT.",
)  # fmt: skip
@click.option("--negative", help="Images that show none: folder:PATH or ids:1,2; all others if not given.")
@click.option(
    "--how", default="pattern", show_default=True, help="pattern, to remove; ridge, logistic, svm, to detect."
)
@click.option("--alone", is_flag=True, help="Make each direction by itself, not with the others held.")
@click.option("--index", type=click.Path(path_type=Path), help="The index in which a component has its examples.")
@_FOUNDATION
@click.option("-o", "--out", required=True, type=NewFile(".safetensors"), help="The dictionary's file.")
@device
@as_json
def concept(
    model: str, images: str, layer: str, positive: tuple[str, ...], negative: str | None, how: str, alone: bool,
    index: Path | None, foundation: str | None, out: Path, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Find the directions that concepts have in a layer of MODEL on IMAGES, as a dictionary with a unit per concept.

    Use it wherever a layer is named: LAYER@dictionary:OUT. One image in five is held out to see how well each direction
    tells its concept.
    """
    from semlens.correct import learn_concepts

    wanted = dict(_concept(text) for text in positive)
    with Progress() as progress:
        found = learn_concepts(
            sl.load_model(model, device), sl.load_images(images), layer, positive=wanted,
            negative=None if negative is None else _shows(negative), how=how, jointly=not alone,
            foundation=sl.load_foundation(foundation, device) if foundation else None,
            index=sl.load_index(index) if index else None, progress=progress,
        )  # fmt: skip
    saved = sl.save_dictionary(found.dictionary, out)
    show(found.told, as_json)
    if not as_json:
        say(f"a layer with it is written {saved.text}")


def _concept(text: str) -> tuple[str, Any]:
    """A concept's name and what shows it."""
    name, equals, what = text.partition("=")
    return (name, _shows(what)) if equals else (text, _shows(text))


def _shows(text: str) -> Any:
    """What is written as folder:PATH, ids:1,2, component:LAYER:UNIT, or else a phrase.

    Raises:
        SemlensError: ids that are no numbers, or no such folder.
    """
    kind, _, rest = text.partition(":")
    if kind == "folder":
        if not Path(rest).exists():
            raise SemlensError(f"there is no folder {rest}")
        return Path(rest)
    if kind == "component":
        return sl.Component.parse(rest)
    if kind == "ids":
        parts = rest.split(",")
        if not all(part.strip().isdecimal() for part in parts):
            raise SemlensError(f"{text!r}: write the ids of images as ids:3,17,20")
        return [int(part) for part in parts]
    return text


_HOW = click.option(
    "--how", default="project", show_default=True,
    help="project, reactive, mean, zero; retrain: the last layer alone; or by training on: rr-clarc, a-clarc, augment, "
    "rrr, cdep, reweight, fine-tune, feedback.",
)  # fmt: skip
_LAYER = click.option(
    "--layer", default="", help="In which a spec's concepts become directions: the last before the mean."
)
_REFIT = click.option(
    "--refit/--no-refit", default=True, show_default=True, help="Fit the last layer anew behind the changes."
)
_TRAIN = click.option(
    "--train", required=True, help="Labelled images that it is made from, best those of the model's training."
)
_IMAGES = click.option("--images", required=True, help="Other labelled images, on which it is measured.")


@app.command()
@click.argument("model")
@click.option(
    "--what",
    help="A spec (YAML, or a shipped one's name), LAYER:UNIT,LAYER:UNIT, a dictionary's file, or tags:INDEX, what was "
    "tagged spurious in the page.",
)
@_TRAIN
@_IMAGES
@_HOW
@_LAYER
@click.option(
    "--unit", "units", multiple=True, help="Of a dictionary or spec, by name or number; all if none is given."
)
@click.option("--choose", help="Labelled images of their own, by whose worst group it is chosen how much to take out.")
@_FOUNDATION
@_REFIT
@click.option("--output", help="Which output measures are about, by name or number; the spec's if there is one.")
@click.option(
    "--spurious-only", help="Images that hold the spurious features and nothing of the output's class: a folder, a "
    "table, or file:PATH.py:FUNCTION, which makes them from the seed.",
)  # fmt: skip
@click.option(
    "--pair", "pairs", nargs=3, multiple=True, metavar="CONCEPT WITH WITHOUT",
    help="Images that show a concept, and the same without it: by how much it moves the output.",
)  # fmt: skip
@training_options
@click.option("-o", "--out", required=True, type=NewFolder(), help="Folder of the correction and its certificate.")
@seed
@device
@as_json
def correct(
    model: str, what: str | None, train: str, images: str, how: str, layer: str, units: tuple[str, ...],
    choose: str | None, foundation: str | None, refit: bool, output: str | None, spurious_only: str | None,
    pairs: tuple[tuple[str, str, str], ...], training: dict[str, Any], out: Path, seed: int, device: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Take out of MODEL what should not be there, and say what that did: accuracy of every group before and after, and
    what moves an output.

    OUT holds the correction (`corrected:OUT` is the corrected model, wherever a model is named), weights.safetensors
    where it folds into the model's own weights, and certificate.html.
    """
    from semlens.correct import METHODS

    if what is None and how not in ("retrain", *METHODS):
        raise SemlensError("nothing to take out: give --what, or --how retrain to fit the last layer alone")
    studied, photos = sl.load_model(model, device), sl.load_images(images)
    space = sl.load_foundation(foundation, device) if foundation else None
    meant = _what(what) if what and how != "retrain" else _Meant(None)
    spec = meant.what if isinstance(meant.what, sl.Spec) else None
    wanted = output if output is not None else spec.output if spec else None
    pictures = sl.load_images(train)
    taught = training_of(training, how, spec, pictures, seed, out)
    with Progress() as progress:
        correction = sl.corrected(
            studied, meant.what, pictures, how="project" if how == "retrain" else how, layer=layer,
            units=list(units) or None, foundation=space, refit=refit or how == "retrain", choose=choose,
            marks=meant.marks, training=taught, progress=progress,
        )  # fmt: skip
        rows = sl.measure_correction(
            correction, photos, marks=meant.marks, spec=spec, output=output, foundation=space,
            spurious_only=_made(spurious_only, seed), pairs={name: (a, b) for name, a, b in pairs}, kept=meant.kept,
            relevance=wanted is not None, seed=seed, progress=progress,
        )  # fmt: skip
        folded = correction.save(out, photos)
    facts = {
        "model": model, "model's sha256": studied.fingerprint(), "correction's sha256": correction.changes.digest(),
        **correction.recipe, "tagged valid": [str(one) for one in meant.kept], "output": wanted,
        "measured on": photos.source, "their digest": photos.fingerprint, "spurious only": spurious_only,
        "pairs": [" ".join(pair) for pair in pairs], "seed": seed, "folded into weights": folded,
        "semlens": sl.__version__,
    }  # fmt: skip
    facts = {name: value for name, value in facts.items() if value not in (None, [], "")}
    (out / "certificate.html").write_text(sl.certificate(rows, facts, f"{model}, corrected"), encoding="utf-8")
    _tell(rows, correction, out, as_json)


def _tell(rows: "Rows[Any]", correction: "sl.Correction", out: Path, as_json: bool) -> None:
    """What was measured, and what a reader has to know beside it."""
    if as_json:
        show(rows, as_json)
    else:
        measures = dict.fromkeys(row.measure.removeprefix("worst-group ") for row in rows)
        for measure in measures:  # a table each, since one shows its first rows only
            print(repr(type(rows)([row for row in rows if row.measure.removeprefix("worst-group ") == measure])))
        for remark in rows.remarks:
            say(remark)
    if never := correction.recipe.get("classes never given"):
        say(f"careful: no image of {', '.join(never)} among those of --train: the refitted last layer never gives it")
    if aside := [row for row in rows if row.measure.startswith("side effect")]:
        moved = [row.group for row in aside if row.moved]
        say(f"side effects: {len(moved)} of {len(aside)} concepts that were left alone moved by more than their "
            f"interval{': ' if moved else ''}{', '.join(moved)}")  # fmt: skip
    if not as_json:
        say(f"corrected:{out} is the corrected model; certificate: {out / 'certificate.html'}")


@dataclass(frozen=True)
class _Meant:
    """What is to be taken out, which images are marked as showing what, and components that are to stay."""

    what: Any
    marks: dict[str, dict[str, bool]] = field(default_factory=dict)
    kept: "tuple[sl.Component, ...]" = ()


def _what(text: str) -> _Meant:
    if text.startswith("tags:"):
        return _tagged(Path(text.removeprefix("tags:")))
    if text.endswith(".safetensors"):
        return _Meant(sl.load_dictionary(text))
    if ":" in text and not Path(text).exists():
        return _Meant([part.strip() for part in text.split(",")])
    spec = sl.load_spec(text)
    return _Meant(spec, _marks(spec, Path(text).parent))


def _tagged(folder: Path) -> _Meant:
    """What was tagged in the page of an index: spurious components to take out, and valid ones to leave alone.

    Raises:
        SemlensError: none is tagged spurious.
    """
    from semlens.app.notes import tagged

    sl.load_index(folder)  # says what is wrong with it
    noted = tagged(folder)
    spurious, valid = (
        tuple(sl.Component(one.layer, one.unit) for one in noted if one.tag == tag) for tag in ("spurious", "valid")
    )
    if not spurious:
        raise SemlensError(f"no component of {folder} is tagged spurious: tag some in the page (serve {folder})")
    return _Meant(list(spurious), kept=valid)


def _made(text: str | None, seed: int) -> Any:
    """Images by a source, or those that a user's function makes from a seed."""
    if text is None or not text.startswith("file:"):
        return text
    from semlens.model import users_function

    return users_function(text.removeprefix("file:"), "file that makes images")(seed)


def _marks(spec: "Spec", folder: Path) -> dict[str, dict[str, bool]]:
    """The marks of the spec's spurious concepts."""
    from semlens.analysis.audit import read_marks

    if not spec.marks:
        return {}
    spurious = {one if isinstance(one, str) else one.name for one in spec.spurious}
    return {name: marks for name, marks in read_marks(folder / spec.marks, spec).items() if name in spurious}


@app.command()
@click.argument("model")
@click.argument("spec")
@_TRAIN
@_IMAGES
@_HOW
@_LAYER
@_FOUNDATION
@_REFIT
@course_options
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Artefacts taken out, at most.")
@click.option("-o", "--out", required=True, type=NewFolder(), help="Folder of the rounds and the certificate.")
@seed
@device
@as_json
def revise(
    model: str, spec: str, train: str, images: str, how: str, layer: str, foundation: str | None, refit: bool,
    training: dict[str, Any], rounds: int, out: Path, seed: int, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Audit MODEL by SPEC, find where the worst artefact lies, take it out, and audit again, until nothing is left
    (Reveal to Revise).

    OUT/round-N has each round: its index, its correction and a picture of the artefact cut out. OUT itself holds the
    last correction (`corrected:OUT`) and certificate.html. What is done already is not done again.
    """
    if not layer or not foundation:
        raise SemlensError("a spec's concepts become directions of a layer: give the layer (--layer) and --foundation")
    course = course_of(training, how, seed)
    rules, studied, photos = sl.load_spec(spec), sl.load_model(model, device), sl.load_images(images)
    with Progress() as progress:
        found = sl.revise(
            studied, rules, sl.load_images(train), photos, layer=layer,
            foundation=sl.load_foundation(foundation, device), out=out, folder=Path(spec).parent,
            marks=_marks(rules, Path(spec).parent), how=how, refit=refit, course=course, rounds=rounds, seed=seed,
            progress=progress,
        )  # fmt: skip
    folded = found.correction.save(out, photos)
    facts = {
        "model": model, "model's sha256": studied.fingerprint(),
        "correction's sha256": found.correction.changes.digest(), **found.correction.recipe,
        "measured on": photos.source, "their digest": photos.fingerprint, "seed": seed, "folded into weights": folded,
        "semlens": sl.__version__,
    }  # fmt: skip
    pictures = {
        f"{row.without}: the images that show most of it, and what was cut out": file.read_bytes()
        for row in found.rounds
        if (file := out / f"round-{row.round}" / "artefact.png").exists()
    }
    page = sl.certificate(found.measured, facts, f"{model}, revised", rounds=found.rounds, pictures=pictures)
    (out / "certificate.html").write_text(page, encoding="utf-8")
    show(found.rounds, as_json)
    if not as_json:
        say(f"corrected:{out} is the revised model; certificate: {out / 'certificate.html'}")
