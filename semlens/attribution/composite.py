"""Which rule goes where: named composites, and how a user makes one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from torch import nn

from semlens.attribution.rules import AlphaBeta, Epsilon, Flat, Gamma, Rule, ZBox, z_plus
from semlens.errors import unknown

ATTENTION = ("attnlrp", "cp")
PRODUCTS = ("half", "signal", "proportional")
TREATMENTS = ("activation", "linear", "constant")


@dataclass(frozen=True)
class Composite:
    """A rule for every kind of layer.

    Args:
        name: what reports call it.
        convolution, linear: rules by the kind of layer.
        first: rule of the layers that see the input itself, whatever their kind; None for the rule of their kind.
        named: pairs of a pattern for layer names ("layer4.*", as in fnmatch) and a rule; the first that fits wins over
            everything else.
        attention: "attnlrp" shares relevance between the attention weights and the values; "cp" takes the weights as
            constants, so that all of it goes to the values (Ali et al. 2022).
        product: what a gate gets of the product with its signal: "half" (AttnLRP's uniform rule, LRP-half), "signal"
            gives it nothing (LRP-all), "proportional" what its pre-activation has of the sum of both (LRP-prop, in
            LSTM and GRU only; other products are halved).
        functions: how functions that semlens does not know are to be treated, by name: "activation" (element-wise,
            relevance passes unchanged), "linear" (moves or adds up its inputs), "constant" (keeps nothing, passes
            nothing: its output counts as a number).
    """

    name: str
    convolution: Rule = field(default_factory=Epsilon)
    linear: Rule = field(default_factory=Epsilon)
    first: Rule | None = None
    named: tuple[tuple[str, Rule], ...] = ()
    attention: str = "attnlrp"
    product: str = "half"
    functions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for what, value, known in (("attention", self.attention, ATTENTION), ("product", self.product, PRODUCTS)):
            if value not in known:
                raise unknown(what, value, known)
        for function, treatment in self.functions.items():
            if treatment not in TREATMENTS:
                raise unknown(f"treatment of {function!r},", treatment, TREATMENTS)

    def rule(self, layer: str, kind: str, *, first: bool) -> Rule:
        """The rule of a layer, by its name, its position or its kind ("convolution" or "linear")."""
        for pattern, rule in self.named:
            if fnmatchcase(layer, pattern):
                return rule
        if first and self.first is not None:
            return self.first
        return self.convolution if kind == "convolution" else self.linear

    def with_rule(self, pattern: str, rule: Rule) -> "Composite":
        """The same composite with another rule for the layers whose names fit `pattern`."""
        return replace(self, name=f"{self.name}+{pattern}", named=((pattern, rule), *self.named))

    def with_function(self, name: str, treatment: str) -> "Composite":
        """The same composite that also knows the function `name`; see `functions`."""
        return replace(
            self, name=f"{self.name}+{name}", functions=MappingProxyType({**self.functions, name: treatment})
        )


_PRESETS = (
    Composite("epsilon"),
    Composite("epsilon_plus_flat", convolution=z_plus(), first=Flat(), product="signal"),
    Composite("epsilon_plus", convolution=z_plus(), product="signal"),
    Composite("epsilon_gamma_box", convolution=Gamma(), first=ZBox(), product="signal"),
    Composite("epsilon_alpha2_beta1_flat", convolution=AlphaBeta(2.0, 1.0), first=Flat(), product="signal"),
    Composite("attnlrp"),
    Composite("attnlrp_gamma", convolution=Gamma(0.25), linear=Gamma(0.05)),
    Composite("cp_lrp", attention="cp"),
)
COMPOSITES: Mapping[str, Composite] = MappingProxyType({composite.name: composite for composite in _PRESETS})
"""Composites by name. "epsilon_plus_flat" is the default for convolutional networks, "attnlrp" for transformers."""


def default_composite(net: nn.Module) -> Composite:
    """`attnlrp` for a network with attention in it, else `epsilon_plus_flat`."""
    attentive = any("attention" in type(module).__name__.lower() or _is_block(module) for module in net.modules())
    return COMPOSITES["attnlrp" if attentive else "epsilon_plus_flat"]


def _is_block(module: nn.Module) -> bool:
    """Attention that is not called so: timm's AttentionPool is, EVA's EvaAttention is, a bare qkv projection is not."""
    return any(name in {"qkv", "q_proj", "in_proj_weight"} for name in dict(module.named_children())) or hasattr(
        module, "in_proj_weight"
    )
