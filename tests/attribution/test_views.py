"""Models that write into memory: through views, several at once, or into `out=`. Outputs stay bit for bit, and
relevance is that of the same function written without."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.composite import COMPOSITES
from semlens.attribution.maps import conditional_maps
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from tests.attribution.heat import ZERO, accounts, heat
from tests.attribution.loops import each
from tests.attribution.nets import model
from tests.attribution.ways import Net, pixels

Function = Callable[[Tensor], Tensor]


def image_by_image(x: Tensor) -> Tensor:
    """As torchvision's detectors put a batch together."""
    batch = x.new_full((len(x), 3, 8, 8), 0)
    for i in range(len(x)):
        batch[i, :, :6, :6].copy_(x[i])
    return batch


def row_by_row(x: Tensor) -> Tensor:
    batch = torch.zeros_like(x)
    for memory, image in zip(batch.unbind(0), x, strict=True):
        for line, values in zip(memory.chunk(2, -1), image.chunk(2, -1), strict=True):
            line[:] = values
    return batch


def another_view_first(x: Tensor) -> Tensor:
    batch = torch.zeros_like(x)
    first, second = batch[0], batch.select(0, 1)
    batch[:] = x
    return torch.stack([first, second])


def half_through_a_mask(x: Tensor) -> Tensor:
    batch, mask = torch.zeros_like(x), torch.arange(6) % 2 == 0
    batch[..., mask] = x[..., mask]
    return batch


def by_index(x: Tensor) -> Tensor:
    batch = torch.zeros_like(x)
    batch.index_put_((torch.tensor([1, 0]),), x)
    batch.flatten(2).transpose(1, 2).narrow(1, 0, 6).fill_(0.0)
    return batch


def scattered(x: Tensor) -> Tensor:
    order = torch.tensor([5, 4, 3, 2, 1, 0]).expand(x.shape)
    batch = torch.zeros_like(x).scatter_(3, order, x)
    batch[:, 0].masked_fill_(torch.eye(6, dtype=torch.bool), 0.0)
    batch[:, 1, 2].zero_()
    return batch


def masked(x: Tensor) -> Tensor:
    keep = torch.ones_like(x)
    keep[:, 0] = keep[:, 0] - torch.eye(6, dtype=x.dtype)
    keep[:, 1, 2] = 0
    return x.flip(3) * keep


def converted(x: Tensor) -> Tensor:
    batch = torch.zeros(x.shape, dtype=torch.float32)
    batch.view(len(x), -1).copy_(x.flatten(1))
    return batch.to(x.dtype)


def into_out(x: Tensor) -> Tensor:
    memory = x.new_empty(0)
    torch.stack([x, x.flip(-1)], 1, out=memory)
    total = torch.empty_like(x)
    torch.sum(memory, 1, out=total)
    return total


def halves_overwritten(x: Tensor) -> Tensor:
    left, right = (x * 1).chunk(2, -1)
    left *= 2
    right += left
    return torch.cat([left, right], -1)


def halves(x: Tensor) -> Tensor:
    left, right = x[..., :3] * 2, x[..., 3:]
    return torch.cat([left, right + left], -1)


def steps_overwritten(x: Tensor) -> Tensor:
    steps = list((x + 0.0).unbind(2))
    for before, after in pairwise(steps):
        after += before
    return torch.stack(steps, 2)


def result_overwritten(x: Tensor) -> Tensor:
    weights = x.softmax(-1)
    doubled = weights * 2
    weights += 1
    return doubled + weights


def operand_overwritten(x: Tensor) -> Tensor:
    x = x.clone()
    out = x * x.mean(1, keepdim=True)
    x.zero_()
    return out


MEMORY: dict[str, tuple[Function, Function]] = {
    "image by image": (image_by_image, lambda x: functional.pad(x, (0, 2, 0, 2))),
    "row by row": (row_by_row, lambda x: x.clone()),
    "another view first": (another_view_first, lambda x: x.clone()),
    "half through a mask": (half_through_a_mask, lambda x: x * (torch.arange(6) % 2 == 0)),
    "by index": (by_index, lambda x: functional.pad(x.flip(0)[:, :, 1:], (0, 0, 1, 0))),
    "scattered": (scattered, masked),
    "converted": (converted, lambda x: x.float().to(x.dtype)),
    "into out": (into_out, lambda x: x + x.flip(-1)),
    "halves overwritten": (halves_overwritten, halves),
    "steps overwritten": (steps_overwritten, lambda x: x.cumsum(2)),
    "result overwritten": (result_overwritten, lambda x: x.softmax(-1) * 2 + (x.softmax(-1) + 1)),
    "operand overwritten": (operand_overwritten, lambda x: x * x.mean(1, keepdim=True)),
}


def after(function: Function) -> Net:
    """Two convolutions of what the function gives."""
    return Net(lambda m, x: m.two(m.one(function(x)).relu()))


@pytest.mark.parametrize("name", MEMORY)
def test_what_is_written_into_memory_keeps_outputs_and_relevance(name: str) -> None:
    written, plain = (after(function) for function in MEMORY[name])
    x = pixels()
    for composite in each([ZERO, COMPOSITES["attnlrp_gamma"]]):
        with trace(written, x, composite) as t:
            assert torch.equal(t.output, written(x.clone()))
        expected = heat(plain, x, composite)
        assert expected.abs().sum() > 1e-3
        torch.testing.assert_close(heat(written, x, composite), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["image by image", "row by row", "half through a mask", "scattered"])
def test_a_batch_put_together_is_still_the_input_for_the_first_layers_rule(name: str) -> None:
    written, plain = (after(function) for function in MEMORY[name])
    x = pixels()
    plain_composite = COMPOSITES["epsilon_plus_flat"]
    expected = heat(plain, x, plain_composite)
    if name == "half through a mask":  # a product with 0 and 1 scales the shadow, a write does not reach it
        expected = expected * (torch.arange(6) % 2 == 0)
    if name == "scattered":
        expected = expected * masked(torch.ones_like(x)).flip(3)
    torch.testing.assert_close(heat(written, x, plain_composite), expected, rtol=1e-9, atol=1e-12)


def test_a_linear_layers_output_on_a_transposed_input_can_be_changed_in_place() -> None:
    def awkward(m: Net, x: Tensor) -> Tensor:
        y = m.square(m.one(x).flatten(2).transpose(1, 2))
        y += 1
        y[:, 0] *= 2
        return y.mean(1)

    def plain(m: Net, x: Tensor) -> Tensor:
        y = m.square(m.one(x).flatten(2).transpose(1, 2).contiguous()) + 1
        return torch.cat([y[:, :1] * 2, y[:, 1:]], 1).mean(1)

    x = pixels()
    for composite in each([COMPOSITES["epsilon"], COMPOSITES["epsilon_plus_flat"]]):
        with trace(Net(awkward), x, composite) as t:
            assert torch.equal(t.output, Net(awkward)(x.clone()))
        torch.testing.assert_close(heat(Net(awkward), x, composite), heat(Net(plain), x, composite))
        found = accounts(Net(awkward), x, composite)  # the constant that is added absorbs, in place too
        torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered)


def test_maps_of_many_units_pass_memory_too() -> None:
    class Batching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.head = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(4, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.one(image_by_image(x)).relu().mean((2, 3)))

    net, x = model(Batching()), pixels()
    (maps,) = conditional_maps(net, x, 1, "one", [0, 1, 2, 3], method="epsilon_plus_flat")
    torch.testing.assert_close(maps.sum(0), heat(net.net, x, COMPOSITES["epsilon_plus_flat"]).sum(1))


def test_writing_where_no_relevance_can_follow_is_refused() -> None:
    def hidden(m: Net, x: Tensor) -> Tensor:
        memory = torch.zeros_like(x)
        memory.data[0].copy_(x[0])
        return m.one(memory)

    with pytest.raises(SemlensError, match=r"writes \('copy'\) what depends on the image into `\.data`.*clone"):
        heat(Net(hidden), pixels(), ZERO)
