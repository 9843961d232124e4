"""Every function that a network may call has a rule, each beside a slow twin, or is refused with what to do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from semlens.attribution.composite import COMPOSITES
from semlens.attribution.trace import trace
from semlens.errors import SemlensError
from tests.attribution.heat import ZERO, accounts, heat
from tests.attribution.loops import each

Function = Callable[[Tensor], Tensor]
ORDER = torch.tensor([5, 4, 3, 2, 1, 0])
PLACES = torch.tensor([0, 2, 1, 1, 4, 3])


def pixels(seed: int = 0) -> Tensor:
    return torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


ROWS = torch.tensor([[0, 2, 1], [4, 4, 3]])
WEIGHT = pixels(seed=9)[0, 0]


class Only(nn.Module):
    """A function, and the sum of its values with weights that are no two alike."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        out = self.function(x).flatten(1)
        weights = torch.linspace(-1, 2, 2 * out.shape[1], dtype=out.dtype).view(-1, 2)
        return torch.einsum("nd,dy->ny", out, weights)


def input_times_gradient(net: nn.Module, x: Tensor) -> Tensor:
    source = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(net(source)[:, 1].sum(), source)
    return x * g


# Homogeneous of degree 1, so that input times gradient is the whole value (Euler); of degree k, k times the value.
DEGREES: dict[str, tuple[Function, int]] = {
    "vector norm": (lambda x: torch.linalg.vector_norm(x, dim=-1), 1),
    "norm": (lambda x: x.norm(dim=(2, 3)), 1),
    "1-norm": (lambda x: torch.linalg.norm(x, 1, dim=-1), 1),
    "norm of a matrix": (lambda x: torch.linalg.matrix_norm(x, "nuc"), 1),
    "deviation": (lambda x: x.std(-1), 1),
    "variance": (lambda x: x.var((2, 3)), 2),
    "variance and mean": (lambda x: torch.var_mean(x, -1)[0], 2),
    "distances": (lambda x: torch.cdist(x, x.flip(1)), 1),
    "hypotenuse": (lambda x: torch.hypot(x, x.flip(1)), 1),
    "lp pool": (lambda x: functional.lp_pool2d(x, 2, 2), 1),
    "lp pool 1d": (lambda x: functional.lp_pool1d(x.flatten(2), 2, 3), 1),
    "square error": (lambda x: functional.mse_loss(x, x.flip(1), reduction="none"), 2),
    "index add": (lambda x: torch.zeros_like(x).index_add(3, PLACES, x), 1),
    "index copy": (lambda x: torch.zeros_like(x).index_copy(3, ORDER, x), 1),
    "scatter": (lambda x: torch.zeros_like(x).scatter(3, ORDER.expand(x.shape), x), 1),
    "scatter add": (lambda x: torch.zeros_like(x).scatter_add(3, PLACES.expand(x.shape), x), 1),
    "scatter mean": (lambda x: torch.zeros_like(x).scatter_reduce(3, PLACES.expand(x.shape), x, "mean"), 1),
    "scatter maximum": (lambda x: torch.zeros_like(x).scatter_reduce(3, PLACES.expand(x.shape), x, "amax"), 1),
    "lerp": (lambda x: torch.lerp(x, x.flip(1), 0.3), 1),
    "addcdiv": (lambda x: torch.addcdiv(x, x.flip(1), torch.ones_like(x) * 3), 1),
    "differences": (lambda x: x.diff(dim=-1), 1),
    "trapezoids": (lambda x: torch.trapezoid(x, dim=-1), 1),
    "Fourier transform and back": (lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(WEIGHT)), 1),
    "size of frequencies": (lambda x: torch.fft.fft2(x).abs(), 1),
    "real and imaginary part": (lambda x: torch.view_as_real(torch.fft.ifft(torch.complex(x, x.flip(1)))), 1),
    "quantile": (lambda x: x.quantile(0.3, -1), 1),
    "median": (lambda x: x.median(-1).values, 1),
    "sorted": (lambda x: x.sort(-1).values * torch.arange(6), 1),
    "cumulative maximum": (lambda x: x.cummax(-1).values, 1),
    "without NaN": (torch.nan_to_num, 1),
    "fold": (lambda x: functional.fold(functional.unfold(x, 3), (6, 6), 3), 1),
    "masked scatter": (lambda x: torch.zeros_like(x).masked_scatter(x.new_ones(6) > 0, x), 1),
    "area": (lambda x: functional.interpolate(x, size=(4, 3), mode="area"), 1),
    "nearest exact": (lambda x: functional.interpolate(x, size=(4, 9), mode="nearest-exact"), 1),
    "bicubic, antialiased": (lambda x: functional.interpolate(x, (3, 4), mode="bicubic", antialias=True), 1),
    "block diagonal": (lambda x: torch.stack([torch.block_diag(*image) for image in x]), 1),
    "from the right": (lambda x: WEIGHT @ x, 1),
    "product": (lambda x: x.prod(-1), 6),
    "addcmul": (lambda x: torch.addcmul(torch.zeros_like(x), x, x.flip(1), value=2), 2),
    "batched products": (lambda x: torch.baddbmm(torch.zeros_like(x[:, 0]), x[:, 0], x[:, 1]), 2),
    "outer": (lambda x: torch.stack([torch.outer(image[0, 0], image[1, 0]) for image in x]), 2),
    "dot": (lambda x: torch.stack([torch.dot(image[0, 0], image[1, 0])[None] for image in x]), 2),
    "inner": (lambda x: torch.stack([torch.inner(image[0], image[1]) for image in x]), 2),
    "matrix times vector": (lambda x: torch.stack([torch.mv(image[0], image[1, 0]) for image in x]), 2),
    "kron": (lambda x: torch.stack([torch.kron(image[0], image[1]) for image in x]), 2),
    "cross": (lambda x: torch.linalg.cross(x, x.flip(3), dim=1), 2),
    "tensordot": (lambda x: torch.stack([torch.tensordot(image[0], image[1], 1) for image in x]), 2),
    "chain": (lambda x: torch.stack([torch.linalg.multi_dot([i[0], WEIGHT, i[1], i[2]]) for i in x]), 3),
    "bilinear": (lambda x: functional.bilinear(x, x.flip(1), WEIGHT.expand(4, 6, 6)), 2),
    "einsum of three": (lambda x: torch.einsum("nchw,nchv,ncuw->nuv", x, x.flip(1), x.flip(2)), 3),
    "linear with its own weights": (lambda x: functional.linear(x, x[0, 0]), 2),
    "convolution with its own weights": (
        lambda x: functional.conv2d(x.reshape(1, -1, 6, 6), x[:, :, :3, :3].reshape(6, 1, 3, 3), groups=6).view(2, -1),
        2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEGREES)
def test_a_homogeneous_function_shares_its_value_by_its_gradient(name: str) -> None:
    function, degree = DEGREES[name]
    net, x = Only(function), pixels()
    with trace(net, x, ZERO) as t:
        assert torch.equal(t.output, net(x.clone()))
    expected = input_times_gradient(net, x) / degree
    torch.testing.assert_close(heat(net, x, ZERO), expected, rtol=1e-7, atol=1e-10)
    torch.testing.assert_close(expected.sum(), net(x)[:, 1].sum(), rtol=1e-7, atol=1e-10)


UNCHANGED: dict[str, Function] = {
    name: getattr(torch, name)
    for name in "sin cos tan sinh cosh atan asinh expm1 exp2 exp erf erfc sigmoid frac sinc square i0 digamma".split()
} | {
    "ndtr": torch.special.ndtr, "entr": lambda x: torch.special.entr(x.abs()), "log": lambda x: torch.log(x.abs() + 2),
    "2 to the x": lambda x: 2**x, "x modulo 0.7": lambda x: x % 0.7, "one over x": lambda x: 1 / x,
    "reciprocal": torch.reciprocal, "cube": lambda x: torch.float_power(x, 3),
    "softplus": lambda x: torch.log1p(x.exp()),
    "softplus by logarithm": lambda x: torch.log(1 + x.exp()), "sigmoid by hand": lambda x: 1 / (1 + (-x).exp()),
    "sigmoid the other way": lambda x: x.exp() / (1 + x.exp()), "inverse root": lambda x: torch.rsqrt(x.square() + 1),
    "exp in place": lambda x: (x * 1).exp_(),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHANGED)
def test_relevance_passes_an_element_wise_function_unchanged(name: str) -> None:
    net, x = Only(UNCHANGED[name]), pixels()
    x = x + 0.1 * x.sign()
    with trace(net, x, ZERO) as t:
        assert torch.equal(t.output, net(x.clone()))
    weights = torch.linspace(-1, 2, 2 * 108, dtype=x.dtype).view(-1, 2)[:, 1].view(3, 6, 6)
    scale: Tensor | int = {
        "log": (x / (x.abs() + 2)).abs(),
        "entr": 1,
        "inverse root": x.square() / (x.square() + 1),
    }.get(name, 1)  # type: ignore[assignment]
    torch.testing.assert_close(heat(net, x, ZERO), UNCHANGED[name](x) * weights * scale, rtol=2e-5, atol=1e-8)


TWO: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "power": lambda a, b: a.abs() ** b,
    "angle": torch.atan2,
    "remainder": lambda a, b: torch.fmod(a, b.abs() + 0.5),
    "x log y": lambda a, b: torch.xlogy(a, b.abs()),
}


@pytest.mark.parametrize("name", TWO)
def test_two_operands_of_an_element_wise_function_get_half_each(name: str) -> None:
    def function(x: Tensor) -> Tensor:
        return TWO[name](x[:, 0], x[:, 1])

    x = pixels()
    got, value = heat(Only(function), x, ZERO), function(x)
    weights = torch.linspace(-1, 2, 72, dtype=x.dtype).view(-1, 2)[:, 1].view(6, 6)
    torch.testing.assert_close(got[:, 0], value * weights / 2, rtol=1e-3, atol=1e-6)
    if name != "remainder":  # whose divisor has a summand that absorbs
        torch.testing.assert_close(got[:, 1], value * weights / 2, rtol=1e-3, atol=1e-6)


def once(x: Tensor) -> Tensor:
    e = (x - x.max(-1, keepdim=True).values).exp()
    return e / e.sum(-1, keepdim=True)


def masked(x: Tensor) -> Tensor:
    e = x.exp().masked_fill(torch.arange(6) > 3, 0.0).unsqueeze(2)
    return (e / (e.sum(-1)[..., None] + 1e-12)).squeeze(2)


def attended(x: Tensor) -> Tensor:
    scores = x @ x.mT
    e = torch.exp(scores - scores.amax(-1, keepdim=True))
    return (e @ x) / e.sum(-1, keepdim=True)


def attended_by_einsum(x: Tensor) -> Tensor:
    e = (x @ x.mT).exp()
    return torch.einsum("ncpq,ncqd->ncpd", e, x) / e.sum(-1, keepdim=True)


def rows(x: Tensor) -> Tensor:
    return functional.layer_norm(x, (6,))


def rows_by_hand(x: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(variance + 1e-5)


def responses(x: Tensor) -> Tensor:
    """Global response normalisation, as ConvNeXtV2 has it."""
    size = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
    size = size / (size.mean(1, keepdim=True) + 1e-6)
    return torch.addcmul(WEIGHT.expand(1, 1, 6, 6), WEIGHT, x * size) + x


def responses_with_numbers(x: Tensor) -> Tensor:
    size = torch.linalg.vector_norm(x.detach(), dim=(2, 3), keepdim=True)
    return x * (size / (size.mean(1, keepdim=True) + 1e-6)) * WEIGHT + WEIGHT + x


STATISTICS = (torch.tensor([1.0, 2, 3]).double(), torch.tensor([4.0, 5, 6]).double())
AFFINE = (torch.tensor([-1.0, 2, 1]).double(), torch.tensor([0.5, 0, 2]).double())
SAME: dict[str, tuple[Function, Function]] = {
    "softmax, from its parts": (lambda x: x * once(x), lambda x: x * x.softmax(-1)),
    "softmax, masked": (masked, lambda x: x.masked_fill(torch.arange(6) > 3, -torch.inf).softmax(-1)),
    "softmax, by log-sum-exp": (lambda x: (x - x.logsumexp(-1, keepdim=True)).exp(), lambda x: x.softmax(-1)),
    "softmax, by the logarithm of a sum": (
        lambda x: (x - x.exp().sum(-1, keepdim=True).log()).exp(),
        lambda x: x.softmax(-1),
    ),
    "softmax, by log-softmax": (lambda x: x.log_softmax(-1).exp(), lambda x: x.softmax(-1)),
    "log-softmax": (lambda x: x.log_softmax(-1), lambda x: x - x.logsumexp(-1, keepdim=True)),
    "attention, divided last": (attended, lambda x: (x @ x.mT).softmax(-1) @ x),
    "attention by einsum, divided last": (attended_by_einsum, lambda x: (x @ x.mT).softmax(-1) @ x),
    "layer norm": (rows_by_hand, rows),
    "layer norm, centred by its mean": (
        lambda x: (x - x.mean(-1, keepdim=True)) * (x.var(-1, correction=0, keepdim=True) + 1e-5).rsqrt(),
        rows,
    ),
    "global response norm": (responses, responses_with_numbers),
    "batch norm by torch": (
        lambda x: torch.batch_norm(x, *AFFINE, *STATISTICS, False, 0.1, 1e-5, False),
        lambda x: functional.batch_norm(x, *STATISTICS, *AFFINE),
    ),
    "divided by a norm": (
        lambda x: x / torch.linalg.vector_norm(x, dim=-1, keepdim=True),
        lambda x: functional.normalize(x, dim=-1),
    ),
    "addmm of what carries": (
        lambda x: torch.stack([torch.addmm(image[2], image[0], image[1], alpha=2) for image in x]),
        lambda x: x[:, 2] + 2 * (x[:, 0] @ x[:, 1]),
    ),
    "addmm, scaled": (
        lambda x: torch.stack([torch.addmm(WEIGHT, image[0], WEIGHT, beta=2) for image in x]),
        lambda x: 2 * WEIGHT + torch.einsum("nij,jk->nik", x[:, 0], WEIGHT),
    ),
    "lerp by what it sees": (
        lambda x: torch.lerp(x, x.flip(1), x.sigmoid()),
        lambda x: x + (x.flip(1) - x) * x.sigmoid(),
    ),
    "norm with its own weights": (
        lambda x: functional.layer_norm(x, (6,), x[0, 0, 0], x[0, 1, 1]),
        lambda x: functional.layer_norm(x, (6,)) * x[0, 0, 0] + x[0, 1, 1],
    ),
    "groups with their own weights": (
        lambda x: functional.group_norm(x, 3, x[0, :, 0, 0], x[0, :, 1, 1]),
        lambda x: functional.group_norm(x, 3) * x[0, :, 0, 0, None, None] + x[0, :, 1, 1, None, None],
    ),
    "a linear layer with its own bias": (
        lambda x: functional.linear(x, WEIGHT, x[0, 1, 0]),
        lambda x: functional.linear(x, WEIGHT) + x[0, 1, 0],
    ),
    "places are numbers": (
        lambda x: functional.grid_sample(x, x.permute(0, 2, 3, 1)[..., :2].tanh(), align_corners=False),
        lambda x: functional.grid_sample(x, x.detach().permute(0, 2, 3, 1)[..., :2].tanh(), align_corners=False),
    ),
    "places by theta": (
        lambda x: functional.grid_sample(x, functional.affine_grid(x[:, 0, :2, :3], [2, 3, 5, 5])),
        lambda x: functional.grid_sample(x, functional.affine_grid(x[:, 0, :2, :3].detach(), [2, 3, 5, 5])),
    ),
    "places between which the area lies": (
        lambda x: torch.cumulative_trapezoid(x, x.flip(1)) + torch.trapezoid(x, x.exp())[..., None],
        lambda x: torch.cumulative_trapezoid(x, x.flip(1).detach()) + torch.trapezoid(x, x.exp().detach())[..., None],
    ),
    "levels of a quantile": (
        lambda x: torch.quantile(x.flatten(2), x[0, 0, 0].sigmoid(), -1).permute(1, 2, 0),
        lambda x: torch.quantile(x.flatten(2), x[0, 0, 0].sigmoid().detach(), -1).permute(1, 2, 0),
    ),
    "embeddings with their own weights": (
        lambda x: functional.embedding_bag(ROWS, x[0, 0], mode="sum", per_sample_weights=x[:, 1, :2].flatten(1)[:, :3]),
        lambda x: (x[0, 0][ROWS] * x[:, 1, :2].flatten(1)[:, :3, None]).sum(1),
    ),
    "steps are numbers": (lambda x: x * x.round() + x.floor(), lambda x: x * x.detach().round() + x.detach().floor()),
}
SOME = [ZERO, COMPOSITES["epsilon_plus"], COMPOSITES["cp_lrp"]]


@pytest.mark.filterwarnings("ignore:Default grid_sample and affine_grid")
@pytest.mark.parametrize("name", SAME)
def test_a_function_written_otherwise_has_the_same_relevance(name: str) -> None:
    written, plain = (Only(function) for function in SAME[name])
    x = pixels()
    for composite in each(SOME):
        with trace(written, x, composite) as t:
            assert torch.equal(t.output, written(x.clone()))
        expected = heat(plain, x, composite)
        assert expected.abs().sum() > 1e-3
        torch.testing.assert_close(heat(written, x, composite), expected, rtol=1e-5, atol=1e-8)


def test_the_relevance_of_a_log_sum_exp_is_that_of_its_weights_and_its_entropy_is_lost() -> None:
    x = pixels()
    net = Only(lambda z: z.logsumexp(-1))
    weights = torch.linspace(-1, 2, 36, dtype=x.dtype).view(-1, 2)[:, 1].view(3, 6, 1)
    s = x.softmax(-1)
    torch.testing.assert_close(heat(net, x, ZERO), s * x * weights)
    entropy = (-(s * s.log()).sum(-1, keepdim=True) * weights).flatten(1).sum(1)
    torch.testing.assert_close(heat(net, x, ZERO).flatten(1).sum(1) + entropy, net(x)[:, 1])


def test_what_a_constant_summand_gets_is_booked() -> None:
    x = pixels()
    for function in each(
        [
            lambda z: torch.addcmul(WEIGHT.expand(1, 1, 6, 6), WEIGHT, z),
            lambda z: torch.stack([torch.addmm(WEIGHT, image[0], image[1]) for image in z]),
            lambda z: functional.linear(z, z[0, 0], WEIGHT[0]),
        ]
    ):
        found = accounts(Only(function), x, ZERO)
        assert found.bias.abs().sum() > 1e-2
        torch.testing.assert_close((found.arrived + found.bias).sum(), found.entered.sum())


class Routed(nn.Module):
    """A convolution whose weights are mixed by the image, as CondConv has them."""

    def __init__(self, mixing: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.experts = nn.Parameter(torch.randn(3, 4 * 3 * 9))
        self.routing, self.head, self.mixing = nn.Linear(3, 3), nn.Linear(4, 2, bias=False), mixing
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.routing(x.mean((2, 3))).sigmoid() @ self.experts).view(-1, 3, 3, 3)
        weights = weights if self.mixing else weights.detach()
        out = functional.conv2d(x.reshape(1, -1, 6, 6), weights, groups=len(x))
        return self.head(out.view(len(x), 4, 4, 4).relu().mean((2, 3)))


class Joined(nn.Module):
    """A constant beside the image, and sums of both, in place or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.token, self.in_place = nn.Parameter(pixels(seed=3)[:1, :1]), in_place

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.token.expand(len(x), -1, -1, -1), x, torch.where(x > 0, x, self.token)], 1)
        if not self.in_place:
            return torch.cat([both[:, :2] + WEIGHT, 3 * (both[:, 2:] + WEIGHT)], 1).relu()
        both += WEIGHT
        both[:, 2:].mul_(3)
        return both.relu_()


def test_what_is_joined_with_a_constant_may_be_overwritten() -> None:
    x = pixels()
    written, plain = (Only(Joined(in_place)) for in_place in (True, False))
    with trace(written, x, ZERO) as t:
        assert torch.equal(t.output, plain(x))
    torch.testing.assert_close(heat(written, x, ZERO), heat(plain, x, ZERO))
    found, expected = accounts(written, x, ZERO), accounts(plain, x, ZERO)
    torch.testing.assert_close(found.bias, expected.bias)
    torch.testing.assert_close(found.arrived + found.bias, found.entered)


def test_weights_made_from_the_image_get_half_or_as_gates_nothing() -> None:
    x = pixels()
    net, fixed = Routed(), Routed(mixing=False)
    for composite in each([ZERO, COMPOSITES["epsilon_plus"], COMPOSITES["epsilon_plus_flat"]]):
        with trace(net, x, composite) as t:
            assert torch.equal(t.output, net(x.clone()))
        whole, of_pixels = heat(net, x, composite), heat(fixed, x, composite)
        assert of_pixels.abs().sum() > 1e-3
        found = accounts(net, x, composite)
        torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered, rtol=1e-4, atol=1e-9)
        if composite.product == "signal":
            torch.testing.assert_close(whole, of_pixels, rtol=1e-9, atol=1e-12)
        else:
            assert (whole - of_pixels / 2).abs().sum() > 1e-3


def test_a_deformed_convolution_is_a_convolution_of_what_it_looks_at() -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    conv, where = nn.Conv2d(3, 4, 3, padding=1).double(), nn.Conv2d(3, 27, 3, padding=1).double()

    def deformed(x: Tensor, moving: float) -> Tensor:
        offset, mask = where(x).split((18, 9), 1)
        mask = mask.sigmoid() if moving else torch.ones_like(mask)
        return torchvision.ops.deform_conv2d(x, offset * moving, conv.weight, conv.bias, padding=1, mask=mask)

    x = pixels()
    for name in each(["epsilon", "epsilon_plus", "epsilon_plus_flat", "attnlrp_gamma"]):
        composite = COMPOSITES[name]
        still, plain = Only(lambda z: deformed(z, 0.0)), Only(conv)
        torch.testing.assert_close(heat(still, x, composite), heat(plain, x, composite), rtol=1e-6, atol=1e-9)
        found = accounts(Only(lambda z: deformed(z, 1.0)), x, composite)
        torch.testing.assert_close(found.arrived + found.bias + found.stabiliser, found.entered, rtol=1e-6, atol=1e-6)


def test_boxes_are_numbers() -> None:
    torchvision = pytest.importorskip("torchvision")

    def pooled(x: Tensor, free: bool) -> Tensor:
        size = x[:, 0, 0, 0].abs() if free else x[:, 0, 0, 0].abs().detach()
        boxes = [torch.stack([s * 0, s * 0, s + 2, s + 3])[None] for s in size]
        kept = torchvision.ops.nms(boxes[0], size[:1], 0.5)
        return torchvision.ops.roi_align(x, boxes, 2, aligned=True)[kept.new_tensor([0, 1])]

    x = pixels()
    free, fixed = Only(lambda z: pooled(z, True)), Only(lambda z: pooled(z, False))
    torch.testing.assert_close(heat(free, x, ZERO), input_times_gradient(fixed, x))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    "write",
    [
        lambda z: z[:, :2].uniform_(generator=seeded()),
        lambda z: z[:, :2].normal_(generator=seeded()),
        lambda z: z[:, :2].ge_(0),
    ],
)
def test_what_is_overwritten_by_numbers_that_carry_no_relevance_carries_none(write: Function) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3, padding=1).double()

    def written(x: Tensor) -> Tensor:
        z = conv(x)
        write(z)
        return z

    def kept(x: Tensor) -> Tensor:
        z = conv(x)
        return torch.cat([written(x)[:, :2].detach(), z[:, 2:]], 1)

    x = pixels()
    for composite in each([ZERO, COMPOSITES["epsilon_plus"]]):
        torch.testing.assert_close(heat(Only(written), x, composite), heat(Only(kept), x, composite))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda x: torch.linalg.inv(x[:, 0] + 9 * torch.eye(6)),
            r"'linalg_inv', which mixes.*'linalg_inv', 'constant'",
        ),
        (lambda x: functional.kl_div(x.log_softmax(1), x.softmax(1)), "'kl_div', which is a loss: explain what"),
        (lambda x: functional.huber_loss(x, x.flip(1), reduction="none"), "'huber_loss', which is a loss"),
        (lambda x: x.to_sparse().to_dense(), "'to_sparse', which gives no dense tensor"),
        (lambda x: torch.zeros_like(x).scatter_reduce(3, PLACES.expand(x.shape), x, "prod"), "multiplies by an index"),
        (lambda x: torch.fft.fft(x).sigmoid().real, "'sigmoid' of complex numbers"),
    ],
)
def test_what_no_rule_covers_says_what_to_do(function: Function, message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        heat(Only(function), pixels(), ZERO)
