"""What a picture of the world can show: its concepts, what they are called, and the letters of the ABCDE rule."""

from dataclasses import dataclass

from semlens.errors import unknown


@dataclass(frozen=True)
class Concept:
    """Something that a picture has or lacks, and that can be added or taken away."""

    name: str
    phrases: tuple[str, ...]  # what people call it; the first is the query of the benchmark
    absent: tuple[str, ...] = ()  # what they say where it is lacking, if anything
    letter: str = ""  # of the ABCDE rule: A, B, C (a colour), D or E; empty for what says nothing about the diagnosis
    artefact: bool = False  # lies on the skin or on the lens: no part of the patient


CONCEPTS = (
    Concept(
        "asymmetry",
        ("asymmetric lesion", "lopsided lesion", "irregular shape"),
        ("symmetric lesion", "round lesion"),
        "A",
    ),
    Concept(
        "ragged border",
        ("ragged border", "notched border", "irregular border"),
        ("even border", "smooth border", "regular border"),
        "B",
    ),
    Concept("light brown", ("light brown colour", "light brown areas", "tan areas"), letter="C"),
    Concept("dark brown", ("dark brown colour", "dark brown areas"), letter="C"),
    Concept("black", ("black areas", "black blotch"), letter="C"),
    Concept("red", ("red areas", "milky-red areas", "red blotch"), letter="C"),
    Concept("blue-white veil", ("blue-white veil", "bluish veil"), letter="C"),
    Concept(
        "white structures",
        ("white structures", "white or yellowish structures", "regression structures"),
        letter="C",
    ),
    Concept("large lesion", ("large lesion", "big lesion", "large diameter"), ("small lesion",), "D"),
    Concept("crusty surface", ("crusty surface", "scaly crust", "rough surface", "ulceration"), letter="E"),
    Concept("pigment network", ("pigment network", "reticular network", "irregular pigment network", "net-like lines")),
    Concept("dots and globules", ("dots and globules", "globules", "brown dots", "irregular dots and globules")),
    Concept("streaks", ("streaks", "radial streaks", "irregular streaks")),
    Concept("hairs", ("hairs", "hairy skin", "body hair"), artefact=True),
    Concept("ruler", ("ruler", "measurement scale bar", "measuring scale"), artefact=True),
    Concept("band-aid", ("band-aid", "plaster", "adhesive bandage"), artefact=True),
    Concept("purple ink", ("purple ink", "skin marker", "surgical pen marking"), artefact=True),
    Concept("vignetting", ("vignetting", "dark corners"), artefact=True),
    Concept("red skin", ("red skin", "reddened skin", "inflamed skin"), artefact=True),
    Concept("gel bubbles", ("gel bubbles", "air bubbles"), artefact=True),
)

BY_NAME = {concept.name: concept for concept in CONCEPTS}
NAMES = tuple(BY_NAME)
ARTEFACTS = tuple(concept.name for concept in CONCEPTS if concept.artefact)
COLORS = tuple(concept.name for concept in CONCEPTS if concept.letter == "C")


def concept(name: str) -> Concept:
    """The concept of a name.

    Raises:
        SemlensError: with the nearest names if there is none.
    """
    if name not in BY_NAME:
        raise unknown("concept", name, NAMES)
    return BY_NAME[name]
