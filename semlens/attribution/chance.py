"""What makes one forward pass differ from the next in eval mode: random numbers, and the statistics of the batch."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from semlens.errors import SemlensError

DROPOUTS = frozenset(
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout".split()
)
"""Functions that give back their argument as it is, where they draw nothing."""
_SWITCHES: Mapping[str, tuple[tuple[int, tuple[str, ...], object], ...]] = MappingProxyType(
    {
        **dict.fromkeys(DROPOUTS, ((1, ("p",), 0.5), (2, ("training", "train"), True))),
        "multi_head_attention_forward": ((10, ("dropout_p",), 0.0), (13, ("training",), True)),
        "rrelu": ((3, ("training",), False),),
        "scaled_dot_product_attention": ((4, ("dropout_p",), 0.0),),
    }
)
"""Functions that draw only if all of these arguments (place, names, default) say so."""
DRAWS = frozenset(_SWITCHES) | frozenset(
    "rand randn randint randperm rand_like randn_like randint_like bernoulli normal multinomial poisson uniform "
    "exponential geometric cauchy log_normal random gumbel_softmax fractional_max_pool2d "
    "fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices".split()
)
"""Functions that draw random numbers, or may."""


def refuse_chance(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], where: Callable[[], str]) -> None:
    """Lets a function pass that draws nothing at random which may come into the result.

    A single number is no such draw: networks that skip layers in training draw one and use it in training only. A draw
    by a generator of the model's own is the model's affair.

    Raises:
        SemlensError: it draws.
    """
    if name not in DRAWS:
        return
    if name in _SWITCHES:
        drawn = all(_get(args, kwargs, *switch) for switch in _SWITCHES[name])
    elif name.startswith("fractional"):
        drawn = not any(
            isinstance(value, Tensor) for value in (*args[1:], *kwargs.values())
        )  # random numbers made before
    else:
        drawn = kwargs.get("generator") is None and not _single(args, kwargs)
    if drawn:
        raise SemlensError(
            f"layer {where() or 'the model'!r} draws random numbers in eval mode ({name}), so that no two runs agree: "
            "switch it off in the model (dropout takes training=self.training)"
        )


def refuse_batch_statistics(args: Sequence[Any], kwargs: Mapping[str, Any], layer: str) -> None:
    """Lets a call of `functional.batch_norm` pass that normalises by numbers of its own.

    Raises:
        SemlensError: it normalises by those of the batch, or by what comes from the image.
    """
    mean, variance = _get(args, kwargs, 1, ("running_mean",), None), _get(args, kwargs, 2, ("running_var",), None)
    if mean is None or _of_image(mean) or _of_image(variance) or _get(args, kwargs, 5, ("training",), False):
        raise SemlensError(
            f"{layer!r} normalises by the statistics of the batch, so relevance would depend on which images run "
            "together: give it running statistics"
        )


def _of_image(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad and not value.is_leaf


class Watch(TorchFunctionMode):
    """Refuses what would make a plain gradient depend on chance or on the other images; changes nothing else.

    Args:
        where: tells the module that runs now.
    """

    def __init__(self, where: Callable[[], str]) -> None:
        super().__init__()
        self.where = where

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        refuse_chance(name, args, kwargs, self.where)
        if name == "batch_norm" and getattr(func, "__module__", "") == "torch.nn.functional":
            refuse_batch_statistics(args, kwargs, self.where())
        return func(*args, **kwargs)


def _get(args: Sequence[Any], kwargs: Mapping[str, Any], place: int, names: Sequence[str], default: Any) -> Any:
    for name in names if kwargs else ():
        if name in kwargs:
            return kwargs[name]
    return args[place] if place < len(args) else default


def _single(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a single number is asked for."""
    first = args[0] if args else kwargs.get("size", kwargs.get("input"))
    if isinstance(first, Tensor):
        return first.numel() == 1
    return isinstance(first, tuple | list) and not first
