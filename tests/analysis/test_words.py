"""Words that a foundation model does not know are named, wherever a phrase is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL.Image import Image

from semlens.analysis.drivers import drivers
from semlens.analysis.labels import label
from semlens.analysis.probe import Probes, concat_probes, probe
from semlens.analysis.search import search
from semlens.analysis.words import INVENTED, remark, unknown_words
from semlens.errors import SemlensError
from semlens.foundation import load_foundation
from semlens.types import FoundationId
from tests.encoded_audit import encoded_index
from tests.planted import phrases, planted

HALF = (("purple glorp", "glorp"),)


@dataclass(frozen=True)
class Speller:
    """A text tower that adds up the letters of a text, and one that has a word for all that it does not know."""

    known: tuple[str, ...] = ()  # words; none: it spells

    identity = FoundationId("toy:speller", "e" * 64, 26, "CC0-1.0")

    def embed_images(self, images: Sequence[Image]) -> np.ndarray:
        return np.zeros((len(images), 26), np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        read = [[word if word in self.known or not self.known else "z" for word in text.split()] for text in texts]
        rows = [[sum(word.count(chr(97 + letter)) for word in words) for letter in range(26)] for words in read]
        return np.array(rows, np.float32)


def slow_unknown(known: tuple[str, ...], texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (text, word) for text in dict.fromkeys(texts) for word in dict.fromkeys(text.split()) if word not in known
    )


def test_unknown_words_are_those_that_are_the_same_as_an_invented_one() -> None:
    known, asked = ("red", "skin", "ink"), ["red skin", "red glorp", "blarg", "blarg blarg ink", "red glorp"]
    assert unknown_words(Speller(known), asked) == slow_unknown(known, asked)
    assert unknown_words(Speller(known), asked) == (
        ("red glorp", "glorp"),
        ("blarg", "blarg"),
        ("blarg blarg ink", "blarg"),
    )
    assert unknown_words(Speller(), asked) == ()  # it spells them, so it is not found out


def test_the_testbeds_foundation_model_knows_its_own_words_only() -> None:
    found = probe(load_foundation("testbed:clip", "cpu"), ["purple ink", "purple glorp", "coin", "band-aid"])
    assert found.unknown == (("purple glorp", "glorp"), ("coin", "coin"))
    assert found[1].unknown == (("purple glorp", "glorp"),)
    assert found[0].unknown == ()
    assert concat_probes([found[2], found[1]]).unknown == (("coin", "coin"), ("purple glorp", "glorp"))


def test_texts_that_were_kept_are_answered_without_the_foundation_model() -> None:
    class Gone(Speller):
        def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
            if INVENTED[0] in texts:
                raise SemlensError("not installed")
            return super().embed_texts(texts)

    assert probe(Gone(("red",)), ["red"]).unknown == ()


def test_a_remark_says_what_is_unknown_and_what_decides() -> None:
    assert remark(()) == ""
    assert remark(HALF) == (
        "the foundation model does not know 'glorp' of 'purple glorp': what it does know of a phrase decides"
    )
    assert remark([("coin", "coin")]) == "the foundation model does not know 'coin': to it they say nothing"
    assert remark([(f"word{n}", f"word{n}") for n in range(9)]).count("'") == 10
    assert "and 4 phrases more" in remark([(f"word{n}", f"word{n}") for n in range(9)])


@pytest.fixture
def strange() -> Probes:
    known = phrases([0, 1])
    return replace(known, unknown=(("concept 1", "1"),))


@pytest.mark.parametrize("by", ["encoding", "examples"])
def test_search_and_label_name_them(strange: Probes, by: str) -> None:
    index = encoded_index([{0: 1.0}, {1: 1.0}, {1: 1.0}], [1.0] * 3, logits=[{0: 1.0}, {1: 1.0}])
    told = "the foundation model does not know '1' of 'concept 1': what it does know of a phrase decides"
    hits = search(index, strange, by=by)
    assert hits.remarks == hits[:1].remarks == (told,)
    assert repr(hits).endswith(told)
    assert told not in hits.table()
    assert "concept 1&#x27;" in hits._repr_html_()
    labels = label(index, strange, by=by, fdr=0.5)
    given = [labels.of(row) for row in range(3)].count("concept 1")
    assert labels.rows.remarks == (f"{told}; {given} labels are of such phrases",)
    assert search(index, phrases([0, 1]), by=by).remarks == ()


def test_what_is_searched_against_counts_too_and_drivers_say_it(strange: Probes) -> None:
    index = encoded_index([{0: 1.0}], [1.0], logits=[{0: 1.0}, {1: 1.0}])
    assert "'concept 1'" in search(index, phrases([0]), against=strange).remarks[0]
    assert "'concept 1'" in drivers(index, strange).remarks[0]


def test_two_labels_of_phrases_with_unknown_words_are_counted() -> None:
    index = planted([(1,)] * 30 + [(0,)] * 30)
    labels = label(index, replace(phrases([0, 1]), unknown=(("concept 1", "1"),)))
    assert labels.remark.endswith("; 30 labels are of such phrases")
