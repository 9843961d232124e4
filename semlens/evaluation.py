"""What was measured of some components' labels, component by component and on average."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.measures import Estimate
from semlens.results import Rows
from semlens.shapes import Float64


@dataclass(frozen=True, eq=False)
class Scores:
    """One measure of every component's label; NaN where a component lacks what it needs."""

    measure: str
    labels: str  # "found", "random" or "oracle"
    values: Float64[np.ndarray, "c"]
    mean: Estimate  # over the components that have a value; the interval says what other such components would give
    images_from: str = ""  # "retrieved" or "generated", where images were sought that show the label
    p: Float64[np.ndarray, "c"] | None = None  # of each AUC, that its label's images excite a component no more


@dataclass(frozen=True)
class EvaluationRow:
    """The mean of a measure over components, with its 95 % bootstrap interval."""

    measure: str
    labels: str
    value: float
    low: float
    high: float
    n: int  # components that count
    left_out: int  # dead, constant, without a label or a true name
    images_from: str


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """What was measured of some components' labels."""

    scores: tuple[Scores, ...]

    @property
    def rows(self) -> Rows[EvaluationRow]:
        """A row per measure and kind of labels."""
        return Rows(map(_row, self.scores), "How faithful the labels are")

    def of(self, measure: str, labels: str = "found") -> Scores:
        """A measure of every component. Raises SemlensError if it was not measured."""
        names = [f"{scores.measure} ({scores.labels})" for scores in self.scores]
        if (asked := f"{measure} ({labels})") not in names:
            raise unknown("measure", asked, names)
        return self.scores[names.index(asked)]

    def __repr__(self) -> str:
        return repr(self.rows)


def join(evaluations: Iterable[Evaluation]) -> Evaluation:
    """Evaluations of the same components as one. Raises SemlensError if a measure occurs twice, if the components are
    not as many, or if some images were retrieved and others generated: such figures do not compare."""
    scores = tuple(scores for evaluation in evaluations for scores in evaluation.scores)
    if len({s.images_from for s in scores} - {""}) > 1:
        raise SemlensError("figures of retrieved and of generated images do not compare: keep the evaluations apart")
    if len({len(s.values) for s in scores}) > 1 or len({(s.measure, s.labels) for s in scores}) < len(scores):
        raise SemlensError("the evaluations repeat a measure or are of different components: keep them apart")
    return Evaluation(scores)


def _row(s: Scores) -> EvaluationRow:
    left_out = len(s.values) - s.mean.n
    return EvaluationRow(s.measure, s.labels, s.mean.value, s.mean.low, s.mean.high, s.mean.n, left_out, s.images_from)
