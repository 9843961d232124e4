"""Sentences made of lists: the same for a seed, distinct, each of its topic's own words."""

import pytest

from semlens.testbed.sentences import TOPICS, sentences, words


def test_a_seed_gives_the_same_sentences_and_another_one_others() -> None:
    one, other = sentences(200, 3), sentences(200, 4)
    assert one == sentences(200, 3)
    assert one[:100] == sentences(100, 3)
    assert one != other
    assert len({text for text, _ in one}) == 200


def test_every_sentence_says_who_of_its_topic_does_what() -> None:
    for text, topic in sentences(500, 1):
        who, did, what, _ = (line.split("|") for line in TOPICS[topic])
        assert any(f" {one} " in text for one in who)
        assert any(one in text for one in did)
        assert any(one in text for one in what)
        assert text[0].isupper()
        assert text[-1] in ".?!"
    assert {topic for _, topic in sentences(500, 1)} == set(TOPICS)


def test_words_are_those_of_the_lists() -> None:
    assert {"goalkeeper", "in the stadium", "angry", "sport"} <= set(words())
    assert len(set(words())) == len(words())


def test_more_than_there_are_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semlens.testbed.sentences.TOPICS", {"one": ("a", "b", "c", "d")})
    with pytest.raises(ValueError, match="distinct sentences were found, not 1000"):
        sentences(1000)
