"""Scenes in natural words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from semlens.testbed.world.artefacts import PLASTERS, band_aid_color
from semlens.testbed.world.concepts import BY_NAME, CONCEPTS
from semlens.testbed.world.scene import Scene

OPENINGS = ("", "an image of ", "a photo of ", "a dermoscopy image of ", "a close look at ")
CLOSEUPS = ("", "a closeup of ", "an image of a closeup of ", "a crop of ", "an image of ", "a photo of ")
PLAIN = ("plain skin", "clear skin", "normal skin")
NOTHING = ("", "an image", "a photo", "a closeup", "an image of a closeup", "a dermoscopy image")
SOME = 0.8
"""How many of the concepts present a full description mentions, on average."""


@dataclass(frozen=True)
class Description:
    """A text, and what it claims."""

    text: str
    said: tuple[str, ...]  # concepts that it says are there
    lacking: tuple[str, ...] = ()  # concepts that it says are not
    color: str = ""  # of the band-aid, if it says so


def caption(scene: Scene) -> str:
    """All that is present in a scene, in words that are the same each time.

    "an image of an asymmetric large lesion with a ragged border, black areas and hairs"
    """
    rng = scene.random("caption")
    return _sentence(scene, scene.present, _lacking(scene, rng), rng).text


def describe(scene: Scene, rng: np.random.Generator) -> Description:
    """A scene in words by chance: most of what is present, or one or two things of it."""
    if rng.random() < 0.5:
        said = [name for name in scene.present if rng.random() < SOME]
        return _sentence(scene, said, _lacking(scene, rng), rng)
    said = rng.permutation(scene.present)[: int(rng.integers(1, 3))].tolist()
    return closeup(scene, said, rng) if rng.random() < 0.5 else _sentence(scene, said, (), rng)


def closeup(scene: Scene, visible: Sequence[str], rng: np.random.Generator) -> Description:
    """A part of a scene in words, of which only the concepts in `visible` are seen: "a closeup of a ruler"."""
    phrases = [_phrase(scene, name, rng) for name in visible]
    text = _choice(rng, CLOSEUPS) + (listed([with_article(p) for p in phrases]) if phrases else _choice(rng, PLAIN))
    return Description(text, tuple(visible), color=_color(phrases))


def _lacking(scene: Scene, rng: np.random.Generator) -> list[str]:
    return [c.name for c in CONCEPTS if c.absent and not scene.has(c.name) and rng.random() < SOME / 2]


def _sentence(scene: Scene, said: Sequence[str], lacking: Sequence[str], rng: np.random.Generator) -> Description:
    adjectives, nouns = [], []
    phrases = [_phrase(scene, name, rng) for name in said] + [_choice(rng, BY_NAME[name].absent) for name in lacking]
    for phrase in phrases:
        if phrase.endswith(" lesion"):
            adjectives.append(phrase.removesuffix(" lesion"))
        else:
            nouns.append(with_article(phrase))
    rng.shuffle(nouns)
    lesion = with_article(" ".join([*adjectives, "lesion"]))
    text = _choice(rng, OPENINGS) + lesion + (f" with {listed(nouns)}" if nouns else "")
    return Description(text, tuple(said), tuple(lacking), _color(phrases))


def _color(phrases: Iterable[str]) -> str:
    """The colour of the band-aid among some phrases, if one names it."""
    return next(
        (color for color in PLASTERS for phrase in phrases if phrase.startswith((f"{color}-coloured ", f"{color} "))),
        "",
    )


def listed(parts: Sequence[str]) -> str:
    """Parts as a sentence lists them: "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def with_article(phrase: str) -> str:
    """A phrase with its article, where it is something one can count one of."""
    if phrase.endswith("s") or phrase.rsplit(" ")[-1] in ("ink", "skin", "vignetting", "colour", "diameter", "hair"):
        return phrase
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def split(text: str) -> list[str]:
    """The words of a text, in lower case; a hyphen parts two."""
    return re.findall(r"[a-z0-9]+", text.lower())


def vocabulary() -> tuple[str, ...]:
    """Every word that captions use."""
    texts: Iterable[str] = [phrase for c in CONCEPTS for phrase in (*c.phrases, *c.absent)]
    colored = [f"{color}-coloured band-aid of a lesion with and" for color in PLASTERS]
    phrases = [split(text) for text in (*texts, *colored, *OPENINGS, *CLOSEUPS, *PLAIN, *NOTHING)]
    return tuple(sorted({word for phrase in phrases for word in (*phrase, "a", "an")}))


def _phrase(scene: Scene, name: str, rng: np.random.Generator) -> str:
    """One of a concept's phrases; a band-aid's half the time with its colour."""
    phrase = _choice(rng, BY_NAME[name].phrases)
    if name == "band-aid" and rng.random() < 0.5:
        color = band_aid_color(scene.random("band-aid"))
        return f"{color}-coloured {phrase}" if rng.random() < 0.5 else f"{color} {phrase}"
    return phrase


def _choice(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
