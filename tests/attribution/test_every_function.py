"""Every function that torch lists is treated by what it does, found by trying it, or refused before it runs."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import get_overridable_functions, resolve_name

from semlens.attribution import operations as ops
from semlens.attribution import table
from semlens.attribution.chance import DRAWS, DROPOUTS
from semlens.attribution.composite import COMPOSITES
from semlens.attribution.conservation import Ledger
from semlens.attribution.marks import remark
from semlens.attribution.mode import Mode
from semlens.attribution.operations import Setting
from semlens.attribution.table import _REFUSED, _TABLE, known_as, name_of
from semlens.errors import SemlensError
from semlens.model import tensors_in

Function = Callable[..., Any]
SHAPES = ((6,), (3, 4), (4, 4), (2, 3, 8), (2, 4, 6, 6), (1, 2, 4, 4, 4))
LISTED = (table.MOVES | table.POOLS | table.SUMS | table.WINNERS | table.HOMOGENEOUS) - {
    "logaddexp"
}  # up to its entropy
OF_A_VALUE = {"fill", "fill_diagonal", "index_fill", "full_like", "block_diag", "bfloat16", "half"}
"""Functions that put a given number in, or round."""
NOT_BY_ELEMENT = {"local_response_norm"}
"""An activation whose divisor is a constant, so that relevance passes it unchanged too."""


@cache
def functions() -> tuple[tuple[Function, str, bool], ...]:
    """What torch lists, with the name that semlens knows it by and whether it works in place."""
    listed = {func: None for several in get_overridable_functions().values() for func in several}
    return tuple((func, *name_of(func, {})) for func in listed if getattr(func, "__name__", "") != "__get__")


def known(name: str, in_place: bool) -> bool:
    """Whether somebody has said how a function is treated, or why not."""
    special = name in DRAWS | DROPOUTS | {"requires_grad"} or (name in table.PASSIVE and not in_place)
    return special or known_as(name) in _TABLE or known_as(name) in _REFUSED


def seen_by(mode: Mode, shape: tuple[int, ...] = (2, 3)) -> Tensor:
    """A tensor that carries relevance."""
    x = torch.ones(shape, requires_grad=True).clone()
    remark(x, seen_by=mode.token)
    return x


def a_mode() -> Mode:
    return Mode(Setting(COMPOSITES["attnlrp"], Ledger(), []), lambda: "block.0")


def test_what_nobody_classified_is_refused_before_it_runs() -> None:
    mode, ran = a_mode(), []
    unknown = [(func, name) for func, name, in_place in functions() if not known(name, in_place)]
    for func, name in unknown:

        def spy(*args: Any, name: str = name, **kwargs: Any) -> None:
            ran.append(name)

        spy.__name__, spy.__module__ = func.__name__, str(getattr(func, "__module__", ""))
        with pytest.raises(SemlensError, match=r"no rule covers .* which layer 'block.0' calls|quantises"):
            mode.__torch_function__(spy, (), (seen_by(mode),), {})
    assert not ran
    assert len(unknown) > 50  # else nothing was asked


def test_what_is_refused_says_why_and_does_not_run() -> None:
    mode = a_mode()
    refused = [(func, name) for func, name, _ in functions() if known_as(name) in _REFUSED and name not in DRAWS]
    for func, name in refused:
        with pytest.raises(SemlensError, match=f"layer 'block.0' calls '{name}', which "):
            mode.__torch_function__(func, (), (seen_by(mode),), {})
    assert len(refused) > 50


def attempts(func: Function) -> Iterator[tuple[list[Tensor], Any]]:
    """Calls that the function takes, each with the tensors that it was given and with what it gave."""
    for shape, arguments in product(SHAPES, ARGUMENTS):
        draw = torch.Generator().manual_seed(1)
        given: list[Tensor] = []

        def tensor(shape: tuple[int, ...] = shape, draw: torch.Generator = draw, given: list[Tensor] = given) -> Tensor:
            given.append(torch.rand(shape, dtype=torch.float64, generator=draw).mul(0.7).add(0.2).requires_grad_())
            return given[-1]

        try:
            out = func(*arguments(tensor))
        except Exception:  # it takes other arguments
            continue
        if any(t.is_floating_point() for t in tensors_in(out)):
            yield given, out


ARGUMENTS: tuple[Callable[[Callable[[], Tensor]], tuple[Any, ...]], ...] = (
    lambda t: (t(),), lambda t: (t(), t()), lambda t: (t(), 1), lambda t: (t(), 0, 1), lambda t: (t(), 2),
    lambda t: (t(), t(), t()), lambda t: ([t(), t()],), lambda t: (t(), [0, 1]), lambda t: (t(), (2, 2)),
    lambda t: (t(), 1, torch.tensor([1, 0])), lambda t: (t(), torch.tensor([1, 0])),
)  # fmt: skip


def value_and_euler(given: list[Tensor], out: Any) -> tuple[Tensor, Tensor]:
    """A weighted sum of the values, and that of input times gradient."""
    values = [t for t in tensors_in(out) if t.is_floating_point()]
    weighted = sum((t * torch.linspace(-1, 2, t.numel(), dtype=t.dtype).view(t.shape)).sum() for t in values)
    assert isinstance(weighted, Tensor)
    gradients = torch.autograd.grad(weighted, given, allow_unused=True, materialize_grads=True)
    return weighted.detach(), sum(((t * g).sum() for t, g in zip(given, gradients, strict=True)), torch.zeros(()))


@pytest.mark.slow
def test_what_passes_by_its_gradient_gets_its_whole_value_by_it() -> None:
    checked, wrong = set(), set()
    for func, name, in_place in functions():
        handler = _TABLE.get(known_as(name))
        if known_as(name) not in LISTED - OF_A_VALUE or in_place or handler not in (ops.by_gradient, ops.join):
            continue
        for given, out in attempts(func):
            if not any(t.requires_grad for t in tensors_in(out)):
                continue
            try:
                value, found = value_and_euler(given, out)
            except RuntimeError:  # no derivative
                continue
            checked.add(name)
            if not torch.allclose(value, found.to(value.dtype), rtol=1e-5, atol=1e-9):
                wrong.add(resolve_name(func))
    assert not wrong
    assert len(checked) > 100, sorted(checked)


def test_activations_are_element_by_element() -> None:
    checked, wrong = set(), set()
    for func, name, in_place in functions():
        if known_as(name) not in table.ACTIVATIONS - NOT_BY_ELEMENT or in_place:
            continue
        for given, out in attempts(func):
            if isinstance(out, Tensor) and out.shape == given[0].shape and out.requires_grad:
                try:
                    (g,) = torch.autograd.grad(out.flatten()[1], given[0], allow_unused=True, materialize_grads=True)
                except RuntimeError:  # no derivative of this argument
                    continue
                if g.isnan().any():  # outside of where it is defined
                    continue
                checked.add(name)
                if g.flatten()[2:].any() or g.flatten()[0] != 0:
                    wrong.add(name)
    assert not wrong
    assert len(checked) > 50, sorted(checked)


def test_what_carries_nothing_has_no_gradient() -> None:
    checked, wrong = set(), set()
    for func, name, in_place in functions():
        if (name not in table.PASSIVE and known_as(name) not in table.STEPS) or in_place or name in DRAWS:
            continue
        for given, out in attempts(func):
            checked.add(name)
            try:
                _, found = value_and_euler(given, out)
            except RuntimeError:  # no graph, or no derivative
                continue
            if found:
                wrong.add(name)
    assert not wrong
    assert len(checked) >= 20, sorted(checked)


def test_operators_from_the_right_are_no_random_numbers() -> None:
    mask = torch.tensor([True, False])
    mode = a_mode()
    for func, expected in ((Tensor.__rand__, [True, False]), (Tensor.__ror__, [True, True])):
        assert mode.__torch_function__(func, (), (mask, True), {}).tolist() == expected
