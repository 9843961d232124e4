"""What `attribute` explains, as it is written on the command line, and the table of `attribute --check`."""

import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import semlens as sl
from semlens.cli.common import print_json, say, table
from semlens.errors import SemlensError, unknown

if TYPE_CHECKING:
    from PIL.Image import Image

    from semlens.attribution import Check

RECIPES = {"box-score": "box_score", "mask-logit": "mask_logit", "map-mean": "map_mean"}
"""Ready targets by name; after a colon comes a class, by name or number, or a channel."""

TOWERS = ("open_clip:", "testbed:clip")
"""How models begin that are the image tower of the foundation model of the same name."""

_COLUMNS = 3  # of inputs that are no pixels, with one for all others


def read_target(text: str | None, model: "sl.VisionModel", foundation: str | None = None) -> Any:
    """The target that is written as an output's name or number, `layer:unit`, PATH.py:NAME, a recipe's name, or
    `similarity:TEXT`.

    Args:
        foundation: which embeds TEXT; by default the model of which the studied one is the image tower.

    Raises:
        SemlensError: a file or function that does not exist, a class that a recipe cannot find, or a text that no
            foundation model is given for.
    """
    if text is None:
        return None
    head, _, tail = text.rpartition(":")
    if head.endswith(".py"):
        return _function(Path(head), tail)
    name, _, which = text.partition(":")
    name = name.replace("_", "-")
    if name == "similarity" and which and text not in model.class_names:
        spec = foundation or (model.name if model.name.startswith(TOWERS) else None)
        return sl.similarity(which, sl.load_foundation(spec, str(model.device)) if spec else None)
    if name in RECIPES and text not in model.class_names:
        recipe = getattr(sl, RECIPES[name])
        return recipe(_number(which, model)) if which else _without_class(name, recipe)
    return text


def _without_class(name: str, recipe: Any) -> Any:
    if name == "mask-logit":
        raise SemlensError("a mask is one of a class: write mask-logit:CLASS, with the class's name or number")
    return recipe()


def _number(which: str, model: "sl.VisionModel") -> int:
    if which.isdecimal():
        return int(which)
    if which not in model.class_names:
        raise unknown("class", which, model.class_names, "or give its number")
    return model.class_names.index(which)


def _function(path: Path, name: str) -> Any:
    """A function of the model's output in a user's own Python file, which is code and is trusted as such."""
    if not path.is_file():
        raise unknown("file", str(path), [str(found) for found in path.parent.glob("*.py")], "Write PATH.py:FUNCTION")
    sys.path.insert(0, str(path.resolve().parent))
    try:
        names = runpy.run_path(str(path))
    finally:
        sys.path.pop(0)
    if not callable(function := names.get(name)) and not hasattr(function, "function"):
        raise unknown(f"function in {path}", name, [known for known, value in names.items() if callable(value)])
    return function


def show_checks(
    model: "sl.VisionModel", photos: "Sequence[Image]", what: Any, methods: Sequence[str], as_json: bool
) -> int:
    """Prints how each method behaves; the exit code: 1 if one that was asked for, or the default one, has a fault."""
    import torch

    from semlens.attribution import COMPOSITES, Composite, choose, noise

    if not photos:
        photos = noise()
        say("checked on noise; give images for figures that mean your data")
    x = torch.stack([model.preprocess(photo) for photo in photos]).to(model.device, model.dtype)
    default = choose("auto", model, x)
    assert isinstance(default, Composite)
    needed = list(methods) or [default.name]
    others = [] if methods else [name for name in COMPOSITES if name != default.name]
    results = sl.check(model, x, [*needed, *others], target=what)
    if as_json:
        print_json({"model": model.name, **_row(found), "default": found.method == default.name} for found in results)
    else:
        _show(results, default.name)
    return int(any(result.fault for result in results[: len(needed)]))


def _show(results: Sequence["Check"], default: str) -> None:
    """A table with a row per method, and below it a sentence for each fault and doubt."""
    inputs = _inputs(results)
    cells = ("arrived", "biases", "stabilisers", *inputs, "rest", "size")
    rows = []
    for result in results:
        name = f"{result.method} *" if result.method == default else result.method
        figures = _figures(result, inputs) if result.report else [""] * len(cells)
        rows.append([name, result.verdict, *figures])
    caption = (
        "* the default. Shares of the relevance that entered: arrived at the pixels, kept by biases and stabilisers"
        f"{', arrived at inputs that are no pixels' if inputs else ''}; the rest is what softmaxes add or drop. size: "
        "sum of |relevance| by the explained value; far above 1, relevance of both signs cancels."
    )
    table(("method", "verdict", *cells), rows, caption)
    sentences: dict[str, list[str]] = {}
    for result in results:
        for sentence in filter(None, (result.fault, *result.doubts, result.remark)):
            sentences.setdefault(sentence, []).append(result.method)
    for sentence, methods in sentences.items():
        print(f"{', '.join(methods) if len(methods) < len(results) else 'all'}: {sentence}")


def _inputs(results: Sequence["Check"]) -> list[str]:
    """The inputs that are no pixels which the table shows by name, most first, and one column for all others."""
    most: dict[str, float] = {}
    for result in results:
        for name, share in (result.report.shares_of_inputs() if result.report else {}).items():
            most[name] = max(most.get(name, 0.0), abs(share))
    names = sorted(most, key=lambda name: -most[name])
    return names if len(names) <= _COLUMNS else [*names[: _COLUMNS - 1], "other inputs"]


def _figures(result: "Check", inputs: Sequence[str]) -> list[str]:
    report = result.report
    assert report is not None
    shares = report.shares_of_inputs()
    named = [shares.pop(name, 0.0) if name != "other inputs" else sum(shares.values()) for name in inputs]
    parts = [*(report.share(part) for part in (report.arrived, report.bias, report.stabiliser)), *named]
    return [*(_percent(share) for share in [*parts, report.share(report.rest)]), f"{result.size:,.1f}"]


def _percent(share: float) -> str:
    return f"{share + 0.0:,.0%}" if abs(share) >= 0.1 else f"{round(share, 3) + 0.0:.1%}"


def _row(result: "Check") -> dict[str, Any]:
    report = result.report
    worst = report.layers[0] if report and report.layers else None
    parts = ("arrived", "bias", "stabiliser", "elsewhere", "rest")
    return {
        "method": result.method,
        "verdict": result.verdict,
        "fault": result.fault,
        "doubts": list(result.doubts),
        **{part: round(report.share(getattr(report, part)), 5) if report else None for part in parts},
        "inputs": {name: round(share, 5) for name, share in report.shares_of_inputs().items()} if report else {},
        "size": result.size if result.size == result.size else None,
        "layer": f"{worst.layer} ({worst.total:.0%})" if worst and worst.total >= 0.005 else None,
    }
