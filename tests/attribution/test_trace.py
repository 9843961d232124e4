import threading
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.composite import COMPOSITES, Composite
from semlens.attribution.flow import Front, arrive
from semlens.attribution.rules import Epsilon, stabilise, step_of
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from semlens.model.hooks import record
from semlens.model.kinds import Channels
from tests.attribution.heat import ZERO, accounts, heat
from tests.attribution.loops import each
from tests.attribution.ways import PAIRS, SOME, Net, pixels, residual_in_place

# What is recorded ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["relu in place", "silu in place", "residual in place", "half in place", "gate in place"]
)
def test_recording_a_layer_that_is_overwritten_changes_nothing(name: str) -> None:
    net, x, kinds = Net(PAIRS[name][0]), pixels(), [Channels("one"), Channels("head")]
    with record(net, ["one"], keep=lambda _, output: output.clone()) as seen:
        net(x)
        expected = seen["one"].detach()
    for composite in each(SOME):
        with trace(net, x, composite, kinds) as t:
            assert torch.equal(t.taps["one"].value, expected)
            assert torch.equal(t.output, t.taps["head"].value)
        torch.testing.assert_close(heat(net, x, composite, *kinds), heat(net, x, composite), rtol=1e-12, atol=1e-15)


def test_recording_a_gate_leaves_it_a_gate() -> None:
    class Squeeze(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.gate, self.head = nn.Conv2d(3, 3, 1), nn.Sigmoid(), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head((x * self.gate(self.conv(x))).mean((2, 3)))

    torch.manual_seed(0)
    net, composite = Squeeze().double(), COMPOSITES["epsilon_plus"]
    torch.testing.assert_close(heat(net, pixels(), composite, Channels("gate")), heat(net, pixels(), composite))


def test_at_the_penultimate_layer_relevance_is_weight_times_activation() -> None:
    net, x = Net(lambda m, x: m.two(m.one(x).relu()).relu(), bias=False), pixels()
    for composite in each(COMPOSITES.values()):
        if composite.name == "attnlrp_gamma":
            continue  # gamma on the head favours positive weights
        with trace(net, x, composite, [Channels("two")]) as t:
            tap = t.taps["two"]
            (g,) = torch.autograd.grad(t.output[:, 1].sum(), tap.node)
            relevance = tap.elements((g,)).sum((2, 3))
            out = t.output.detach()
        acts = tap.value.relu().mean((2, 3))
        out, whole = (
            out[:, 1:2],
            stabilise(out, step_of(out.abs(), (1,), 1e-9))[:, 1:2],
        )  # the epsilon rule's 1e-9 is the last bit
        expected = acts * net.head.weight[1].detach() * out / whole
        torch.testing.assert_close(relevance, expected, rtol=1e-10, atol=1e-14)


def test_stopping_at_the_last_layer_runs_nothing_behind_it() -> None:
    net, x = Net(lambda m, x: torch.linalg.inv(m.two(m.one(x)))), pixels()
    with trace(net, x, ZERO, [Channels("one"), Channels("two")], stop=True) as t:
        assert t.output is None
        start = torch.zeros_like(t.taps["two"].value)
        start[:, 0] = 1
        (g,) = torch.autograd.grad(t.taps["two"].node, t.source, start)
    expected = torch.autograd.functional.jacobian(lambda z: net.two(net.one(z))[:, 0].sum(), x)
    torch.testing.assert_close(g, expected)


# Nothing else is touched ---------------------------------------------------------------------------------------------


def state(net: nn.Module) -> list[object]:
    """Everything a trace might change."""
    return [
        [(name, tensor.clone(), tensor.data_ptr()) for name, tensor in net.state_dict().items()],
        [(name, p.requires_grad, p.grad is None) for name, p in net.named_parameters()],
        [(name, m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in net.named_modules()],
        [sorted(m.__dict__) for m in net.modules()],
        torch.is_grad_enabled(),
    ]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(one, other) for one, other in zip(a, b, strict=True))
    return bool(a == b)


def noisy() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten())
    net.append(nn.Linear(64, 3)).double().train()
    net[1].eval()
    net[0].weight.requires_grad_(False)
    return net


def test_the_model_is_left_as_it_was_found() -> None:
    net, x = noisy(), pixels()
    before, image = state(net), x.clone()
    for composite in (*COMPOSITES.values(), None):
        with trace(net, x, composite, [Channels("0"), Channels("4")]) as t:
            torch.autograd.grad(t.output.sum(), t.source)
        assert same(state(net), before)
    assert torch.equal(x, image)


def test_the_model_is_left_as_it_was_found_after_a_failure_too() -> None:
    net, x = noisy().append(nn.Module()), pixels()  # the last module has no forward
    before = state(net)
    with pytest.raises(NotImplementedError), trace(net, x, COMPOSITES["epsilon"], [Channels("0")]):
        pass
    assert same(state(net), before)
    with pytest.raises(KeyError), trace(net[:-1], x, COMPOSITES["epsilon"]) as t:
        t.taps["never asked for"]
    assert same(state(net), before)
    with pytest.raises(SemlensError, match="nowhere"), trace(net[:-1], x, ZERO, [Channels("0"), Channels("nowhere")]):
        pass
    assert same(state(net), before)


def test_other_models_run_as_ever_beside_and_after_a_trace() -> None:
    other = Net(lambda m, x: m.two(functional.silu(m.one(x), inplace=True)) + m.side(x))
    x = pixels()
    used = [name for name, _ in other.named_parameters() if not name.startswith("square")]
    expected = torch.autograd.grad(other(x).square().sum(), [other.get_parameter(name) for name in used])
    found: dict[str, tuple[Tensor, ...]] = {}

    def run(where: str) -> None:
        found[where] = torch.autograd.grad(other(x).square().sum(), [other.get_parameter(name) for name in used])

    def way(m: Any, z: Tensor) -> Tensor:
        thread = threading.Thread(target=run, args=("in another thread, while the mode is on",))
        thread.start()
        thread.join()
        return m.one(z)

    with trace(Net(way), x, COMPOSITES["epsilon_plus_flat"]) as t:
        run("in the body")
        torch.autograd.grad(t.output.sum(), t.source, allow_unused=True)
    run("after")
    assert len(found) == 3
    for grads in found.values():
        assert all(torch.equal(a, b) for a, b in zip(grads, expected, strict=True))


def test_two_traces_of_one_model_do_not_meet() -> None:
    net, x, y = Net(residual_in_place), pixels(seed=1), pixels(seed=2)
    with trace(net, x, ZERO) as a, trace(net, y, COMPOSITES["epsilon"]) as b:
        both = [torch.autograd.grad(t.output[:, 1].sum(), t.source)[0] for t in (a, b)]
    torch.testing.assert_close(x * both[0], heat(net, x, ZERO))
    torch.testing.assert_close(y * both[1], heat(net, y, COMPOSITES["epsilon"]))


def test_the_plain_gradient_needs_no_rules() -> None:
    net, x = Net(lambda m, z: torch.linalg.inv(m.one(z))), pixels().requires_grad_()
    (expected,) = torch.autograd.grad(net(x)[:, 1].sum(), x)
    assert torch.equal(heat(net, x.detach(), None), (x * expected).detach())


# What cannot be explained is an error --------------------------------------------------------------------------------


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * g


def test_a_function_that_cannot_be_seen_is_named() -> None:
    x = pixels()
    with pytest.raises(SemlensError, match="'conv2d' in layer 'two' takes a tensor made by 'Doubled'"):
        heat(Net(lambda m, z: m.two(Doubled.apply(m.one(z)))), x, ZERO)
    with pytest.raises(SemlensError, match="the model's output takes a tensor made by 'Doubled'"):
        heat(nn.Sequential(nn.Flatten(), Unseen()), x, ZERO)


class Unseen(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Doubled.apply(x)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_inside_a_model_is_named() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()).double())
    with pytest.raises(SemlensError, match="layer '1' is TorchScript.*plain PyTorch module"):
        heat(nn.Sequential(nn.ReLU(), scripted), pixels(), ZERO)
    with pytest.raises(SemlensError, match="the model is TorchScript"):
        heat(scripted, pixels(), ZERO)


class Odd(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def bump(x: Tensor, *others: Tensor) -> Tensor:
    """A function that torch does not know, seen by the mode as torch's own are."""
    if torch.overrides.has_torch_function((x, *others)):
        return torch.overrides.handle_torch_function(bump, (x, *others), x, *others)
    out = torch.special.erfcx(x)
    for other in others:
        out = out * other
    return out


def test_an_uncovered_function_says_how_to_cover_it_and_then_works() -> None:
    net, x = nn.Sequential(nn.Flatten(), Odd(bump)), pixels()
    message = r"no rule covers 'bump', which layer '1' calls.*with_function\('bump', 'activation'\)"
    with pytest.raises(SemlensError, match=message):
        heat(net, x, ZERO)
    got = heat(net, x, ZERO.with_function("bump", "activation"), unit=5)
    expected = torch.zeros_like(x.flatten(1))
    expected[:, 5] = bump(x.flatten(1)[:, 5])
    torch.testing.assert_close(got.flatten(1), expected, rtol=1e-4, atol=0)


def test_a_function_can_be_declared_linear_or_constant_or_a_product() -> None:
    net, x = Odd(lambda z: torch.linalg.solve(torch.eye(6, dtype=z.dtype) * 2, z).flatten(1)), pixels()
    with pytest.raises(SemlensError, match="linalg_solve.*mixes all that goes into it.*'linalg_solve', 'constant'"):
        heat(net, x, ZERO)
    got = heat(net, x, ZERO.with_function("linalg_solve", "linear"), unit=3).flatten(1)
    assert got.nonzero()[:, 1].tolist() == [3, 3]
    torch.testing.assert_close(got[:, 3], x.flatten(1)[:, 3] / 2)
    whitened = Odd(lambda z: (z * bump(z.mean((1, 2, 3), keepdim=True))).flatten(1))
    got = heat(whitened, x, ZERO.with_function("bump", "constant"))
    torch.testing.assert_close(got.flatten(1).sum(1), whitened(x)[:, 1])


def test_a_function_of_two_operands_can_be_declared() -> None:
    x = pixels()
    net = Odd(lambda z: bump(z[:, 0], z[:, 1]).flatten(1))
    for treatment in ("activation", "product"):
        got = heat(net, x, ZERO.with_function("bump", treatment)).flatten(2)[:, :2, 1]
        value = net(x)[:, 1]
        torch.testing.assert_close(got[:, 1], value / 2, rtol=1e-4, atol=1e-9)
        if treatment == "activation":  # each half, whatever the derivative
            torch.testing.assert_close(got[:, 0], value / 2, rtol=1e-4, atol=1e-9)
    total = Odd(lambda z: z.sum((2, 3)))
    with pytest.raises(SemlensError, match="'sum' in layer '' is no element-wise function: its treatment is 'linear'"):
        heat(total, x, ZERO.with_function("sum", "activation"))


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4, track_running_stats=False), nn.InstanceNorm2d(4, track_running_stats=True)]
)
def test_norms_that_no_rule_covers_are_named(norm: nn.Module) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), norm, nn.Flatten()).double()
    with pytest.raises(SemlensError, match="'1'.* (statistics of the batch|running statistics)"):
        heat(net, pixels(), ZERO)


def test_an_image_without_a_batch_axis_is_an_error() -> None:
    with pytest.raises(SemlensError, match="without a batch axis"):
        heat(Net(PAIRS["stack"][0]), pixels()[0], ZERO)


# Whole networks ------------------------------------------------------------------------------------------------------


def test_bfloat16_is_close_to_float32() -> None:
    net = Net(residual_in_place).float()
    x = pixels().float()
    for composite in each(SOME):
        exact, rough = heat(net, x, composite), heat(Net(residual_in_place).bfloat16(), x.bfloat16(), composite)
        assert rough.dtype == torch.bfloat16
        assert rough.isfinite().all()
        assert torch.cosine_similarity(exact.flatten(1), rough.float().flatten(1)).min() > 0.99


@pytest.fixture(scope="module")
def resnet50() -> nn.Module:
    """All its layers, at a quarter of their width."""
    torch.manual_seed(0)
    channels = (16, 32, 64, 128)
    return timm.create_model("resnet50", channels=channels, num_classes=10, zero_init_last=False).eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPOSITES)
def test_relevance_stays_bounded_in_a_random_resnet50(resnet50: nn.Module, name: str) -> None:
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    relevance = heat(resnet50, x, COMPOSITES[name])
    started = resnet50(x)[0, 1].detach()
    # Rules that favour one side shrink what they pass or keep it; epsilon lets contributions of both signs grow, a
    # little. The worst that was measured is 13, at the full width.
    most = 20 if COMPOSITES[name].convolution == Epsilon() else 1.1
    assert relevance.abs().sum() < most * started.abs()
    torch.testing.assert_close(relevance.sum(), started, rtol=0.01, atol=0)  # no BatchNorm has a shift yet


class Text(nn.Module):
    def __init__(self, positions: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens, self.places = nn.Embedding(11, 4, padding_idx=0), nn.Embedding(5, 4)
        self.head, self.positions = nn.Linear(4, 3, bias=False), positions
        self.double()

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids.long().view(-1, 5))
        if self.positions:
            x = x + self.places(torch.arange(5))
        return self.head(x.mean(1))


def test_every_token_gets_its_own_relevance() -> None:
    ids = torch.tensor([[1, 2, 3, 4, 0], [5, 5, 6, 7, 8]], dtype=torch.int32)
    net = Text(positions=False)
    got = heat(net, ids, COMPOSITES["attnlrp"])
    expected = net.tokens.weight[ids.long()] * net.head.weight[1] / 5
    torch.testing.assert_close(got, expected.detach(), rtol=1e-4, atol=1e-9)
    net = Text(positions=True)
    torch.testing.assert_close(heat(net, ids, ZERO), (net.tokens.weight[ids.long()] * net.head.weight[1] / 5).detach())
    found = accounts(net, ids, COMPOSITES["attnlrp"])
    torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered)


def test_a_model_that_embeds_its_numbers_never_or_twice_is_an_error() -> None:
    table = nn.Embedding(9, 2)
    ids = torch.tensor([[1, 2]])
    with pytest.raises(SemlensError, match="embeds its input 2 times; it must be once"):
        heat(Odd(lambda z: (table(z) + table(z)).flatten(1)), ids, ZERO)
    with pytest.raises(SemlensError, match="embeds its input 0 times"):
        heat(Odd(lambda z: functional.linear(z.float(), torch.ones(2, 2))), ids, ZERO)


def test_a_rule_for_one_layer_changes_nothing_above_it() -> None:
    net, x = Net(residual_in_place), pixels()
    special: Composite = ZERO.with_rule("side", COMPOSITES["epsilon_plus_flat"].convolution)
    kinds = [Channels("one"), Channels("two")]
    for layer in ("one", "two"):
        found = []
        for composite in (ZERO, special):
            with trace(net, x, composite, kinds) as t:
                found.append(torch.autograd.grad(t.output[:, 1].sum(), t.taps[layer].node)[0])
        assert torch.equal(*found)
    assert not torch.allclose(heat(net, x, special), heat(net, x, ZERO))


def test_the_last_pass_down_is_that_of_any_other_and_frees_what_it_needed() -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten()).eval(), pixels().float()
    with trace(net, x, COMPOSITES["epsilon_plus"]) as run:
        front = Front(run.output, torch.ones_like(run.output), run.output.detach())
        before, last = arrive(run, [front], ()), arrive(run, [front], (), last=True)
        assert before.source is not None
        assert last.source is not None
        assert torch.equal(before.source, last.source)
        with pytest.raises(RuntimeError, match="second time"):
            arrive(run, [front], ())
