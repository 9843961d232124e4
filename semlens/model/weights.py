"""The weights of a checkpoint put into a network: the state dict found in it, stripped of what wraps its names."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.checkpoint import State, first_line, read_checkpoint, states

INSIDE = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"})
"""Wrappers that torch puts around any module of a network, by the name of what is inside."""

AVERAGED = ("ema", "averaged", "swa")
COUNTER = "num_batches_tracked"  # checkpoints of old lack it, and nothing here reads it
SHOWN = 6
"""Names of each kind that a message lists."""


class CheckpointWarning(UserWarning):
    """How a checkpoint was read that is not just the network's own state dict."""


@dataclass(frozen=True)
class _Fit:
    """How the tensors of a state dict stand to those of a network."""

    where: str  # the keys that lead to the state dict inside of the checkpoint
    prefix: str  # before the network's names
    state: State  # by the network's names
    left: tuple[str, ...]  # names outside of the prefix, as a loss's beside a network's
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    @property
    def faults(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.shapes)

    @property
    def name(self) -> str:
        """What a user writes after # for it."""
        return ".".join(part for part in (self.where, self.prefix) if part).removesuffix(".")


def load_weights(net: nn.Module, path: str | Path) -> None:
    """Puts a checkpoint's tensors into `net`; each must have its place, and each place its tensor.

    What wraps them is taken off where all then fits, and a `CheckpointWarning` says so: dictionaries around the state
    dict (`state_dict`, `model`, `ema`, any name) and prefixes of its names (`module.`, `model.`, `_orig_mod.`, any).
    Only tensors are read: safetensors, one file or the index of several, or torch files with `weights_only=True`.

    Args:
        path: of the checkpoint; `FILE#NAME` takes the state dict of that name where several in it fit.

    Raises:
        SemlensError: no such file, one that holds no plain weights, or weights that do not fit, named key by key.
    """
    file, wanted = _split(str(path))
    checkpoint = read_checkpoint(file)
    fits = [fit for where, state in states(checkpoint) for fit in _fits(net, where, state)]
    if not fits:
        raise SemlensError(f"{file} holds no tensors by name: give a state dict, as torch.save(net.state_dict(), FILE)")
    fits = _called(fits, wanted, file) if wanted else fits
    whole = [fit for fit in fits if not fit.faults]
    if not whole:
        nearest = min(fits, key=lambda fit: (len(fit.missing) + len(fit.shapes), -len(fit.unexpected)))
        raise SemlensError(_misfit(nearest, net, file))
    whole = list({_tensors(fit): fit for fit in reversed(whole)}.values())[::-1]
    fit = _chosen(whole, file)
    try:  # not strict: what may be missing is counters, and the second names of shared tensors
        net.load_state_dict(dict(fit.state), strict=False)
    except Exception as fault:  # what a module of the user's makes of its own extra state
        raise SemlensError(f"{file} does not fit this model: {first_line(fault)}") from fault
    if said := _said(fit, whole):
        warnings.warn(f"{file}: {said}", CheckpointWarning, stacklevel=2)


def _split(path: str) -> tuple[Path, str]:
    """The file, and what stands behind #; a file whose own name has a # stays whole."""
    name, _, wanted = path.rpartition("#")
    return (Path(name), wanted) if name and not Path(path).exists() else (Path(path), "")


def _fits(net: nn.Module, where: str, state: State) -> Iterator[_Fit]:
    """How a state dict stands to a network, for each prefix that its names may have before the network's."""
    names = {key: ".".join(part for part in key.split(".") if part not in INSIDE) for key in state}
    given = {name: state[key] for key, name in names.items()}
    own = net.state_dict()
    unwrapped = {".".join(part for part in key.split(".") if part not in INSIDE): key for key in own}
    cuts = dict.fromkeys(("", _common(unwrapped)))  # a network may itself be wrapped in another
    for cut in cuts:
        wanted = {name[len(cut) :]: own[key] for name, key in unwrapped.items()}
        targets = {name[len(cut) :]: key for name, key in unwrapped.items()}
        for prefix in _prefixes(given, wanted):
            under = {name[len(prefix) :]: value for name, value in given.items() if name.startswith(prefix)}
            no_weights = {name for name, value in under.items() if name not in wanted and not isinstance(value, Tensor)}
            left = tuple(name for name in given if not name.startswith(prefix) or name[len(prefix) :] in no_weights)
            under = {name: value for name, value in under.items() if name not in no_weights}
            placed = {targets[name]: value for name, value in under.items() if name in targets}
            yield _Fit(where, prefix, placed, left, *_faults(under, wanted))


def _common(names: Iterable[str]) -> str:
    """The modules that all names begin with: "model." """
    split = [name.split(".")[:-1] for name in names]
    common: list[str] = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "".join(f"{part}." for part in common)


def _prefixes(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What may stand before a network's names in a state dict, none first: found by the longest of its names there."""
    for name in sorted(wanted, key=len, reverse=True):
        if found := [key[: -len(name)] for key in given if key == name or key.endswith(f".{name}")]:
            return sorted(set(found), key=lambda prefix: (len(prefix), prefix))
    return [""]


def _faults(
    given: Mapping[str, Any], wanted: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """What is missing, what is unexpected, and what has another shape or kind of number."""
    shared = {_place(wanted[name]) for name in given if name in wanted}
    missing = [
        name for name, own in wanted.items()
        if name not in given and not name.endswith(COUNTER) and _place(own) not in shared
    ]  # fmt: skip
    unexpected = [name for name in given if name not in wanted]
    pairs = [(name, given[name], wanted[name]) for name in given if name in wanted]
    shapes = [f"{name} {_shape(value)}, here {_shape(own)}" for name, value, own in pairs if not _alike(value, own)]
    return tuple(missing), tuple(unexpected), tuple(shapes)


def _tensors(fit: _Fit) -> object:
    """The same for two ways to find the same tensors."""
    return tuple(sorted((name, _place(value)) for name, value in fit.state.items()))


def _place(value: Any) -> tuple[int, tuple[int, ...]]:
    """Where a tensor lies; two names of one tensor have one place."""
    laid = isinstance(value, Tensor) and value.numel() > 0
    return (value.data_ptr(), tuple(value.shape)) if laid else (id(value), ())


def _alike(value: Any, own: Any) -> bool:
    if not (isinstance(value, Tensor) and isinstance(own, Tensor)):
        return isinstance(value, Tensor) == isinstance(own, Tensor)
    return value.shape == own.shape and value.is_floating_point() == own.is_floating_point()


def _shape(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    kind = "" if value.is_floating_point() else f" of {str(value.dtype).removeprefix('torch.')}"
    return f"({', '.join(map(str, value.shape))}){kind}"


def _called(fits: list[_Fit], wanted: str, file: Path) -> list[_Fit]:
    """Those that a user means by the name behind #."""
    chosen = [fit for fit in fits if wanted in (fit.name, fit.where, fit.prefix.removesuffix("."))]
    if not chosen:
        names = ", ".join(dict.fromkeys(fit.name for fit in fits if fit.name)) or "none by name"
        raise SemlensError(f"{file} has no weights {wanted!r}; it has: {names}")
    return chosen


def _chosen(whole: list[_Fit], file: Path) -> _Fit:
    """The one to take.

    Raises:
        SemlensError: several fit, and none is the plain one beside averages of it.
    """
    plain = [fit for fit in whole if not any(word in fit.name.lower() for word in AVERAGED)] or whole
    if len({fit.name for fit in plain}) > 1:
        names = " and ".join(fit.name or "the outermost" for fit in plain)
        raise SemlensError(
            f"{file} holds several weights that fit, {names}: say which, as {file.name}#{plain[-1].name}"
        )
    return plain[0]


def _said(fit: _Fit, whole: list[_Fit]) -> str:
    """What a user should know of how the weights were found; empty for a plain state dict."""
    said = []
    if fit.name:
        parts = [f"inside of {fit.where!r}"] * bool(fit.where) + [f"without the prefix {fit.prefix!r}"] * bool(
            fit.prefix
        )
        said.append(f"weights taken {' and '.join(parts)}")
    if fit.left:
        said.append(f"left out, as no part of the model: {_listed(fit.left)}")
    if others := [other.name for other in whole if other is not fit]:
        said.append(f"{', '.join(others)} would fit too: FILE#{others[0]} takes it")
    return "; ".join(said)


def _misfit(fit: _Fit, net: nn.Module, file: Path) -> str:
    """Why weights do not fit, key by key, with what to do where that can be told."""
    kinds = {"missing": fit.missing, "unexpected": fit.unexpected, "of another shape": fit.shapes}
    told = "; ".join(f"{kind} {len(names)}: {_listed(names)}" for kind, names in kinds.items() if names)
    inside = f" (inside of {fit.name!r})" if fit.name else ""
    return f"{file} does not fit this model{inside}: {told}{_advice(fit, net, file)}"


def _advice(fit: _Fit, net: nn.Module, file: Path) -> str:
    """What to do about weights that do not fit, where they tell."""
    names = [*fit.unexpected, *fit.left]
    if any(mark in name for name in names for mark in ("lora_", ".base_layer.", "base_model.")):
        return ". These are weights of a LoRA/PEFT adapter: merge it first (merge_and_unload) and save what comes out"
    if "-of-" in file.name and fit.missing:
        return ". It is one part of several: give their index, as model.safetensors.index.json"
    if fit.shapes and not fit.missing and not fit.unexpected and (classes := _classes(fit, net)):
        return f". Its classifier has {classes} classes: write NAME?num_classes={classes}@FILE"
    return ""


def _classes(fit: _Fit, net: nn.Module) -> int:
    """How many outputs the classifier has of weights that differ from the network in these alone; else 0."""
    own = net.state_dict()
    pairs = [(value, own[name]) for name, value in fit.state.items() if not _alike(value, own[name])]
    odd = [(given.shape, here.shape) for given, here in pairs if isinstance(given, Tensor) and isinstance(here, Tensor)]
    counts = {given[0] for given, here in odd if given and here and given[1:] == here[1:] and given[0] != here[0]}
    if len(odd) < len(pairs):
        return 0
    return int(counts.pop()) if len(counts) == 1 and len(odd) <= 4 else 0


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return f"{', '.join(every[:SHOWN])}{more}"
