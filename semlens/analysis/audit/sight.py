"""What the foundation model knows and sees of a spec's phrases, and what that leaves undecided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from semlens.analysis.audit.asked import Shown, SpecProbes, file_name, named_concepts
from semlens.analysis.audit.grammar import SIDES
from semlens.analysis.audit.spec import Entry, Spec
from semlens.analysis.probe import Probes
from semlens.index import ConceptIndex
from semlens.numerics import auroc_estimate
from semlens.types import Bool, Float32, Int64

ALIKE = 0.95
"""Two probes whose similarities correlate so much over the images are one to the foundation model."""

SEEN = 0.7
"""AUROC of a concept's similarity, over marked images, from which on the foundation model sees it."""

TIMES = 2.0
"""A similarity that varies less than so many times as much as the middle one of unrelated phrases is not seen."""

_ABOVE = 0.05  # of the unrelated phrases may vary as much as one that is seen
_COMPARED = 4096  # vectors on which probes are compared


@dataclass(frozen=True)
class Visibility:
    """Whether the foundation model sees a concept of the spec on images of this kind."""

    side: str
    concept: str
    seen: str  # "yes", "no", or "maybe" where no marked images decide
    auroc: float  # of its similarity, for marked images that show it against those that do not; NaN without any
    low: float  # 95 % interval
    high: float
    images: int  # marked
    spread: float  # of its similarity over the images, over that of the middle one of unrelated phrases; NaN: not asked
    reason: str  # in words


@dataclass(frozen=True, eq=False)
class Views:
    """Unit vectors that stand for the images of an index, and which image each is of."""

    ids: Int64[np.ndarray, "i"]
    vectors: Float32[np.ndarray, "i d"]
    names: tuple[str, ...]
    labels: tuple[str | None, ...]


def views(index: ConceptIndex) -> Views:
    """The whole images whose embeddings the index keeps, else its crops."""
    kept = index.encodings
    ids = kept.ids if kept else index.sources
    vectors = kept.embeddings if kept else index.vectors
    step = max(1, len(vectors) // _COMPARED)
    images, own = index.images, ids[::step].tolist()
    names, labels = ([column[i] for i in own] for column in (images.names, images.labels))
    return Views(np.asarray(own, np.int64), vectors[::step].astype(np.float32), tuple(names), tuple(labels))


def visibility(spec: Spec, seen: Views, probes: Probes, entries: Sequence[Entry]) -> tuple[Visibility, ...]:
    """Whether each concept of the spec is seen, by marked images where there are any, else by how much its similarity
    varies over the images beside that of phrases which no picture can show."""
    asked = probes if isinstance(probes, SpecProbes) else None
    spread = (seen.vectors @ probes.vectors.T).std(axis=0)
    usual = (seen.vectors @ asked.unrelated.vectors.T).std(axis=0) if asked and asked.unrelated else np.zeros(0)
    found = []
    for concept in named_concepts(spec):
        own = [n for n, entry in enumerate(entries) if entry.concept == concept.name]
        side, direction = entries[own[0]].side, probes.vectors[own].mean(axis=0)
        shown = _marked(concept.name, concept.label, seen, asked)
        if shown is not None and not (len(shown.positive) and len(shown.negative)):
            shown = None  # what all images show, or none, proves nothing
        ratio = float(spread[own].max() / max(np.median(usual), 1e-9)) if len(usual) else float("nan")
        if shown is not None:
            found.append(_by_marks(side, concept.name, shown, direction, ratio))
            continue
        hidden = len(usual) > 0 and _no_more_than(float(spread[own].max()), usual)
        why = (
            f"{concept.name!r}: its similarity varies over these images little more than that of phrases for nothing: "
            "the foundation model may not see it, and images marked as showing it would tell"
            if hidden
            else f"{concept.name!r}: no marked images prove that the foundation model sees it"
        )
        nan = float("nan")
        found.append(Visibility(side, concept.name, "no" if hidden else "maybe", nan, nan, nan, 0, ratio, why))
    return tuple(found)


def _no_more_than(spread: float, usual: Float32[np.ndarray, "u"]) -> bool:
    """Whether a similarity varies over the images no more than those of unrelated phrases do."""
    return bool((spread <= usual).mean() > _ABOVE or spread < TIMES * np.median(usual))


def _by_marks(side: str, concept: str, shown: Shown, direction: Float32[np.ndarray, "d"], ratio: float) -> Visibility:
    scores = np.concatenate([shown.positive, shown.negative]) @ direction
    area = auroc_estimate(scores, np.arange(len(scores)) < len(shown.positive))
    said = f"{concept!r}: AUROC {area.value:.2f} ({area.low:.2f} to {area.high:.2f}) over {area.n:,} marked images"
    seen = "yes" if area.low >= SEEN else "no" if not area.value >= SEEN else "maybe"
    why = {"yes": said, "no": f"{said}: the foundation model does not see it", "maybe": f"{said}: too few to be sure"}
    return Visibility(side, concept, seen, area.value, area.low, area.high, area.n, ratio, why[seen])


def _marked(concept: str, label: str, seen: Views, asked: SpecProbes | None) -> Shown | None:
    """Images that show a concept and images that do not, by the table of marks, the index's labels or files; None
    where nothing marks any."""
    marks = asked.marks.get(concept) if asked else None
    if marks:
        names = [file_name(name) for name in seen.names]
        return _divided(
            seen, np.array([marks.get(name, False) for name in names]), np.array([name in marks for name in names])
        )
    if label:
        every = [set((own or "").split("|")) for own in seen.labels]
        return _divided(seen, np.array([label in own for own in every]), np.ones(len(every), bool))
    files = asked.shown.get(concept) if asked else None
    if files is None:
        return None
    return files if len(files.negative) else Shown(files.positive, seen.vectors)


def marked_views(spec: Spec, seen: Views, probes: Probes) -> dict[str, Bool[np.ndarray, "i"]]:
    """By concept which images show it, where marks or labels of all of them say so."""
    found: dict[str, Bool[np.ndarray, "i"]] = {}
    for concept in named_concepts(spec):
        marks = probes.marks.get(concept.name) if isinstance(probes, SpecProbes) else None
        if marks:
            found[concept.name] = np.array([marks.get(file_name(name), False) for name in seen.names])
        elif concept.label:
            found[concept.name] = np.array([concept.label in (own or "").split("|") for own in seen.labels])
    return found


def _divided(seen: Views, positive: Bool[np.ndarray, "i"], known: Bool[np.ndarray, "i"]) -> Shown:
    return Shown(seen.vectors[known & positive], seen.vectors[known & ~positive])


def unknown(probes: Probes, entries: Sequence[Entry]) -> dict[str, str]:
    """By phrase, why the foundation model does not know it: a word is unknown, or it is no phrase at all to it."""
    words = dict(probes.unknown)
    told = {
        phrase: f"{phrase!r}: the foundation model does not know the word {word!r}" for phrase, word in words.items()
    }
    for n, entry in enumerate(entries):
        if probes.nulls[n].any() and float(probes.vectors[n] @ probes.nulls[n]) > 1 - 1e-4:
            text = entry.phrase or f"images of {entry.concept}"
            told.setdefault(text, f"{text!r}: the foundation model does not tell it from no phrase at all")
    return told


def alike(seen: Views, probes: Probes, entries: Sequence[Entry]) -> tuple[dict[int, str], tuple[tuple[int, int], ...]]:
    """Probes that go along with the empty prompt over the images, each with what to say; and pairs of one valid and one
    spurious probe that the foundation model does not tell apart."""
    both = np.concatenate([seen.vectors @ probes.vectors.T, seen.vectors @ probes.nulls.T], axis=1)
    spread = both.std(axis=0)
    normal = (both - both.mean(axis=0)) / np.where(spread > 1e-6, spread, np.inf)
    q = len(entries)
    correlation = normal[:, :q].T @ normal / len(both)
    names = [entry.phrase or f"images of {entry.concept}" for entry in entries]
    nothing = {
        n: f"{names[n]!r}: the foundation model does not tell it from no phrase at all"
        for n in range(q)
        if spread[n] <= 1e-6 or correlation[n, q + n] > ALIKE
    }
    pairs = np.argwhere(np.triu(correlation[:, :q] > ALIKE, 1)).tolist()
    return nothing, tuple((a, b) for a, b in pairs if entries[a].side != entries[b].side)


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What the foundation model knows, sees and tells apart of a spec's phrases."""

    asked: tuple[Entry, ...]
    visible: tuple[Visibility, ...]  # of every concept
    told: Mapping[str, str]  # by phrase, why it is not known, or nothing to the foundation model
    pairs: tuple[tuple[int, int], ...]  # entries of either side that it does not tell apart

    @property
    def unseen(self) -> tuple[tuple[str, str], ...]:
        """Side and reason of every concept that is not seen, or of which no phrase is known."""
        known = {(entry.side, entry.concept) for entry in self.asked if _text(entry) not in self.told}
        unknown_ones = [
            (entry.side, self.told[_text(entry)])
            for entry in self.asked
            if _text(entry) in self.told and (entry.side, entry.concept) not in known
        ]
        hidden = [one for one in self.visible if one.seen == "no" and (one.side, one.concept) in known]
        return (*dict.fromkeys(unknown_ones), *((one.side, one.reason) for one in hidden))

    @property
    def blind(self) -> tuple[str, ...]:
        """Sides of which half of the concepts or more are not seen or not known: too many to say that it is free."""
        return tuple(side for side in SIDES if self._is_blind(side))

    def _is_blind(self, side: str) -> bool:
        concepts = {entry.concept for entry in self.asked if entry.side == side}
        known = {entry.concept for entry in self.asked if entry.side == side and _text(entry) not in self.told}
        return 2 * len(known - {one.concept for one in self.visible if one.seen == "no"}) <= len(concepts)

    @property
    def proven(self) -> bool:
        """Whether marked images prove that every spurious concept is seen."""
        return all(one.seen == "yes" for one in self.visible if one.side == "spurious")

    @property
    def doubts(self) -> tuple[str, ...]:
        """All that a reader has to know about the phrases, a sentence each."""
        return (
            *self.told.values(),
            *(self._said([pair]) for pair in self.pairs),
            *(one.reason for one in self.visible if one.seen == "no"),
        )

    @property
    def alike(self) -> str:
        """Which phrases of the two sides are one to the foundation model."""
        return self._said(self.pairs)

    def _said(self, pairs: Sequence[tuple[int, int]]) -> str:
        asked = self.asked
        named = [[_text(asked[n]) for n in sorted(pair, key=lambda n: asked[n].side, reverse=True)] for pair in pairs]
        told = "; ".join(f"{valid!r} (valid) and {spurious!r} (spurious)" for valid, spurious in named)
        return f"{told}: the foundation model hardly tells them apart"

    def either_way(self) -> list[Mapping[int, str]]:
        """The side of every entry if the phrases that are not told apart were all valid, and if all were spurious;
        nothing where all are told apart."""
        return [moved(self.asked, self.pairs, side) for side in SIDES] if self.pairs else []


def knowledge(index: ConceptIndex, spec: Spec, probes: Probes, asked: Sequence[Entry]) -> Knowledge:
    """What the foundation model knows, sees and tells apart of a spec's phrases, on the images of an index."""
    seen = views(index)
    nothing, pairs = alike(seen, probes, asked)
    told = unknown(probes, asked) | {_text(asked[n]): why for n, why in nothing.items()}
    return Knowledge(tuple(asked), visibility(spec, seen, probes, asked), told, pairs)


def _text(entry: Entry) -> str:
    return entry.phrase or f"images of {entry.concept}"


def moved(entries: Sequence[Entry], pairs: Sequence[tuple[int, int]], side: str) -> Mapping[int, str]:
    """The side of every probe if all that is in doubt belonged to one side."""
    doubted = {n for pair in pairs for n in pair}
    return {n: side if n in doubted else entry.side for n, entry in enumerate(entries)}


assert SIDES == ("valid", "spurious")
