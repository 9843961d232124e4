"""The law of component kinds, and the pooling each kind does without reading everything."""

from collections import namedtuple
from typing import Any

import pytest
import torch
from einops import rearrange
from transformers.modeling_outputs import BaseModelOutput

from semlens.errors import SemlensError
from semlens.model.components import Components, pool_rows, put_tensor, tensor_in
from semlens.model.kinds import Channels, Heads, Tokens

Pair = namedtuple("Pair", ["first", "second"])
MAP = torch.randn(2, 6, 4, 4, generator=torch.Generator().manual_seed(0))
SEQUENCE = torch.randn(2, 14, 6, generator=torch.Generator().manual_seed(1))
VECTOR = torch.randn(2, 6, generator=torch.Generator().manual_seed(2))
VOLUME = torch.randn(2, 3, 2, 4, 4, generator=torch.Generator().manual_seed(3))
SEQUENCE[0, 3] = 0  # a head without length, a feature without sign

CASES: list[tuple[Components, torch.Tensor]] = [
    (Channels("a"), MAP),
    (Channels("a"), MAP.contiguous(memory_format=torch.channels_last)),
    (Channels("a", dim=-1), MAP),
    (Channels("a", dim=-1), SEQUENCE),
    (Channels("a"), VECTOR),
    (Channels("a"), VOLUME),
    (Tokens("a", "patch", 1, 4), SEQUENCE),
    (Tokens("a", "cls", 1, 4), SEQUENCE),
    (Tokens("a", "register", 1, 4), SEQUENCE),
    (Tokens("a", "patch", 0, 0), SEQUENCE),
    (Heads("a", "a.proj", 3, special=1), SEQUENCE),
]
WRAPS: list[Any] = [
    lambda x: x,
    lambda x: (x, "rest"),
    lambda x: [x],
    lambda x: {"last_hidden_state": x},
    lambda x: Pair(x, 1),
    lambda x: BaseModelOutput(last_hidden_state=x),
]


@pytest.mark.parametrize(("kind", "x"), CASES)
@pytest.mark.parametrize("wrap", WRAPS)
def test_law_write_what_was_read_changes_nothing(kind: Components, x: torch.Tensor, wrap: Any) -> None:
    output = wrap(x)
    again = kind.write(output, kind.read(output))
    assert type(again) is type(output)
    assert torch.equal(tensor_in(again), x)


@pytest.mark.parametrize(("kind", "x"), CASES)
def test_what_is_written_is_read_again_and_the_input_stays(kind: Components, x: torch.Tensor) -> None:
    before = x.clone()
    acts = kind.read(x).clone()
    acts[:, 0] = acts[:, 0] * 2
    torch.testing.assert_close(kind.read(kind.write(x, acts))[:, 0], acts[:, 0])
    assert torch.equal(x, before)


@pytest.mark.parametrize(("kind", "x"), CASES)
@pytest.mark.parametrize("how", ["max", "mean"])
def test_pool_is_read_reduced_over_positions(kind: Components, x: torch.Tensor, how: str) -> None:
    acts = kind.read(x)
    pooled = kind.pool(x, how)
    torch.testing.assert_close(pooled.activations, acts.amax(2) if how == "max" else acts.mean(2))
    if how == "max":
        assert pooled.positions is not None
        at = acts.gather(2, pooled.positions.long()[:, :, None])[:, :, 0]
        torch.testing.assert_close(at.clamp(min=acts.amin()), pooled.activations)


@pytest.mark.parametrize("p", [1, 7, 12, 49])
def test_the_position_of_a_maximum_is_the_first(p: int) -> None:
    x = torch.randint(0, 3, (3, p, 5), generator=torch.Generator().manual_seed(p)).float()
    pooled = pool_rows(x, "max")
    assert pooled.positions is not None
    for n in range(3):
        for c in range(5):
            column = x[n, :, c].tolist()
            assert pooled.positions[n, c] == column.index(max(column))


def test_tokens_leave_class_and_register_tokens_out() -> None:
    """T9d: a mean over all tokens mixes the class token in."""
    x = torch.zeros(1, 7, 2)
    x[:, :3] = 100
    x[:, 3:] = torch.tensor([1.0, -2.0])
    assert Tokens("a", "patch", 1, 2).pool(x, "mean").activations.tolist() == [[1.0, 0.0, 0.0, 2.0]]
    assert Tokens("a", "cls", 1, 2).read(x).tolist() == [[[100.0], [100.0], [0.0], [0.0]]]


def test_token_kinds_differ_in_name() -> None:
    """T9b: two special tokens under one name shared one cache."""
    assert len({Tokens("a", tokens).kind for tokens in ("patch", "cls", "register")}) == 3


def test_suppressing_a_side_of_a_feature_leaves_the_other() -> None:
    x = torch.tensor([[[9.0], [3.0], [-2.0]]])
    kind = Tokens("a", "patch", 1)
    acts = kind.read(x)
    acts[:, 0] = 0
    assert kind.write(x, acts).flatten().tolist() == [9.0, 0.0, -2.0]


def test_heads_are_lengths_of_the_vectors_that_lie_side_by_side() -> None:
    x = torch.tensor([[[9.0, 9, 9, 9], [3, 4, 0, 1]]])
    assert Heads("a", "a.proj", 2, special=1).read(x).tolist() == [[[5.0], [1.0]]]


def test_grids() -> None:
    assert Channels("a").grid(MAP) == (4, 4)
    assert Channels("a").grid(VECTOR) is None
    assert Tokens("a", "patch", 1, 4, sides=(3, 3)).grid(SEQUENCE) == (3, 3)
    assert Tokens("a", "patch", 1, 4, sides=(4, 4)).grid(SEQUENCE) == (3, 3)  # images of another size
    assert Tokens("a", "patch", 1, 4).grid(SEQUENCE) is None  # no grid was seen, or patches lie in another order
    assert Tokens("a", "cls", 1, 4).grid(SEQUENCE) is None


def test_a_tensor_is_found_in_what_layers_give() -> None:
    """T9a: the published package fails on tuples."""
    for wrap in WRAPS:
        assert tensor_in(wrap(MAP)) is MAP
    replaced = put_tensor(BaseModelOutput(last_hidden_state=SEQUENCE), SEQUENCE * 2)
    assert torch.equal(replaced.last_hidden_state, SEQUENCE * 2)


@pytest.mark.parametrize("nothing", [None, "text", (), {}, [None]])
def test_an_output_without_a_tensor_is_an_error(nothing: Any) -> None:
    with pytest.raises(SemlensError, match="holds no tensor"):
        tensor_in(nothing)


def test_half_precision_is_pooled_in_float32() -> None:
    x = torch.full((1, 4096, 1), 0.1, dtype=torch.bfloat16)
    x[0, 0] = 0.2
    pooled = pool_rows(x, "mean").activations
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, rearrange(x.double().mean(1), "n c -> n c").float())
