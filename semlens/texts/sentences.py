"""Where sentences end, and texts that are too long for one cut into windows."""

import re
import unicodedata
from collections.abc import Iterator

_SHORT = (
    "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "no", "fig", "figs", "eq", "sec", "ch", "vol", "pp", "p",
    "al", "e.g", "i.e", "cf", "approx", "dept", "est", "gen", "gov", "hon", "inc", "ltd", "co", "corp", "mt", "rev",
    "sgt", "capt", "col", "lt", "u.s", "u.k", "a.m", "p.m", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep",
    "sept", "oct", "nov", "dec",
)  # fmt: skip
"""What a full stop may stand behind without ending a sentence."""

_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’）]*")
_BREAK = re.compile(r"\n[^\S\n]*\n\s*|[\u2028\u2029\f]")
_JOINERS = "\u200c\u200d"  # unseen, but part of words
_LETTERS_A_WORD = 16  # of a window without spaces


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, one after the other, with single spaces between their words. An empty line ends one."""
    for paragraph in _BREAK.split(text):
        start = 0
        for end in _END.finditer(paragraph):
            if _goes_on(paragraph, end):
                continue
            yield from _cleaned(paragraph[start : end.end()])
            start = end.end()
        yield from _cleaned(paragraph[start:])


def _goes_on(text: str, end: re.Match[str]) -> bool:
    """Whether a full stop ends a word or a letter and no sentence: behind what is short for something, or before a
    small letter."""
    if not end[0].startswith("."):
        return False
    following = text[end.end() : end.end() + 40].lstrip().lstrip("\"'“‘«([")[:1]
    before = text[max(end.start() - 12, 0) : end.start()].split()
    word = before[-1].lstrip("\"'“‘«([") if before and not text[end.start() - 1].isspace() else ""
    initial = len(word) == 1 and word.isupper() and word != "I"
    return following.islower() or (end[0] == "." and (initial or word.lower() in _SHORT))


def _cleaned(text: str) -> Iterator[str]:
    """The text without signs that cannot be seen and with single spaces, if anything is left of it."""
    plain = "".join(" " if unicodedata.category(one)[0] == "C" and one not in _JOINERS else one for one in text)
    if any(not one.isspace() for one in plain):
        yield " ".join(plain.split())


def windows(sentence: str, longest: int) -> list[str]:
    """The sentence, or where it has more than `longest` words, parts of so many; a word as long as a window is cut
    too."""
    most = longest * _LETTERS_A_WORD
    if len(sentence) <= most and sentence.count(" ") < longest:
        return [sentence]
    words = [word[at : at + most] for word in sentence.split(" ") for at in range(0, len(word), most)]
    parts: list[list[str]] = [[]]
    length = 0
    for word in words:
        if parts[-1] and (len(parts[-1]) == longest or length + len(word) > most):
            parts.append([])
            length = 0
        parts[-1].append(word)
        length += len(word) + 1
    return [" ".join(part) for part in parts]
