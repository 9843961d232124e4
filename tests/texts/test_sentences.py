"""Where sentences end: checked on texts with the answer written down."""

import pytest

from semlens.texts.sentences import sentences, windows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Smith met J. R. Hart at 3.5 km, e.g. in the U.S. today. He left.",
         ["Dr. Smith met J. R. Hart at 3.5 km, e.g. in the U.S. today.", "He left."]),
        ('"Why?" No one knew. (It was late.) So I went.', ['"Why?"', "No one knew.", "(It was late.)", "So I went."]),
        ("First line\ngoes on\n\nsecond paragraph", ["First line goes on", "second paragraph"]),
        ("今天很好。明天呢？", ["今天很好。", "明天呢？"]),
        ("tab\there\x00\x1b and   spaces", ["tab here and spaces"]),
        ("It is I. You know.", ["It is I.", "You know."]),
        (" \n\n \u200b ", []),
        ("v1.2.3 is out", ["v1.2.3 is out"]),
        ("Wait... what. No", ["Wait... what.", "No"]),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert list(sentences(text)) == expected


def test_a_long_sentence_goes_on_in_another_window() -> None:
    words = [f"w{n}" for n in range(10)]
    assert windows(" ".join(words), 4) == ["w0 w1 w2 w3", "w4 w5 w6 w7", "w8 w9"]
    assert windows(" ".join(words), 10) == [" ".join(words)]


def test_a_word_without_end_is_cut_and_nothing_of_it_is_lost() -> None:
    parts = windows("x" * 100_000, 4)
    assert max(map(len, parts)) == 64
    assert "".join(parts) == "x" * 100_000
