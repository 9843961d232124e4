"""The truth benchmark: every claim about components held against what intervening in the world shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from semlens.benchmark import audits, encoded, heat, labels, models, relevance, scores, search
from semlens.benchmark.prepare import prepare
from semlens.benchmark.study import HEADER, PUBLISHED, Row, Settings, Study, markdown
from semlens.errors import unknown
from semlens.progress import visible
from semlens.testbed.nets import CLASSIFIERS
from semlens.types import Progress

__all__ = ["HEADER", "PARTS", "PUBLISHED", "Row", "Settings", "Study", "benchmark", "markdown", "prepare"]

PARTS: Mapping[str, Callable[[Study], Iterator[Row]]] = {
    "model": models.rows,
    "search": search.rows,
    "heat maps and crops": heat.rows,
    "relevance": relevance.rows,
    "labels": labels.rows,
    "audit": audits.rows,
    "by encoding": encoded.rows,
    "measures": scores.rows,
}
"""What is measured on each classifier; who adds a verb adds its part here."""


def benchmark(
    out: Path,
    *,
    classifiers: Sequence[str] = tuple(CLASSIFIERS),
    settings: Settings = PUBLISHED,
    progress: Progress = visible,
) -> list[Row]:
    """All figures for the testbed's classifiers and its foundation model; pictures and indexes are left below `out`.

    Raises:
        SemlensError: for a classifier that does not exist.
    """
    for name in classifiers:
        if name not in CLASSIFIERS:
            raise unknown("classifier of the testbed", name, CLASSIFIERS)
    table = list(models.foundation_rows(settings))
    for name in classifiers:
        study = prepare(name, out, settings, progress=progress)
        for done, rows in enumerate(PARTS.values(), start=1):
            table += rows(study)
            progress(f"{name}: benchmark", done, len(PARTS))
    return table
