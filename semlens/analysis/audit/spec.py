"""What may speak for an output of a model and what must not, as a file that people read and machines check."""

import re
import reprlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from functools import cache, wraps
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from semlens.analysis.audit.grammar import SIDES, check_requirements, number_of
from semlens.errors import SemlensError, unknown

_STRICT = ConfigDict(extra="forbid", str_strip_whitespace=True)
_Text = Annotated[str, Field(min_length=1)]
_Number = Annotated[int, Field(strict=True)]  # what is true is no class number 1
_AS_TUPLE = AfterValidator(tuple)  # lists are taken, and what is kept does not change
_Texts = Annotated[Sequence[_Text], _AS_TUPLE]
_DASH = ", each on a line of its own after a dash"
_T = TypeVar("_T")


def _explaining(kind: type[_T]) -> type[_T]:
    """The class, whose constructor says what is wrong with its arguments in one sentence."""
    made: Callable[..., None] = kind.__init__

    @wraps(made)
    def construct(self: _T, *args: Any, **fields: Any) -> None:
        try:
            made(self, *args, **fields)
        except ValidationError as fault:
            raise _explained(fault, kind.__name__, kind.__name__, ends="") from None

    kind.__init__ = construct  # type: ignore[method-assign, assignment]
    return kind


@_explaining
@dataclass(frozen=True, config=_STRICT)
class Concept:
    """Something that a component may encode: phrases for it, or images of it, or both.

    Raises:
        SemlensError: an argument that is absent, unknown or of a wrong kind.
    """

    name: _Text
    phrases: Annotated[_Texts, Field(description="what people call it; its name if there is nothing else")] = ()
    images: Annotated[_Texts, Field(description="files that show it, relative to the spec")] = ()
    without: Annotated[_Texts, Field(description="files that do not show it, beside `images`")] = ()
    label: Annotated[str, Field(description="the label that images of the index have which show it")] = ""


_Concepts = Annotated[Sequence[Concept | _Text], _AS_TUPLE]


@_explaining
@dataclass(frozen=True, config=_STRICT)
class Spec:
    """An audit: an output of the model, what may speak for it, what must not, and what is required.

    Raises:
        SemlensError: an argument that is absent, unknown or of a wrong kind, a concept that stands twice, or a
            requirement that cannot be read, cannot fail or can never be met.
    """

    output: Annotated[_Number | _Text, Field(description="the class that is audited, by name or number")]
    valid: Annotated[_Concepts, Field(min_length=1, description="what may speak for it")]
    spurious: Annotated[_Concepts, Field(min_length=1, description="what must not")]
    requirements: Annotated[_Texts, Field(description="each is met or not: docs/audit.md")] = ()
    title: str = ""
    notes: Annotated[str, Field(description="why these concepts; printed in the report")] = ""
    layers: Annotated[_Texts, Field(description="if none is named, the last one before the outputs")] = ()
    templates: Annotated[_Texts, Field(min_length=1, description="with {} for the phrase")] = ("{}",)
    marks: Annotated[str, Field(description="a table beside the spec: images, and a column per concept, 1 or 0")] = ""
    fdr: Annotated[float, Field(gt=0, lt=1, description="false discoveries among components that fit a side")] = 0.05

    def __post_init__(self) -> None:
        for template in self.templates:
            if "{}" not in template:
                raise SemlensError(f"templates: {template!r} has no {{}} for the phrase to stand in")
        seen: set[tuple[str, ...]] = set()
        for entry in entries(self):
            key = (entry.phrase.casefold(), *entry.images)
            if key in seen:
                what = entry.phrase or ", ".join(entry.images)
                raise SemlensError(f"{what!r} stands twice; name a concept once, as valid or as spurious")
            seen.add(key)
        check_requirements(self.requirements)


@plain_dataclass(frozen=True)
class Entry:
    """One probe of a spec: a phrase, or all images of a concept together."""

    side: str
    concept: str
    phrase: str  # empty for images
    images: tuple[str, ...]


def entries(spec: Spec) -> tuple[Entry, ...]:
    """The probes that a spec asks for, in its order; a concept without phrases or images is probed by its name."""
    probed = []
    for side in SIDES:
        for given in getattr(spec, side):
            concept = Concept(given) if isinstance(given, str) else given
            texts = concept.phrases or (() if concept.images else (concept.name,))
            probed += [Entry(side, concept.name, text, ()) for text in texts]
            if concept.images:
                probed.append(Entry(side, concept.name, "", tuple(concept.images)))
    return tuple(probed)


def load_spec(source: str | Path) -> Spec:
    """The spec in a YAML file, or the one of that name that comes with semlens (see `shipped`).

    Raises:
        SemlensError: what is absent, unknown or of a wrong kind, with its place in the file.
    """
    path, name = Path(source), str(source)
    try:
        raw = _shipped(name).read_bytes() if name in shipped() and not path.exists() else path.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except OSError as fault:
        raise SemlensError(f"cannot read the spec {name}: {fault}; shipped specs: {', '.join(shipped())}") from fault
    except UnicodeDecodeError:
        raise SemlensError(f"the spec {name} is not text in UTF-8 or UTF-16: save it as UTF-8") from None
    return read_spec(text, name)


def read_spec(text: str, name: str = "the spec") -> Spec:
    """The spec in a YAML text.

    Raises:
        SemlensError: as `load_spec` does.
    """
    try:
        tree = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader that also refuses a key that stands twice
    except (yaml.YAMLError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as fault:
        # what looks like a date or a number and is none makes the loader raise whatever Python's own readers raise
        raise SemlensError(f"{name} is not YAML: {' '.join(str(fault).split())[:300]}") from None
    if not isinstance(tree, dict):
        raise SemlensError(f"{name} holds no spec: it needs `output:`, `valid:` and `spurious:`")
    return check_spec(_as_written(None, tree, set()), name)


def _as_written(key: object, value: Any, done: set[int]) -> Any:
    """A value of the file as its key takes it: a class number stays a number, all other words and numbers are text.

    Lists and dictionaries are changed in place, and each once: a name may stand for one of them in many places.

    Args:
        done: the identities of those that are changed already.
    """
    if key == "output" or isinstance(value, bool):
        return value
    if key == "fdr" and isinstance(value, str | int) and (number := number_of(str(value))) is not None:
        return number
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | dict) and id(value) not in done:
        done.add(id(value))
        for place in list(value) if isinstance(value, dict) else range(len(value)):
            value[place] = _as_written(place if isinstance(value, dict) else None, value[place], done)
    return value


def check_spec(tree: Mapping[str, Any], name: str = "the spec") -> Spec:
    """The spec that a mapping holds.

    Raises:
        SemlensError: as `load_spec` does.
    """
    try:
        spec: Spec = _adapter().validate_python(dict(tree))
    except ValidationError as fault:
        raise _explained(fault, name, "Spec", ends=_DASH) from None
    return spec


def shipped() -> tuple[str, ...]:
    """The names of the specs that come with semlens."""
    names = (file.name for file in (files("semlens.analysis.audit") / "specs").iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def json_schema() -> dict[str, Any]:
    """The JSON schema of a spec, for editors and other tools."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_adapter().json_schema()}


def _shipped(name: str) -> Any:
    return files("semlens.analysis.audit") / "specs" / f"{name}.yaml"


@cache
def _adapter() -> Any:  # a TypeAdapter[Spec]; beartype refuses pydantic's generic
    return TypeAdapter(Spec)


_KNOWN = {kind.__name__: tuple(kind.__dataclass_fields__) for kind in (Concept, Spec)}
_TEXT = "write text"
_CONCEPT = "write a phrase, or a concept with name, phrases and images"
_WANTED = {
    "output": "write a class of the index, by its name or its number",
    "valid[]": _CONCEPT,
    "spurious[]": _CONCEPT,
    "fdr": "write a number between 0 and 1, as 0.05",
}
"""What each key of a spec takes; [] is what its list holds."""
_LISTS = {
    **dict.fromkeys(SIDES, "write a list of concepts"),
    **dict.fromkeys(("requirements", "layers", "templates", "phrases", "images", "without"), "write a list of texts"),
}
"""The same of the keys that take a list."""


def _explained(fault: ValidationError, name: str, kind: str, *, ends: str) -> SemlensError:
    """The first thing that is wrong, in one sentence: an unknown key with its nearest names before all else.

    Args:
        name: what the fault is in, as its author knows it.
        kind: which class was to be made.
        ends: how a list is written there.
    """
    errors = [error for error in fault.errors() if error["loc"][-1:] != ("constrained-str",)] or fault.errors()
    error = min(errors, key=lambda error: error["type"] != "unexpected_keyword_argument")
    if error["type"] == "value_error":
        return SemlensError(f"{name}: {error['ctx']['error']}")
    loc = list(error["loc"])
    if isinstance(loc[0], int) and loc[0] < len(_KNOWN[kind]):  # an argument by its place
        loc[0] = _KNOWN[kind][loc[0]]
    if error["type"] == "unexpected_keyword_argument":
        return unknown(f"key in {name}", str(loc[-1]), _KNOWN["Concept" if "Concept" in loc else kind])
    place = [part for part in loc if part not in _KNOWN and part not in ("constrained-str", "int")]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    if error["type"] == "unexpected_positional_argument":
        return SemlensError(f"{name}: takes {', '.join(_KNOWN[kind])}, and was given more")
    if error["type"] == "missing":
        return SemlensError(f"{name}: {where} is missing")
    return SemlensError(f"{name}: {where}: {_wanted(place, ends)}, not {_shown(error['input'])}")


def _wanted(place: Sequence[int | str], ends: str) -> str:
    """What is to be written at a place of a spec."""
    names = [part for part in place if isinstance(part, str)]
    key = names[-1] if names else ""
    if isinstance(place[-1], int):
        return _WANTED.get(f"{key}[]", _TEXT)
    return _LISTS[key] + ends if key in _LISTS else _WANTED.get(key, _TEXT)


def _shown(given: Any) -> str:
    return "nothing" if given in ("", None, [], (), {}) else f"{reprlib.repr(given):.60}"


class _Loader(yaml.SafeLoader):
    """YAML as data only, in which a key stands once, and a word stays the word that was written: `yes`, `010`, `0.0`,
    `null` and `2026-01-01` are text, and only a plain whole number is a number."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"(?:0|[1-9][0-9]{0,8})$"), list("0123456789"))


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]!r} stands twice", node.start_mark)
    return {key: loader.construct_object(value, deep=True) for key, (_, value) in zip(keys, node.value, strict=True)}


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
