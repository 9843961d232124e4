"""The truth benchmark: every claim about components held against what intervening in the world shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from semlens.benchmark import audits, heat, labels, models, relevance, scores, search
from semlens.benchmark.row import HEADER, Row, markdown
from semlens.benchmark.study import Study, study
from semlens.errors import unknown
from semlens.testbed.nets import CLASSIFIERS
from semlens.types import Progress, silent

__all__ = ["HEADER", "PARTS", "Row", "benchmark", "markdown"]

PARTS: Mapping[str, Callable[[Study], Iterator[Row]]] = {
    "model": models.rows,
    "search": search.rows,
    "heat maps and crops": heat.rows,
    "relevance": relevance.rows,
    "labels": labels.rows,
    "audit": audits.rows,
    "measures": scores.rows,
}
"""What is measured on each classifier; who adds a verb adds its part here."""


def benchmark(
    out: Path,
    *,
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    count: int = 600,
    k: int = 12,
    pairs: int = 64,
    progress: Progress = silent,
) -> list[Row]:
    """All figures for the testbed's classifiers and its foundation model; pictures and indexes are left below `out`.

    Args:
        count: pictures that the indexes are made from.
        pairs: pictures that every concept is put into or taken out of.

    Raises SemlensError for a classifier that does not exist.
    """
    for name in classifiers:
        if name not in CLASSIFIERS:
            raise unknown("classifier of the testbed", name, CLASSIFIERS)
    found = list(models.foundation_rows())
    for name in classifiers:
        studied = study(name, out, count=count, k=k, pairs=pairs, progress=progress)
        for done, rows in enumerate(PARTS.values(), start=1):
            found += rows(studied)
            progress(f"{name}: benchmark", done, len(PARTS))
    return found
