"""What the numbers in each part of an index may be, whoever wrote them: docs/index-format.md, part by part.

Types and shapes are checked before. What is wrong is a ValueError with the bare fact; who opens a file adds its name.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from semlens.index.files import Arrays
from semlens.shapes import Bool, Float, Int32
from semlens.types import MISSING

Sizes = Mapping[str, int]
"""The length of each axis."""


def check_numbers(part: str, arrays: Arrays, sizes: Sizes) -> None:
    """Returns if no number of the part points outside or is out of range.

    Raises:
        ValueError: if one does.
    """
    if part in _RULES:
        _RULES[part](arrays, sizes)
    if "offsets" in arrays:
        _check_offsets(arrays["data"], arrays["offsets"])


def check_examples(part: str, arrays: Arrays, rows: Int32[np.ndarray, "c k"]) -> None:
    """Returns if the part speaks of no concept example that the index, whose `rows` are given, does not have.

    Raises:
        ValueError: if it does.
    """
    valid = np.asarray(rows != MISSING)
    dead = ~valid.any(axis=1)
    if part == "labels" and (arrays["ranked"][dead] != MISSING).any():
        raise ValueError("ranked holds a phrase for a dead component")
    if part == "label-meanings" and (arrays["groups"][~valid[arrays["rows"]]] != 0).any():
        raise ValueError("groups names a slot that holds no example")
    if part == "atlas" and ((arrays["cluster"] == MISSING) != dead).any():
        raise ValueError("cluster holds a dead component, or leaves out a living one")


def _examples(arrays: Arrays, sizes: Sizes) -> None:
    ids, rows = arrays["ids"], arrays["rows"]
    _check_inside("ids", ids, sizes["i"], missing=True)
    _check_inside("rows", rows, sizes["u"], missing=True)
    if ((rows != MISSING) & (ids == MISSING)).any():
        raise ValueError("rows names a crop where ids names no image")
    if any(arrays[name].min(initial=0) < 0 for name in ("positions", "fired", "nan")):
        raise ValueError("a position or a count is negative")


def _crops(arrays: Arrays, sizes: Sizes) -> None:
    _check_inside("sources", arrays["sources"], sizes["i"])
    left, top, right, bottom = arrays["boxes"].T
    if not ((left >= 0) & (top >= 0) & (right > left) & (bottom > top)).all():
        raise ValueError("boxes holds an empty box")


def _relevance(arrays: Arrays, sizes: Sizes) -> None:
    ids, shares, counts = arrays["ids"], arrays["shares"], arrays["counts"]
    _check_alike(arrays, "ids", "shares")
    _check_inside("ids", ids, sizes["i"], missing=True)
    if not np.where(ids == MISSING, shares == -np.inf, (shares > 0) & (shares <= 1)).all():
        raise ValueError("shares holds a value outside of 0 to 1, or one where ids names no image")
    if ((counts < 0) | (counts > sizes["i"])).any():
        raise ValueError(f"counts holds a value outside of 0 to {sizes['i']}")
    for name in ("positive", "negative", "frequency"):
        values = arrays[name]
        if not np.where(counts > 0, (values >= 0) & (values <= 1), np.isnan(values)).all():
            raise ValueError(f"{name} holds a value outside of 0 to 1, or one for a class without images")


def _histogram(arrays: Arrays, sizes: Sizes) -> None:
    counts = arrays["counts"]
    if counts.min(initial=0) < 0 or counts.sum(axis=1, dtype=np.int64).max(initial=0) > sizes["i"]:
        raise ValueError(f"counts holds a negative number, or more than {sizes['i']} images for a component")


def _labels(arrays: Arrays, sizes: Sizes) -> None:
    ranked, alignments = arrays["ranked"], arrays["alignments"]
    _check_alike(arrays, "ranked", "alignments")
    if not ranked.shape[1]:
        raise ValueError("ranked has no column")
    _check_inside("ranked", ranked, sizes["q"], missing=True)
    empty = ranked == MISSING
    if (empty != empty[:, :1]).any():
        raise ValueError("ranked holds MISSING beside a phrase")
    if not np.where(empty, np.isnan(alignments), np.isfinite(alignments)).all():
        raise ValueError("alignments holds a value that is not finite, or one where ranked names no phrase")
    for name in ("p_value", "q_value"):
        _check_range(name, arrays[name], 0, 1, nan=False)
    _check_range("stability", arrays["stability"], 0, 1)


def _meanings(arrays: Arrays, sizes: Sizes) -> None:
    _check_inside("rows", arrays["rows"], sizes["c"])
    if (arrays["rows"][1:] <= arrays["rows"][:-1]).any():
        raise ValueError("rows does not ascend")
    _check_inside("phrases", arrays["phrases"], sizes["q"])
    if not np.isfinite(arrays["scores"]).all():
        raise ValueError("scores holds a value that is not finite")
    if (arrays["groups"] > 2).any():
        raise ValueError("groups holds a value above 2")


def _scores(arrays: Arrays, sizes: Sizes) -> None:
    for name, least, most in (*_MEASURES, ("clarity_p", 0, 1)):
        _check_range(name, arrays[name], least, most)
    if (np.isinf(arrays["excess"]) | (arrays["excess"] > 1)).any():
        raise ValueError("excess holds a value above 1, or an infinite one")


def _layer_scores(arrays: Arrays, sizes: Sizes) -> None:
    for name, least, most in _MEASURES:
        _check_range(name, arrays[name], least, most)


def _atlas(arrays: Arrays, sizes: Sizes) -> None:
    cluster = arrays["cluster"]
    _check_inside("cluster", cluster, sizes["g"], missing=True)
    for name in ("x", "y"):
        if not np.where(cluster == MISSING, np.isnan(arrays[name]), np.isfinite(arrays[name])).all():
            raise ValueError(f"{name} holds a value that is not finite, or one where cluster is MISSING")
    if len(np.unique(cluster[cluster != MISSING])) < sizes["g"]:
        raise ValueError("cluster leaves a cluster without components")


def _clusters(arrays: Arrays, sizes: Sizes) -> None:
    if np.isinf(arrays["fits"]).any():
        raise ValueError("fits holds an infinite value")


_MEASURES = (("clarity", -1, 1), ("polysemanticity", 0, 2), ("redundancy", -1, 1))
_RULES: Mapping[str, Callable[[Arrays, Sizes], None]] = MappingProxyType(
    {
        "examples": _examples,
        "vectors": _crops,
        "relevance": _relevance,
        "histogram": _histogram,
        "labels": _labels,
        "label-meanings": _meanings,
        "scores": _scores,
        "layer-scores": _layer_scores,
        "atlas": _atlas,
        "clusters": _clusters,
    }
)


def _check_alike(arrays: Arrays, one: str, other: str) -> None:
    if arrays[one].shape != arrays[other].shape:
        raise ValueError(f"{other} is {list(arrays[other].shape)}, not {list(arrays[one].shape)} as {one}")


def _check_inside(name: str, values: Int32[np.ndarray, "..."], stop: int, *, missing: bool = False) -> None:
    wrong = _outside(values, stop)
    if (wrong & (values != MISSING) if missing else wrong).any():
        raise ValueError(f"{name} points outside of 0 to {stop - 1}")


def _outside(values: Int32[np.ndarray, "..."], stop: int) -> Bool[np.ndarray, "..."]:
    """Which values are not in [0, stop), in one pass: as an unsigned number a negative one is larger than any stop."""
    return np.asarray(values.view(np.uint32) >= stop)


def _check_range(name: str, values: Float[np.ndarray, "..."], least: int, most: int, *, nan: bool = True) -> None:
    if not ((values >= least) & (values <= most) | (np.isnan(values) & nan)).all():
        raise ValueError(f"{name} holds a value outside of {least} to {most}")


def _check_offsets(data: np.ndarray, offsets: np.ndarray) -> None:
    if offsets[0] != 0 or offsets[-1] != len(data) or (offsets[1:] < offsets[:-1]).any():
        raise ValueError("offsets do not divide data")
