"""What labels may say: phrases out of a text file, a sequence, or the names of ImageNet's classes and of WordNet."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from semlens.errors import SemlensError, unknown
from semlens.wordnet import imagenet_synsets, synset_names

SHIPPED = ("imagenet", "wordnet")


def load_vocabulary(source: str | Path | Sequence[str]) -> tuple[str, ...]:
    """Distinct phrases in their order, stripped; empty ones and those that start with # are left out.

    Args:
        source: a text file in UTF-8 with a phrase a line; a table (CSV, JSON) with a column of phrases; the phrases;
            "imagenet", the first name of each of the 1000 classes (998 phrases, for crane and maillot name two); or
            "wordnet", all names of the 21,844 nouns that are ImageNet-21k's and ImageNet-1k's classes (37,010 phrases).

    Raises:
        SemlensError: there is no such file, it is not text, or no phrase is left.
    """
    if isinstance(source, str) and source in SHIPPED:
        return _cleaned(_imagenet() if source == "imagenet" else _wordnet())
    phrases = _cleaned(_read(Path(source)) if isinstance(source, (str, Path)) else source)
    if not phrases:
        where = f"{str(source)!r}" if isinstance(source, (str, Path)) else "the vocabulary"
        raise SemlensError(f"no phrase is left of {where}: give one a line, not empty and not starting with #")
    return phrases


def true_names(written: str | None) -> tuple[str, ...]:
    """What may be said of "tabby, tabby cat": the whole, since a vocabulary may hold it, and each of its names."""
    names = [name.strip() for name in [written or "", *(written or "").split(",")]]
    return tuple(dict.fromkeys(name for name in names if name))


def same_key(phrase: str) -> str:
    """What two phrases share that differ only in case, underscores for spaces, or how many of them."""
    return " ".join(phrase.replace("_", " ").casefold().split())


def _cleaned(phrases: Iterable[str]) -> tuple[str, ...]:
    stripped = (phrase.strip() for phrase in phrases)
    return tuple(dict.fromkeys(phrase for phrase in stripped if phrase and not phrase.startswith("#")))


PHRASE_COLUMNS = ("phrase", "text", "term", "label", "name", "word", "concept", "caption", "class")
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")


def _read(path: Path) -> list[str]:
    """The phrases in a file: its lines, or of a table the column that has them."""
    if path.suffix.lower() not in TABLES or not path.is_file():
        return _lines(path)
    from semlens.images import read_column  # which brings Pillow, and a list of lines does without

    return read_column(path, PHRASE_COLUMNS, "phrases")


def _lines(path: Path) -> list[str]:
    """The lines of a text file, with or without a byte order mark."""
    if not path.is_file():
        hint = 'Give a text file with a phrase a line, the phrases, "imagenet" or "wordnet"'
        raise unknown("vocabulary", str(path), SHIPPED, hint)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SemlensError(f"{str(path)!r} is not text in UTF-8: save it as such, a phrase a line") from None
    except OSError as error:
        raise SemlensError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    if "\0" in text:
        raise SemlensError(f"{str(path)!r} is not text: give a file with a phrase a line")
    return text.splitlines()


def _imagenet() -> list[str]:
    """The first name of each class of ImageNet-1k, in the order of the logits."""
    names = synset_names()
    return [names[synset][0] for synset in imagenet_synsets()]


def _wordnet() -> list[str]:
    return [name for names in synset_names().values() for name in names]
