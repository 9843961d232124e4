"""What changed from one model to another, in words: labels that components of one have, and none of the other."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from semlens.analysis.comparisons.spaces import Side
from semlens.analysis.labels import Labels, label
from semlens.analysis.probe import Probes
from semlens.analysis.responses import responses
from semlens.analysis.search import alignments
from semlens.types import Component, Float32, Int64, silent

KINDS = ("gone", "new", "fewer", "more", "same")
"""What may become of a label, in the order in which changes are told."""

LISTED = 5
"""Components of a label that are listed, the surest first."""


@dataclass(frozen=True)
class LabelChange:
    """What became of a label from one model, `source`, to another one, `target`."""

    source: str
    target: str
    label: str
    change: str  # of KINDS: "gone" where no component of the target has it, "new" where none of the source had
    before: int  # components of the source that have it
    after: int  # components of the target
    untrained: int | None  # components of the untrained network; None where none was given
    reach_before: float  # the furthest that any component of the source goes for it: z, by examples alignment
    reach_after: float
    kept: int  # components of the source that have it, as their best match in the target does
    became: str  # the label that most of these matches have; empty where that is none
    components: tuple[Component, ...]  # that have it: of the target where it is new, else of the source; LISTED at most


@dataclass(frozen=True, eq=False)
class Named:
    """The labels of a side, and how far its components go for every phrase."""

    labels: Labels
    rows: Int64[np.ndarray, "n"]  # of the side
    reach: Float32[np.ndarray, "q"]  # of every phrase, the furthest

    def having(self, phrase: int) -> Int64[np.ndarray, "m"]:
        """The rows that have a phrase for their label, the surest first."""
        rows = self.rows[self.labels.accepted[self.rows] & (self.labels.ranked[self.rows, 0] == phrase)]
        return rows[np.argsort(-self.labels.fits[rows, 0], kind="stable")]


def named(side: Side, vocabulary: Probes, by: str, seed: int) -> Named:
    """The labels of a side by a vocabulary."""
    labels = label(side.index, vocabulary, by=by, layers=side.layers, split=False, seed=seed, progress=silent)
    if by == "encoding":
        asked = responses(side.index)
        far = asked.metric.z(asked.cross[side.rows], asked.directions(vocabulary))
    else:
        far = alignments(side.index, vocabulary, side.rows).alignment
    return Named(labels, side.rows, far.max(axis=0).astype(np.float32))


def label_changes(
    source: Side, target: Side, before: Named, after: Named, match: Int64[np.ndarray, "n"], untrained: Named | None
) -> list[LabelChange]:
    """What became of every label that one of two sides has: first what is gone, where the most changed first.

    Args:
        match: for every row of the source, the row of its best match in the target.
    """
    found = list(_changes(source, target, before, after, match, untrained))
    return sorted(found, key=lambda one: (KINDS.index(one.change), -abs(one.before - one.after), one.label))


def _changes(
    source: Side, target: Side, before: Named, after: Named, match: Int64[np.ndarray, "n"], untrained: Named | None
) -> Iterator[LabelChange]:
    matched = dict(zip(source.rows.tolist(), match.tolist(), strict=True))
    for phrase, text in enumerate(before.labels.vocabulary):
        had, has = before.having(phrase), after.having(phrase)
        if not len(had) and not len(has):
            continue
        became = Counter(after.labels.of(matched[row]) or "" for row in had.tolist())
        shown, of = (had, source) if len(had) else (has, target)
        yield LabelChange(
            source=source.name,
            target=target.name,
            label=text,
            change=_kind(len(had), len(has)),
            before=len(had),
            after=len(has),
            untrained=None if untrained is None else len(untrained.having(phrase)),
            reach_before=float(before.reach[phrase]),
            reach_after=float(after.reach[phrase]),
            kept=became[text],
            became=became.most_common(1)[0][0] if became else "",
            components=tuple(map(of.index.component, shown[:LISTED].tolist())),
        )


def _kind(before: int, after: int) -> str:
    if not after:
        return "gone"
    if not before:
        return "new"
    return "fewer" if after < before else "more" if after > before else "same"
