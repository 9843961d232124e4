"""From what the user writes to component kinds: `parse` reads a spec against a model, `list_layers` shows what there
is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError, unknown
from semlens.model.components import Channels, Components, Heads, Tokens, site_of, tensor_in
from semlens.model.hooks import Site, record, survey
from semlens.shapes import Float


def special_tokens(net: nn.Module) -> tuple[int, int]:
    """How many class (and distillation) tokens and how many register tokens a transformer puts before its patches.

    Read off the model's own parameters, as timm, torchvision, transformers and open_clip name them.
    """
    shapes = {name.rpartition(".")[2]: p.shape for name, p in net.named_parameters()}
    cls = sum(name in shapes for name in ("cls_token", "class_token", "class_embedding"))
    distilled = sum(name in shapes for name in ("dist_token", "distillation_token"))
    registers = [shapes[name][-2] for name in ("reg_token", "register_tokens") if name in shapes]
    return min(cls, 1) + distilled, sum(registers)


def head_projection(net: nn.Module, path: str) -> tuple[str, int] | None:
    """Path of the output projection inside an attention module and its number of heads; None if the module is not
    one."""
    module = dict(net.named_modules()).get(path.partition("#")[0])
    heads = next(
        (getattr(module, name) for name in ("num_heads", "num_attention_heads") if hasattr(module, name)), None
    )
    for name in ("proj", "out_proj", "o_proj", "c_proj"):
        if module is not None and isinstance(heads, int) and isinstance(getattr(module, name, None), nn.Linear):
            return f"{path}.{name}", heads
    return None


def parse(net: nn.Module, spec: str, x: Float[Tensor, "n ..."]) -> Components:
    """The components that `layer` or `layer@kind` names.

    Kinds: `channels` (or `channels:-1` for an axis other than 1), `tokens`, `cls`, `registers`, `heads`. Without a
    kind, maps and linear units are channels and sequences of tokens are tokens.

    Args:
        x: one preprocessed image, sent through the model to see what the layer gives.
    """
    ((kind, _),) = parse_all(net, [spec], x)
    return kind


def _kind(layer: str, kind: str, output: Tensor, special: tuple[int, int], channels_last: bool) -> Components:
    name, _, dim = kind.partition(":")
    name = name or {2: "channels", 3: "tokens", 4: "channels", 5: "channels"}.get(output.ndim, "")
    if name == "channels":
        default = -1 if output.ndim == 3 or (channels_last and output.ndim == 4) else 1
        return Channels(layer, int(dim) if dim else default)
    tokens = {"tokens": "patch", "cls": "cls", "registers": "register"}.get(name)
    if tokens is None:
        known = ("channels", "tokens", "cls", "registers", "heads")
        if not kind:
            raise SemlensError(
                f"layer {layer!r} gives {tuple(output.shape)}; say what its components are: {layer}@channels:-1"
            )
        raise unknown("component kind", kind, known)
    if output.ndim != 3:
        raise SemlensError(
            f"layer {layer!r} gives {tuple(output.shape)}, not images x tokens x features; use @channels"
        )
    found = Tokens(layer, tokens, *special)
    if output[:, found.span].shape[1] == 0:
        raise SemlensError(
            f"layer {layer!r} has no {tokens} tokens: its sequence starts with {special[0]} class and "
            f"{special[1]} register tokens"
        )
    return found


def parse_all(net: nn.Module, specs: Sequence[str], x: Float[Tensor, "n ..."]) -> list[tuple[Components, int]]:
    """The components of each spec with their number, seen in one forward pass.

    Raises SemlensError for none, twice the same, or an unknown one.
    """
    if not specs:
        raise SemlensError("no layer given: name at least one, `semlens layers MODEL` lists them")
    twice = [spec for spec in specs if specs.count(spec) > 1]
    if twice:
        raise SemlensError(f"layer {twice[0]!r} is given twice")
    special, channels_last = special_tokens(net), getattr(net, "output_fmt", None) == "NHWC"
    heads = {spec: _heads(net, spec, sum(special)) for spec in specs if spec.partition("@")[2] == "heads"}
    at: dict[Site, list[str]] = {}
    for spec in specs:
        at.setdefault(heads[spec].site if spec in heads else site_of(spec), []).append(spec)

    def look(site: Site, output: Any) -> dict[str, tuple[Components, int]]:
        found: dict[str, tuple[Components, int]] = {}
        for spec in at[site]:
            kind = heads.get(spec) or _kind(spec, spec.partition("@")[2], tensor_in(output), special, channels_last)
            found[spec] = kind, kind.read(output).shape[1]
        return found

    with record(net, list(at), look) as seen, torch.no_grad():
        net(x)
    found = {spec: pair for site in at for spec, pair in seen[site].items()}
    return [found[spec] for spec in specs]


def _heads(net: nn.Module, spec: str, special: int) -> Heads:
    path = spec.partition("@")[0]
    found = head_projection(net, path)
    if found is None:
        raise SemlensError(f"{path!r} is not an attention module with an output projection of its own; try @tokens")
    return Heads(spec, *found, special=special)


def unit_names(
    net: nn.Module, found: Sequence[tuple[Components, int]], class_names: Sequence[str], x: Float[Tensor, "n ..."]
) -> tuple[str | None, ...]:
    """What each component is called, all layers on one axis: its class where the layer gives the model's own output,
    else what its kind calls it, which may be nothing.
    """
    own: set[Site] = set()
    classifiers = list(dict.fromkeys(kind.site for kind, components in found if components == len(class_names)))
    if classifiers:
        with record(net, classifiers, lambda _, output: tensor_in(output)) as seen, torch.no_grad():
            given = tensor_in(net(x))
        own = {site for site in classifiers if torch.equal(seen[site], given)}
    names: list[str | None] = []
    for kind, components in found:
        by_class = components == len(class_names) and kind.site in own
        names += class_names if by_class else [kind.unit_name(unit, components) for unit in range(components)]
    return tuple(names)


@dataclass(frozen=True)
class LayerRow:
    """A layer that can be analysed: its name, the kind used by default and how many components that gives."""

    layer: str
    kind: str
    components: int


def list_layers(net: nn.Module, x: Float[Tensor, "n ..."]) -> list[LayerRow]:
    """Every layer of the model that can be analysed, in the order in which it runs; attention modules also as heads."""
    special, channels_last = special_tokens(net), getattr(net, "output_fmt", None) == "NHWC"
    rows: list[LayerRow] = []
    with torch.no_grad():
        for layer, output in survey(net, x):
            try:
                kind = _kind(layer, "", tensor_in(output), special, channels_last)
            except SemlensError:
                continue
            rows.append(LayerRow(layer, kind.kind, kind.read(output).shape[1]))
            heads = head_projection(net, layer)
            if heads is not None:
                rows.append(LayerRow(layer, "heads", heads[1]))
    return rows
