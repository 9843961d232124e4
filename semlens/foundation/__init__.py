"""Foundation models, a family per file. Here a spec finds its family; below it stands what the families share."""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

import numpy as np

from semlens.errors import SemlensError, unknown
from semlens.hub import ask_soon
from semlens.types import Float32, FoundationModel

BATCH = 32  # items that go through a tower at once; no vector depends on it

EXTRAS = {"open_clip": "clip", "transformers": "transformers", "offline": "offline", "testbed": "torch"}
ONLY = {"offline": ("conse", "minilm"), "testbed": ("clip",)}  # families of few models

# Weights whose licence no model card beside them states, by the name after the family.
LICENCES = (
    ("MobileCLIP2-*", "apple-amlr"),  # research only
    ("PE-Core-*", "apache-2.0"),
    ("*SigLIP2*", "apache-2.0"),
    ("*/openai", "mit"),
    ("*/laion2b_*", "mit"),
    ("*/datacomp_*", "mit"),
    ("openai/clip-*", "mit"),
    ("*/monet", "cc-by-nc-sa-4.0"),
)

Item = TypeVar("Item")


def load_foundation(spec: str, device: str | None = None) -> FoundationModel:
    """The foundation model that `spec` names; its weights are read when the first image or text is embedded.

    Args:
        spec: `open_clip:ARCH/TAG`, `open_clip:ARCH/CHECKPOINT`, `open_clip:hf-hub:ORG/NAME`,
            `open_clip:local-dir:FOLDER`, `transformers:REPO`, `transformers:FOLDER`, `offline:conse` or `testbed:clip`;
            for texts also `offline:minilm`, and of `transformers:` any sentence encoder.
        device: as torch writes it; by default a CUDA GPU where there is one.

    Raises:
        SemlensError: for a name that does not exist, weights that cannot be had and a package that is not installed.
    """
    family, _, name = spec.partition(":")
    if family not in EXTRAS or not name or name not in ONLY.get(family, (name,)):
        few = (f"{family}:{name}" for family, names in ONLY.items() for name in names)
        known = ("open_clip:ARCH/TAG", "transformers:REPO", *few)
        raise unknown("foundation model", spec, known)
    ask_soon(spec)
    try:
        return _load(family, name, device)
    except ModuleNotFoundError as error:
        raise SemlensError(
            f"a new text or image needs the foundation model {spec}, and {error.name} is not installed: "
            f"pip install 'semlens[{EXTRAS[family]}]'"
        ) from error


def _load(family: str, name: str, device: str | None) -> FoundationModel:
    """The model of a known family. Each family is imported only here: its package is heavy and may be absent."""
    import torch

    from semlens.model import check_device

    check_device(device := device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if family == "open_clip":
        from semlens.foundation.open_clip import load_open_clip

        return load_open_clip(name, device)
    if family == "transformers":
        from semlens.foundation.transformers import load_transformers

        return load_transformers(name, device)
    if family == "testbed":
        from semlens.foundation.testbed import load_clip

        return load_clip(device)
    if name == "minilm":
        from semlens.foundation.sentences import load_minilm

        return load_minilm(device)
    from semlens.foundation.conse import load_conse

    return load_conse(device)


def in_batches(
    embed: Callable[[Sequence[Item]], Float32[np.ndarray, "n d"]],
    items: Sequence[Item],
    dimension: int,
    length: Callable[[Item], int] = lambda item: 0,
) -> Float32[np.ndarray, "n d"]:
    """One vector per item in the order of `items`, `BATCH` of them made at a time.

    Args:
        length: items of like length go together; texts of one batch are padded to the longest.
    """
    vectors = np.empty((len(items), dimension), np.float32)
    order = sorted(range(len(items)), key=lambda row: length(items[row]))
    for start in range(0, len(items), BATCH):
        rows = order[start : start + BATCH]
        vectors[rows] = embed([items[row] for row in rows])
    return vectors


def digest_files(files: Iterable[Path], recipe: str = "") -> str:
    """SHA-256 in hex over the contents of `files` in order and over `recipe`; their names do not count."""
    whole = hashlib.sha256(hashlib.sha256(recipe.encode()).digest())
    for file in files:
        with file.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


def licence_of(name: str, folder: Path | None = None) -> str:
    """The licence that the model card in `folder` states, else the one we know for `name`, else "unknown"."""
    card = folder / "README.md" if folder else None
    if card and card.is_file():
        front = card.read_text(encoding="utf-8").partition("\n---")[0]
        # `license: other` is followed by a `license_name`, which says more
        if stated := re.findall(r"^license(?:_name)?:\s*([\w.-]+)", front, re.MULTILINE):
            return str(stated[-1])
    return next((licence for pattern, licence in LICENCES if fnmatch(name, pattern)), "unknown")
