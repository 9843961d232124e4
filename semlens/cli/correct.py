"""The commands that find directions of concepts and correct a model: `concept`, `correct`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import semlens as sl
from semlens.cli.common import NewFile, NewFolder, app, as_json, device, seed, show
from semlens.cli.show import Progress, say
from semlens.errors import SemlensError

if TYPE_CHECKING:
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


@app.command()
@click.argument("model")
@click.option("--what", help="A spec (YAML, or a shipped one's name), LAYER:UNIT,LAYER:UNIT, or a dictionary's file.")
@click.option(
    "--train", required=True, help="Labelled images that it is made from, best those of the model's training."
)
@click.option("--images", required=True, help="Other labelled images, on which it is measured.")
@click.option(
    "--how", default="project", show_default=True, help="project, reactive, mean, zero; retrain: the last layer alone."
)
@click.option("--layer", default="", help="In which a spec's concepts become directions: the last before the mean.")
@click.option("--unit", "units", multiple=True, help="Of a dictionary, by name or number; all if none is given.")
@_FOUNDATION
@click.option("--refit/--no-refit", default=True, show_default=True, help="Fit the last layer anew behind the changes.")
@click.option("-o", "--out", required=True, type=NewFolder(), help="Folder of the correction and its certificate.")
@seed
@device
@as_json
def correct(
    model: str, what: str | None, train: str, images: str, how: str, layer: str, units: tuple[str, ...],
    foundation: str | None, refit: bool, out: Path, seed: int, device: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Take out of MODEL what should not be there, and say what that did: accuracy of every group before and after.

    OUT holds the correction (`corrected:OUT` is the corrected model, wherever a model is named), weights.safetensors
    where it folds into the model's own weights, and certificate.html.
    """
    if what is None and how != "retrain":
        raise SemlensError("nothing to take out: give --what, or --how retrain to fit the last layer alone")
    studied, photos = sl.load_model(model, device), sl.load_images(images)
    space = sl.load_foundation(foundation, device) if foundation else None
    meant, marks = _what(what) if what and how != "retrain" else (None, {})
    spec = meant if isinstance(meant, sl.Spec) else None
    with Progress() as progress:
        correction = sl.corrected(
            studied, meant, sl.load_images(train), how="project" if how == "retrain" else how, layer=layer,
            units=list(units) or None, foundation=space, refit=refit or how == "retrain", progress=progress,
        )  # fmt: skip
        rows = sl.measure_correction(
            correction, photos, marks=marks, spec=spec, foundation=space, seed=seed, progress=progress
        )
        folded = correction.save(out, photos)
    facts = {
        "model": model, "model's sha256": studied.fingerprint(), "correction's sha256": correction.changes.digest(),
        **correction.recipe, "measured on": photos.source, "their digest": photos.fingerprint, "seed": seed,
        "folded into weights": folded, "semlens": sl.__version__,
    }  # fmt: skip
    (out / "certificate.html").write_text(sl.certificate(rows, facts, f"{model}, corrected"), encoding="utf-8")
    if as_json:
        return show(rows, as_json)
    for accuracy in (True, False):  # a table each, since one shows its first rows only
        if some := [row for row in rows if row.measure.endswith("accuracy") == accuracy]:
            print(repr(type(rows)(some, rows.title)))
    say(f"corrected:{out} is the corrected model; certificate: {out / 'certificate.html'}")


def _what(text: str) -> "tuple[Any, dict[str, dict[str, bool]]]":
    """What is to be taken out, and which images are marked as showing what."""
    if text.endswith(".safetensors"):
        return sl.load_dictionary(text), {}
    if ":" in text and not Path(text).exists():
        return [part.strip() for part in text.split(",")], {}
    spec = sl.load_spec(text)
    return spec, _marks(spec, Path(text).parent)


def _marks(spec: "Spec", folder: Path) -> dict[str, dict[str, bool]]:
    """The marks of the spec's spurious concepts."""
    from semlens.analysis.audit import read_marks

    if not spec.marks:
        return {}
    spurious = {one if isinstance(one, str) else one.name for one in spec.spurious}
    return {name: marks for name, marks in read_marks(folder / spec.marks, spec).items() if name in spurious}
