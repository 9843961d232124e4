"""WordNet's nouns by their numbers, which ImageNet's folders are called by, from files that timm brings along."""

import importlib.util
from pathlib import Path

from semlens.errors import missing_extra


def imagenet_synsets() -> tuple[str, ...]:
    """The numbers of ImageNet's 1000 classes, "n01440764" and so on, in the order of the outputs.

    Raises:
        SemlensError: timm is not installed.
    """
    return tuple(_timm_file("imagenet_synsets.txt").split())


def synset_names() -> dict[str, tuple[str, ...]]:
    """All names of each noun by its number: "n02123045" is ("tabby", "tabby cat").

    Raises:
        SemlensError: timm is not installed.
    """
    lines = _timm_file("imagenet_synset_to_lemma.txt").splitlines()
    rows = (line.partition("\t") for line in lines if line.strip())
    return {synset: tuple(name.strip() for name in names.replace("_", " ").split(",")) for synset, _, names in rows}


def _timm_file(name: str) -> str:
    """A data file of timm, read where it lies: to import timm brings torch, seconds that names must not cost."""
    spec = importlib.util.find_spec("timm")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "data", "_info", name)
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise missing_extra("timm", "torch")
