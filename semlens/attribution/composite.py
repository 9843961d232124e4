"""Which rule goes where: named composites, how a user makes one, and the composite that a method's name stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from semlens.attribution.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, ZBox, z_plus
from semlens.errors import SemlensError, unknown
from semlens.model import VisionModel, each_module, still, tensors_in
from semlens.types import Shaped

ATTENTION = ("attnlrp", "cp")
PRODUCTS = ("half", "signal", "proportional")
POOLS = ("all", "sign")
TREATMENTS = ("activation", "linear", "product", "constant")


@dataclass(frozen=True)
class Composite:
    """A rule for every kind of layer.

    Args:
        name: the composite's name in reports.
        convolution, linear: rules by the kind of layer.
        first: rule of the layers that take the input itself, of either kind; None for the rule of their kind.
        named: pairs of a pattern for layer names ("layer4.*", as in fnmatch) and a rule; the first pattern that matches
            takes precedence over everything else.
        attention: "attnlrp" shares relevance between the attention weights and the values; "cp" treats the weights as
            constants, so that the values get all (Ali et al. 2022).
        product: the share of a gate in the relevance of its product with a signal: "half" (AttnLRP's uniform rule,
            LRP-half), none for "signal" (LRP-all), that of its pre-activation in the sum of both for "proportional"
            (LRP-prop, in LSTM and GRU only; other products are halved).
        pools: which values share the relevance of their mean: "all" in proportion, or only those of its "sign", which
            is the z+ rule for means of any sign.
        functions: how functions that semlens does not know are treated, by name: "activation" (element-wise, relevance
            passes unchanged; several operands share it evenly), "linear" (moves or adds up its inputs), "product"
            (linear in each of several operands, which share it evenly), "constant" (its output is treated as a
            constant, which absorbs and passes nothing).

    Raises:
        SemlensError: a value of `attention`, `product`, `pools` or `functions` that does not exist.
    """

    name: str
    convolution: Rule = field(default_factory=Epsilon)
    linear: Rule = field(default_factory=Epsilon)
    first: Rule | None = None
    named: tuple[tuple[str, Rule], ...] = ()
    attention: str = "attnlrp"
    product: str = "half"
    pools: str = "all"
    functions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for option, known in (("attention", ATTENTION), ("product", PRODUCTS), ("pools", POOLS)):
            if getattr(self, option) not in known:
                raise unknown(option, getattr(self, option), known)
        for function, treatment in self.functions.items():
            if treatment not in TREATMENTS:
                raise unknown(f"treatment of {function!r},", treatment, TREATMENTS)

    def rule(self, layer: str, kind: str, *, first: bool) -> Rule:
        """The rule of a layer, by its name, else its position, else its kind ("convolution" or "linear")."""
        for pattern, rule in self.named:
            if fnmatchcase(layer, pattern):
                return rule
        if first and self.first is not None:
            return self.first
        return self.convolution if kind == "convolution" else self.linear

    def with_rule(self, pattern: str, rule: Rule) -> "Composite":
        """The same composite with another rule for the layers whose names match `pattern`."""
        return replace(self, name=f"{self.name}+{pattern}", named=((pattern, rule), *self.named))

    def with_function(self, name: str, treatment: str) -> "Composite":
        """The same composite with a treatment for the function `name`; see `functions`."""
        return replace(
            self, name=f"{self.name}+{name}", functions=MappingProxyType({**self.functions, name: treatment})
        )


_PRESETS = (
    Composite("epsilon"),
    Composite("epsilon_plus_flat", convolution=z_plus(), first=Flat(), product="signal", pools="sign"),
    Composite("epsilon_plus", convolution=z_plus(), product="signal", pools="sign"),
    Composite("epsilon_gamma_box", convolution=Gamma(), first=ZBox(), product="signal"),
    Composite("epsilon_alpha2_beta1_flat", convolution=AlphaBeta(2.0, 1.0), first=Flat(), product="signal"),
    Composite("attnlrp"),
    Composite("attnlrp_gamma", convolution=Gamma(0.25), linear=Gamma(0.05), pools="sign"),
    Composite("cp_lrp", attention="cp"),
)
COMPOSITES: Mapping[str, Composite] = MappingProxyType({composite.name: composite for composite in _PRESETS})
"""Composites by name. The default is "attnlrp_gamma" for networks with attention or norms that centre each image, else
"epsilon_plus_flat"."""

GRADIENTS = ("gradient", "integrated_gradients")
METHODS = (*COMPOSITES, *GRADIENTS)


FUSED_ATTENTION = frozenset(
    "scaled_dot_product_attention multi_head_attention_forward native_multi_head_attention flex_attention "
    "transformer_encoder_layer_fwd".split()
)
MATRIX_PRODUCTS = frozenset("matmul rmatmul mm bmm baddbmm addbmm addmm einsum tensordot".split())
CENTRING_NORMS = frozenset(
    "layer_norm native_layer_norm group_norm native_group_norm instance_norm var std var_mean std_mean".split()
)
_decided: "WeakKeyDictionary[nn.Module, dict[tuple[object, ...], bool]]" = WeakKeyDictionary()


def default_composite(net: nn.Module, x: Shaped[Tensor, "n ..."]) -> Composite:
    """`attnlrp_gamma` for a network with attention or norms that centre each image, else `epsilon_plus_flat`.

    A product of two matrices that are both made from the image is what attention is, however it is written: fused, by
    softmax or linear, over windows or channels. A norm that centres (LayerNorm, GroupNorm, InstanceNorm) spreads a
    modified gradient over all channels, and z+ lets that grow without bound where next to nothing is positive. Both
    are looked for in one forward pass of the first image, which is remembered as long as the network lives.
    """
    key = (x.shape[1:], x.dtype, *map(id, each_module(net)))
    known = _decided.setdefault(net, {})
    if key not in known:
        known[key] = _attends_or_centres(net, x[:1])
    return COMPOSITES["attnlrp_gamma" if known[key] else "epsilon_plus_flat"]


def _attends_or_centres(net: nn.Module, x: Tensor) -> bool:
    image = x.detach().clone()
    with torch.no_grad(), still(net), _Dependence(image) as seen:
        net(image)
    return seen.attention or seen.centring


class _Dependence(TorchFunctionMode):
    """Follows which tensors are made from the image, and notices attention and norms that centre."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.attention = self.centring = False
        self._made = WeakTensorKeyDictionary()  # by identity; an attribute would stay on buffers that a model writes to
        self._made[image] = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        made = [tensor in self._made for tensor in tensors_in((args, kwargs))]
        if any(made):
            name = getattr(func, "__name__", "").strip("_")
            product = name in MATRIX_PRODUCTS and sum(made[-2:]) == 2  # the first of three is a summand
            self.attention |= product or name in FUSED_ATTENTION
            self.centring |= name in CENTRING_NORMS
            for tensor in tensors_in((out, args[0] if args and name in {"setitem", "set", "copy"} else None)):
                self._made[tensor] = True
        return out


def choose(method: str | Composite, model: VisionModel, x: Shaped[Tensor, "n ..."] | None = None) -> Composite | str:
    """The composite that a method's name stands for, or the name of a gradient method.

    Args:
        x: images as the model takes them, on which "auto" looks at the model; its example input if None.

    Raises:
        SemlensError: a method that does not exist.
    """
    if isinstance(method, Composite):
        return method
    if method == "auto":
        return default_composite(model.net, model.example_input() if x is None else x)
    if method not in METHODS:
        raise unknown("method", method, (*METHODS, "auto"))
    return method if method in GRADIENTS else COMPOSITES[method]


def rules_for(
    method: str | Composite, model: VisionModel, purpose: str, x: Shaped[Tensor, "n ..."] | None = None
) -> Composite:
    """The composite that a method's name stands for.

    Args:
        purpose: what needs the relevance, in the plural; the start of the error's sentence.
        x: as in `choose`.

    Raises:
        SemlensError: a method that does not exist, or a plain gradient, which has no relevance.
    """
    chosen = choose(method, model, x)
    if not isinstance(chosen, Composite):
        raise SemlensError(
            f"{purpose} need relevance, and method {chosen!r} has none, since it conserves nothing: choose a composite"
        )
    return chosen
