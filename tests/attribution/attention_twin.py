"""One transformer block with its attention written in many ways, and a slow twin of AttnLRP: it sends relevance itself
down, not a gradient, in float64, one rule after the other.

Source: Achtibat et al. 2024, Prop. 3.1, 3.3, 3.4 and Eq. 9; Ali et al. 2022 for "cp_lrp".
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

TOKENS, WIDTH, HEADS, CLASS = 5, 8, 2, 1
SCALE = (WIDTH // HEADS) ** -0.5


def fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def eager(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    scores = q @ k.transpose(-2, -1) * SCALE
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return torch.matmul(functional.dropout(scores.softmax(dim=-1), 0.5, training=False), v)


def scaled_before(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    q = q / SCALE**-1
    return eager(q, k / SCALE, v, mask)


def batched(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    n, h = q.shape[:2]
    q, k, v = (t.reshape(n * h, TOKENS, -1) for t in (q, k, v))
    scores = (torch.bmm(q, k.transpose(1, 2)) * SCALE).view(n, h, TOKENS, TOKENS)
    if mask is not None:
        scores = torch.where(mask, scores, -torch.inf) if mask.dtype == torch.bool else scores.add(mask)
    return torch.bmm(functional.softmax(scores, -1).flatten(0, 1), v).unflatten(0, (n, h))


def summed(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    scores = torch.einsum("nhid,nhjd->nhij", q, k) * SCALE
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -torch.inf) if mask.dtype == torch.bool else scores + mask
    return torch.einsum("nhij,nhjd->nhid", torch.softmax(scores, -1), v)


class Attention(nn.Module):
    """Four projections around a kernel."""

    def __init__(self, kernel: Callable[..., Tensor], mask: Tensor | None) -> None:
        super().__init__()
        self.kernel, self.mask = kernel, mask
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        return self.o(self.kernel(q, k, v, self.mask).transpose(1, 2).flatten(2))


class TorchAttention(nn.Module):
    """torch.nn.MultiheadAttention with the weights of an Attention."""

    def __init__(self, like: Attention, batch_first: bool, **how: Any) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first).double()
        self.batch_first, self.how = batch_first, how
        mask = like.mask
        # torch's masks say what is forbidden where they are bool
        self.mask = ~mask if mask is not None and mask.dtype == torch.bool else mask
        with torch.no_grad():
            for name in ("weight", "bias"):
                joined = torch.cat([getattr(layer, name) for layer in (like.q, like.k, like.v)])
                getattr(self.attention, f"in_proj_{name}").copy_(joined)
                getattr(self.attention.out_proj, name).copy_(getattr(like.o, name))

    def forward(self, x: Tensor) -> Tensor:
        x = x if self.batch_first else x.transpose(0, 1)
        out, _ = self.attention(x, x, x, attn_mask=self.mask, **self.how)
        return out if self.batch_first else out.transpose(0, 1)


class Feedforward(nn.Module):
    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.up, self.gate, self.down = nn.Linear(WIDTH, 12), nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        if self.activation == "swiglu":
            return self.down(functional.silu(self.gate(x)) * self.up(x))
        return self.down(getattr(functional, self.activation)(self.up(x)))


NORMS: dict[str, type[nn.Module]] = {"LayerNorm": nn.LayerNorm, "RMSNorm": nn.RMSNorm}


class Block(nn.Module):
    """A transformer block, the mean of its tokens, and a head of three classes."""

    def __init__(
        self,
        kernel: Callable[..., Tensor] = fused,
        mask: str = "no mask",
        norm: str = "LayerNorm",
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        self.attention: Attention | TorchAttention = Attention(kernel, masks()[mask])
        self.feedforward, self.head = Feedforward(activation), nn.Linear(WIDTH, 3)
        self.norm1, self.norm2 = NORMS[norm](WIDTH), NORMS[norm](WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        x = x + self.feedforward(self.norm2(x))
        return self.head(x.mean(1))


def block(*args: Any, **kwargs: Any) -> Block:
    """A block with random weights, biases and norms, the same ones whenever the parts are."""
    net = Block(*args, **kwargs).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        with torch.no_grad():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.6)
    return net


def torchs_block(mask: str = "no mask", *, batch_first: bool = True, **how: Any) -> Block:
    """The same block with torch's attention."""
    net = block(fused, mask)
    assert isinstance(net.attention, Attention)
    net.attention = TorchAttention(net.attention, batch_first, **how)
    return net


def images(count: int = 2) -> Tensor:
    return torch.randn(count, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def masks() -> dict[str, Tensor | None]:
    """By name; True, and what is not -inf, lets a token be seen. Every token sees itself."""
    generator = torch.Generator().manual_seed(2)
    allowed = torch.eye(TOKENS, dtype=torch.bool) | (torch.rand(TOKENS, TOKENS, generator=generator) > 0.5)
    numbers = torch.randn(TOKENS, TOKENS, generator=generator, dtype=torch.float64)
    return {"no mask": None, "bool mask": allowed, "float mask": numbers.masked_fill(~allowed, -torch.inf)}


def stable(z: Tensor, epsilon: float = 1e-9) -> Tensor:
    size = epsilon * z.abs().mean(-1, keepdim=True)
    return z + torch.where(z < 0, -size, size)


def linear_down(layer: nn.Linear, x: Tensor, r: Tensor) -> Tensor:
    """The epsilon rule, message by message."""
    messages = torch.einsum("pj,kj,pk->pjk", x, layer.weight, r / stable(layer(x)))
    return messages.sum(-1)


def matmul_down(a: Tensor, v: Tensor, r: Tensor, share: float = 0.5) -> tuple[Tensor, Tensor]:
    """R(A_ji) = sum_p A_ji V_ip R_jp / (2 O_jp + epsilon), and the same for V."""
    messages = torch.einsum("ji,ip,jp->jip", a, v, share * r / stable(a @ v, 1e-14))
    return messages.sum(2), messages.sum(0)


def softmax_down(x: Tensor, r: Tensor) -> Tensor:
    """R_i = x_i (R_i - s_i sum_j R_j), 0 where x is -inf."""
    return torch.where(x == -torch.inf, 0, x.clamp(min=-1e9) * (r - x.softmax(-1) * r.sum(-1, keepdim=True)))


def sum_down(a: Tensor, b: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    z = stable(a + b, 1e-14)
    return a / z * r, b / z * r


def norm_down(norm: nn.Module, x: Tensor, r: Tensor) -> Tensor:
    """The standard deviation is a number; LayerNorm's shift absorbs its share, and its centring is a linear layer."""
    if isinstance(norm, nn.RMSNorm):
        return r
    assert isinstance(norm, nn.LayerNorm)
    r = (norm(x) - norm.bias) / norm(x) * r
    centring = torch.eye(WIDTH, dtype=x.dtype) - 1 / WIDTH
    return torch.einsum("pj,ij,pi->pj", x, centring, r / (x @ centring.T))


def attention_down(layer: Attention, x: Tensor, r: Tensor, name: str) -> Tensor:
    q, k, v = (part(x).unflatten(-1, (HEADS, -1)).transpose(0, 1) for part in (layer.q, layer.k, layer.v))
    scores, mask = q @ k.mT * SCALE, layer.mask
    if mask is None:
        masked = scores
    else:
        masked = torch.where(mask, scores, -torch.inf) if mask.dtype == torch.bool else scores + mask
    weights = masked.softmax(-1)
    out = (weights @ v).transpose(0, 1).flatten(1)
    r_out = linear_down(layer.o, out, r).unflatten(-1, (HEADS, -1)).transpose(0, 1)
    r_q, r_k, r_v = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for h in range(HEADS):
        r_weights, r_v[h] = matmul_down(weights[h], v[h], r_out[h], 1.0 if name == "cp_lrp" else 0.5)
        if name != "cp_lrp":
            r_masked = softmax_down(masked[h], r_weights)
            r_scores = torch.where(masked[h] == -torch.inf, 0, scores[h] / masked[h] * r_masked)
            r_q[h], r_kt = matmul_down(q[h], k[h].T, r_scores)
            r_k[h] = r_kt.T
    parts = ((layer.q, r_q), (layer.k, r_k), (layer.v, r_v))
    return sum((linear_down(part, x, rs.transpose(0, 1).flatten(1)) for part, rs in parts), torch.zeros_like(x))


def feedforward_down(layer: Feedforward, x: Tensor, r: Tensor) -> Tensor:
    if layer.activation != "swiglu":
        middle = getattr(functional, layer.activation)(layer.up(x))
        return linear_down(layer.up, x, linear_down(layer.down, middle, r))
    half = linear_down(layer.down, functional.silu(layer.gate(x)) * layer.up(x), r) / 2
    return linear_down(layer.up, x, half) + linear_down(layer.gate, x, half)


def twin(net: Block, x: Tensor, name: str = "attnlrp") -> Tensor:
    """Relevance of the tokens of one image, from the logit down."""
    assert isinstance(net.attention, Attention)
    attended = net.attention(net.norm1(x[None]))[0]
    middle = x + attended
    fed = net.feedforward(net.norm2(middle))
    last = middle + fed
    logits = net.head(last.mean(0, keepdim=True))
    r_mean = linear_down(net.head, last.mean(0, keepdim=True), logits * torch.eye(3, dtype=x.dtype)[CLASS])
    r_middle, r_fed = sum_down(middle, fed, last / TOKENS / last.mean(0) * r_mean)
    r_middle = r_middle + norm_down(net.norm2, middle, feedforward_down(net.feedforward, net.norm2(middle), r_fed))
    r_x, r_attended = sum_down(x, attended, r_middle)
    return r_x + norm_down(net.norm1, x, attention_down(net.attention, net.norm1(x), r_attended, name))


@cache
def expected(name: str, mask: str, norm: str = "LayerNorm", activation: str = "gelu") -> Tensor:
    with torch.no_grad():
        return torch.stack([twin(block(fused, mask, norm, activation), one, name) for one in images()])
