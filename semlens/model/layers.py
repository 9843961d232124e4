"""From what the user writes to component kinds: `parse` reads a spec against a model, `list_layers` shows what there
is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from semlens.errors import SemlensError, unknown
from semlens.model.components import Components, site_of, tensor_in
from semlens.model.dictionary import MARK, Dictionary, moved
from semlens.model.hooks import Site, check_calls, module_at, record
from semlens.model.kinds import Channels, Heads, Tokens
from semlens.model.latents import Latents, Layer, layer_of, layer_text, named_dictionary
from semlens.model.layout import Layout, Layouts, layouts
from semlens.model.projections import attention_above
from semlens.types import Shaped

KINDS = ("channels", "tokens", "cls", "registers", "heads", "heads:all", "dictionary:FILE")


def registers(net: nn.Module) -> int:
    """How many register tokens a transformer has, read off its parameters as timm and transformers name them."""
    shapes = {name.rpartition(".")[2]: p.shape for name, p in net.named_parameters()}
    return sum(shapes[name][-2] for name in ("reg_token", "register_tokens") if name in shapes)


@dataclass(frozen=True)
class HeadProjection:
    """The linear layer that takes the vectors of an attention's heads, side by side.

    Args:
        path: inside the attention module.
        heads: how many there are.
        inner: path of the module inside whose output it has to take; empty where the attention's own function is.
    """

    path: str
    heads: int
    inner: str = ""


def head_projection(net: nn.Module, path: str) -> HeadProjection | None:
    """The output projection inside an attention module; None if the module is not one.

    It stands beside the number of heads, or, as in some models of transformers, heads and projection stand in a module
    of their own each.
    """
    try:
        module = net.get_submodule(path.partition("#")[0])
    except AttributeError:
        return None
    own = next((name for name in _PROJECTIONS if _vector_length(_submodule(module, name))), None)
    heads = _head_count(module) or (_by_dimension(module, own) if own else 0)
    if heads:
        return HeadProjection(own, heads) if own else None
    inner = [name for name, child in module.named_children() if _head_count(child) and not head_projection(child, "")]
    beside = [
        name for name, one in module.named_modules() if isinstance(one, nn.Linear) and name.split(".")[0] not in inner
    ]
    if len(inner) != 1 or len(beside) != 1:
        return None
    return HeadProjection(beside[0], _head_count(module.get_submodule(inner[0])), inner[0])


_HEADS = ("num_heads", "num_attention_heads", "n_heads", "heads")
_PROJECTIONS = ("proj", "out_proj", "o_proj", "c_proj", "to_out", "to_out.0")


def _head_count(module: nn.Module) -> int:
    found = next((getattr(module, name) for name in _HEADS if hasattr(module, name)), 0)
    return found if isinstance(found, int) else 0


def _by_dimension(module: nn.Module, projection: str) -> int:
    """How many heads an attention module has that says the length of a head's vector instead; 0 if it does not."""
    length = getattr(module, "head_dim", 0)
    whole = _vector_length(_submodule(module, projection))
    return whole // length if isinstance(length, int) and length and whole % length == 0 else 0


def _vector_length(module: nn.Module | None) -> int:
    """How long the vectors are that a linear layer takes, also one of GPT-2, whose weight lies the other way; 0 for any
    other module."""
    weight = getattr(module, "weight", None)
    if isinstance(module, nn.Linear):
        return module.in_features
    turned = type(module).__name__ == "Conv1D" and isinstance(weight, Tensor) and weight.ndim == 2
    return int(weight.shape[0]) if turned and isinstance(weight, Tensor) else 0


def _submodule(module: nn.Module, name: str) -> nn.Module | None:
    try:
        return module.get_submodule(name)
    except AttributeError:
        return None


def parse(net: nn.Module, spec: Layer, x: Shaped[Tensor, "n ..."]) -> Components:
    """The components that `layer` or `layer@kind` names.

    Kinds: `channels` (or `channels:-1` to say the axis), `tokens`, `cls`, `registers`, `heads` (at the patches; at
    every token `heads:all`), `dictionary:FILE`.
    Without a kind, maps and linear units are channels and sequences of features are tokens.

    Args:
        x: one preprocessed image, from which the images are made that are sent through the model to see what the layer
            gives.
    """
    ((kind, _),) = parse_all(net, [spec], x)
    return kind


def parse_all(net: nn.Module, specs: Sequence[Layer], x: Shaped[Tensor, "n ..."]) -> list[tuple[Components, int]]:
    """The components of each spec with their number.

    Raises:
        SemlensError: no spec, twice the same, an unknown one, one whose output cannot be told apart by image, or a
            dictionary for another layer.
    """
    if not specs:
        raise SemlensError("no layer given: name at least one, `semlens layers MODEL` lists them")
    for spec in specs:
        if isinstance(spec, Dictionary) and not spec.layer:
            raise SemlensError(f"{spec!r} does not say its layer: give dataclasses.replace(dictionary, layer=...)")
    texts = [layer_text(spec) for spec in specs]
    twice = [text for text in texts if texts.count(text) > 1]
    if twice:
        raise SemlensError(f"layer {twice[0]!r} is given twice")
    refuse_hidden(net)
    for text in texts:
        refuse_hidden(module_at(net, site_of(text).path), text)
    seen = layouts(net, x, _modules(net, texts))
    return [_bound(net, spec, seen) for spec in specs]


def _modules(net: nn.Module, specs: Sequence[str]) -> Iterator[str]:
    """The paths of the modules that the specs speak of, with the projections of their heads."""
    for spec in specs:
        path = site_of(spec).path
        yield path
        projection = head_projection(net, path)
        if projection:
            yield _inside(path, projection.path)


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _bound(net: nn.Module, spec: Layer, seen: Layouts) -> tuple[Components, int]:
    """The components of a spec of any form."""
    if isinstance(spec, Dictionary):
        return _latents(net, spec.layer, spec, seen)
    if not isinstance(spec, str):
        return spec, spec.dictionary.units if isinstance(spec, Latents) else _parse(net, spec.layer, seen)[1]
    layer, mark, name = spec.partition(MARK)
    if not mark:
        return _parse(net, spec, seen)
    dictionary = named_dictionary(name)
    return _latents(net, layer_of(layer, dictionary, spec), dictionary, seen, spec)


def _latents(net: nn.Module, layer: str, dictionary: Dictionary, seen: Layouts, text: str = "") -> tuple[Latents, int]:
    """A dictionary bound to a layer.

    Raises:
        SemlensError: the layer's vectors have another width, or the dictionary names no layer.
    """
    if not layer:
        raise SemlensError(f"{dictionary!r} does not say its layer: give dataclasses.replace(dictionary, layer=...)")
    base, _ = _parse(net, layer, seen)
    found = seen.sites[replace(base.site, call=base.site.call or 0)]
    assert isinstance(found, Layout)
    width = found.shape[base.dim if isinstance(base, Channels) else -1]
    if width != dictionary.width:
        raise SemlensError(
            f"the dictionary {dictionary.name or dictionary.digest[:16]} is made for vectors of {dictionary.width} "
            f"entries and layer {layer!r} has {width}: take one that was learned on this layer of this model"
        )
    weight = next((p for p in net.parameters() if p.is_floating_point()), torch.empty(0))
    kind = Latents(text or dictionary.text, base, dictionary, moved(dictionary, weight.device, weight.dtype))
    return kind, dictionary.units


def _parse(net: nn.Module, spec: str, seen: Layouts) -> tuple[Components, int]:
    layer, _, kind = spec.partition("@")
    site = _site_seen(spec, seen)
    if kind not in ("heads", "heads:all"):
        return _components(spec, kind, _layout(spec, site, seen), registers(net))
    found = head_projection(net, layer)
    if found is None:
        raise SemlensError(f"{layer!r} is not an attention module with an output projection of its own; try @tokens")
    heads = _heads(spec, site, found, seen)
    if heads is None:
        raise SemlensError(f"the heads of {layer!r} cannot be read: its output projection does not run as a module")
    return replace(heads, every=kind == "heads:all"), heads.heads


def _site_seen(spec: str, seen: Layouts) -> Site:
    """Where a spec's tensor passes, with the number of the call."""
    site = site_of(spec)
    check_calls(spec.partition("@")[0], site, seen.calls(site.path))
    return Site(site.path, site.call or 0)


def _layout(spec: str, site: Site, seen: Layouts) -> Layout:
    found = seen.sites.get(site)
    if isinstance(found, str):
        raise SemlensError(f"layer {spec!r} {found}; choose another layer, `semlens layers` lists what can be analysed")
    if found is None:
        raise SemlensError(
            f"the output of layer {spec!r} cannot be seen: the module is TorchScript; choose another layer"
        )
    return found


def _heads(spec: str, site: Site, projection: HeadProjection, seen: Layouts) -> Heads | None:
    """The heads of an attention module's call, where its projection runs on vectors that can be divided among them."""
    heads, path = projection.heads, _inside(site.path, projection.path)
    calls = seen.calls(path)
    taken = Site(path, site.call if calls > 1 else 0, "input")
    if projection.inner and _inside(site.path, projection.inner) not in seen.returned.get(taken, ()):
        return None
    found = seen.sites.get(taken)
    if not isinstance(found, Layout) or found.shape[-1] % heads or found.rows.axis == len(found.shape) - 1:
        return None
    where = f"{path}#{site.call}" if calls > 1 else path
    special, last = (found.first, found.last) if len(found.shape) == 3 else (0, 0)
    return Heads(spec, where, heads, special, last, found.rows, found.sides, words=found.words)


def _unknown_kind(spec: str, kind: str) -> SemlensError:
    if kind != "split":
        return unknown("component kind", kind, KINDS)
    whole = spec.partition("@")[0]
    return SemlensError(
        f"{spec!r} are halves of components, which no model computes: ask for the whole one, as {whole}:12 for its "
        "half 12/0"
    )


def _components(spec: str, kind: str, layout: Layout, named_registers: int) -> tuple[Components, int]:
    name, _, dim = kind.partition(":")
    ndim, axis = len(layout.shape), layout.components
    if not name and axis is None:
        raise SemlensError(
            f"layer {spec!r} gives {layout.shape} for one image, and what its components are cannot be seen; "
            f"say it: {spec}@channels:-1"
        )
    sequence = ndim == 3 and axis in (None, 2) and layout.rows.axis != 2
    name = name or ("tokens" if sequence else "channels")
    if name == "channels":
        return _channels(spec, dim, layout)
    tokens = {"tokens": "patch", "cls": "cls", "registers": "register"}.get(name)
    if tokens is None or dim:
        raise _unknown_kind(spec, kind)
    if not sequence:
        raise SemlensError(f"layer {spec!r} gives {layout.shape}, not images x tokens x features; use @channels")
    own = named_registers if named_registers <= layout.first else 0
    found = Tokens(spec, tokens, layout.first - own, own, layout.last, layout.rows, layout.sides, layout.words)
    length = layout.shape[1 if layout.rows.axis == 0 else 0]
    if not range(length)[found.span]:
        raise SemlensError(
            f"layer {spec!r} has no {tokens} tokens: its sequence has {layout.first - own} class and {own} register "
            f"tokens at its start and {layout.last} at its end"
        )
    return found, 2 * layout.shape[-1]


def _channels(spec: str, dim: str, layout: Layout) -> tuple[Channels, int]:
    ndim = len(layout.shape)
    default = layout.components if layout.components is not None else -1 if ndim == 3 else 1
    try:
        axis = int(dim) if dim else default if default == 1 else default - ndim
        place = range(ndim)[axis]
    except (ValueError, IndexError):
        raise SemlensError(f"layer {spec!r} gives {layout.shape}, which has no axis {dim}") from None
    if place == layout.rows.axis:
        raise SemlensError(f"layer {spec!r}: axis {place} of {layout.shape} holds the images; choose another")
    return Channels(spec, axis, layout.rows, layout.words), layout.shape[place]


def refuse_hidden(net: nn.Module, layer: str = "") -> None:
    """Refuses a module whose calls cannot be seen.

    Raises:
        SemlensError: it is TorchScript, or wrapped by torch.compile.
    """
    scripted = isinstance(net, torch.jit.ScriptModule)
    if not scripted and "_orig_mod" not in net._modules:
        return
    what = f"layer {layer!r}" if layer else "the model"
    if scripted:
        raise SemlensError(
            f"{what} is TorchScript (scripted or traced), inside which no layer can be seen: give the plain PyTorch "
            "module that it was made from, with the same weights"
        )
    raise SemlensError(
        f"{what} is wrapped by torch.compile, inside which no layer can be seen: give `net._orig_mod`, or compile "
        "in place with `net.compile()`"
    )


def unit_names(
    net: nn.Module, found: Sequence[tuple[Components, int]], class_names: Sequence[str], x: Shaped[Tensor, "n ..."]
) -> tuple[str | None, ...]:
    """What each component is called, all layers on one axis: its class where the layer gives the model's own output,
    else what its kind calls it, which may be nothing.
    """
    own: set[Site] = set()
    plain = [not isinstance(kind, Latents) and components == len(class_names) for kind, components in found]
    classifiers = list(dict.fromkeys(kind.site for (kind, _), is_plain in zip(found, plain, strict=True) if is_plain))
    if classifiers:
        with record(net, classifiers, lambda _, output: tensor_in(output)) as seen, torch.no_grad():
            given = tensor_in(net(x))
        own = {site for site in classifiers if torch.equal(seen[site], given)}
    names: list[str | None] = []
    for (kind, components), is_plain in zip(found, plain, strict=True):
        by_class = is_plain and kind.site in own
        names += class_names if by_class else [kind.unit_name(unit, components) for unit in range(components)]
    return tuple(names)


@dataclass(frozen=True)
class LayerRow:
    """A layer that can be analysed: its name, the kind used by default, how many components that gives, what other
    kinds of token can be read there (`layer@cls`), and how many heads of an `nn.MultiheadAttention` (`layer@heads`);
    those of any other attention are a row of their own."""

    layer: str
    kind: str
    components: int
    also: tuple[str, ...] = ()
    heads: int = 0


def list_layers(net: nn.Module, x: Shaped[Tensor, "n ..."]) -> list[LayerRow]:
    """Every layer of the model that can be analysed, in the order in which it runs; attention modules also as heads.

    Raises:
        SemlensError: a model whose calls cannot be seen, or of which no layer can be analysed.
    """
    refuse_hidden(net)
    seen, own = layouts(net, x), registers(net)
    rows: list[LayerRow] = []
    for site in seen.sites:
        if site.side == "output" and site.path and attention_above(net, site.path) is None:
            rows += _rows_at(net, site, seen, own)
    reasons = [found for site, found in seen.sites.items() if site.side == "output" and isinstance(found, str)]
    if not rows and reasons:
        raise SemlensError(f"no layer of the model can be analysed: the last {reasons[-1]}")
    return rows


def _rows_at(net: nn.Module, site: Site, seen: Layouts, own: int) -> list[LayerRow]:
    layer = site.path if seen.calls(site.path) == 1 else str(site)
    projection = head_projection(net, layer)
    heads = _heads(layer, site, projection, seen) if projection else None
    unseen = isinstance(heads, Heads) and attention_above(net, Site.parse(heads.projection).path) is not None
    more = [LayerRow(layer, "heads", heads.heads)] if heads and not unseen else []
    try:
        kind, count = _components(layer, "", _layout(layer, site, seen), own)
    except SemlensError:
        return more
    also = []
    if isinstance(kind, Tokens):
        also = ["cls"] * bool(kind.cls or kind.last) + ["registers"] * bool(kind.registers)
    return [LayerRow(layer, kind.kind, count, tuple(also), heads.heads if heads and unseen else 0), *more]
