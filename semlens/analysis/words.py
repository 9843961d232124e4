"""Words that a foundation model does not know: what they leave of a phrase decides in their place."""

from collections.abc import Iterable, Sequence

import numpy as np

from semlens.numerics import unit
from semlens.types import FoundationModel

INVENTED = ("qzxvub", "wvjkqo")
"""Two words of no language. A foundation model to which they are one has a word for what it does not know."""

NAMED = 5
"""Phrases that a remark names, at most."""

_SAME = 2e-6  # squared distance of unit vectors: two texts are one to the foundation model


def unknown_words(foundation: FoundationModel, phrases: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Phrases with a word that the foundation model does not know, and that word: to it, it is the same as an invented
    one. A model that spells unknown words out letter by letter tells invented ones apart, and is not found out."""
    first, second = unit(foundation.embed_texts(INVENTED))
    if not _same(first[None], second)[0]:
        return ()
    cases = [(phrase, word) for phrase in dict.fromkeys(phrases) for word in dict.fromkeys(phrase.split())]
    words = list(dict.fromkeys(word for _, word in cases))
    alike = _same(unit(foundation.embed_texts(words)), first)
    strange = {word for word, same in zip(words, alike.tolist(), strict=True) if same}
    return tuple((phrase, word) for phrase, word in cases if word in strange)


def _same(vectors: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(((vectors - other) ** 2).sum(axis=1) < _SAME)


def remark(unknown: Iterable[tuple[str, str]]) -> str:
    """A sentence that names the phrases with unknown words, and what comes of it; empty where there are none."""
    strange: dict[str, list[str]] = {}
    for phrase, word in unknown:
        strange.setdefault(phrase, []).append(word)
    if not strange:
        return ""
    named = [_named(phrase, words) for phrase, words in list(strange.items())[:NAMED]]
    more = f" and {len(strange) - NAMED:,} phrases more" if len(strange) > NAMED else ""
    half = any(set(phrase.split()) - set(words) for phrase, words in strange.items())
    then = "what it does know of a phrase decides" if half else "to it they say nothing"
    return f"the foundation model does not know {', '.join(named)}{more}: {then}"


def _named(phrase: str, words: Sequence[str]) -> str:
    told = " and ".join(map(repr, words))
    return told if phrase == words[0] else f"{told} of {phrase!r}"
