"""Slow twins of LRP for one LSTM and one GRU, on one sequence: relevance itself goes back through time, step by step.

Source: Arras et al. 2017 ("signal", LRP-all), Ding et al. 2017 ("proportional"), Arjona-Medina et al. 2018 ("half").
"""

import torch
from torch import Tensor, nn

STEPS, WIDTH, HIDDEN = 4, 3, 5


def stable(z: Tensor, epsilon: float = 1e-9) -> Tensor:
    size = epsilon * z.abs().mean()
    return z + torch.where(z < 0, -size, size)


def unchanged(x: Tensor) -> Tensor:
    """What an element-wise function passes on of its relevance: all of it, where its input is not next to nothing."""
    return x / torch.where(x.abs() < 1e-6 * x.abs().mean(), 1e-6 * x.abs().mean(), x)


def linear_down(weight: Tensor, x: Tensor, z: Tensor, r: Tensor) -> Tensor:
    return torch.einsum("j,kj,k->j", x, weight, r / stable(z))


def sum_down(a: Tensor, b: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    whole = torch.where(a + b == 0, 1, a + b)
    return a / whole * r, b / whole * r


def product_down(gate: Tensor, signal: Tensor, r: Tensor, product: str, bare: bool = False) -> tuple[Tensor, Tensor]:
    """What the pre-activations of gate and signal get; a `bare` signal has none."""
    passed = 1 if bare else unchanged(signal)
    if product == "signal":
        return 0 * r, r * passed
    if product == "half":
        return r / 2 * unchanged(gate), r / 2 * passed
    whole = stable(gate + signal, 1e-6)
    return gate / whole * r, signal / whole * r


def lstm_twin(layer: nn.LSTM, x: Tensor, r_out: Tensor, product: str) -> Tensor:
    """Relevance of each step of one sequence, from that of each step's output."""
    w_x, w_h, b_x, b_h = layer.all_weights[0]
    weight, bias = torch.cat([w_x, w_h], 1), b_x + b_h
    h, c, seen = torch.zeros(HIDDEN).double(), torch.zeros(HIDDEN).double(), []
    for one in x:
        z = weight @ torch.cat([one, h]) + bias
        before = (torch.cat([one, h]), z, c)
        i, f, g, o = z.chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        seen.append((*before, c))
    found, r_h, r_c = torch.zeros_like(x), torch.zeros_like(h), torch.zeros_like(c)
    for t in reversed(range(STEPS)):
        inputs, z, c_before, c = seen[t]
        i, f, g, o = z.chunk(4)
        r_o, r_from_h = product_down(o, c, r_out[t] + r_h, product)
        r_kept, r_new = sum_down(f.sigmoid() * c_before, i.sigmoid() * g.tanh(), r_c + r_from_h)
        r_f, r_c = product_down(f, c_before, r_kept, product, bare=True)
        r_i, r_g = product_down(i, g, r_new, product)
        found[t], r_h = linear_down(weight, inputs, z, torch.cat([r_i, r_f, r_g, r_o])).split([WIDTH, HIDDEN])
    return found


def gru_twin(layer: nn.GRU, x: Tensor, r_out: Tensor, product: str) -> Tensor:
    """The same for a GRU, where 1 - sigmoid(z) is a gate made from -z."""
    of_x, of_h, b_x, b_h = (weight.split([2 * HIDDEN, HIDDEN]) for weight in layer.all_weights[0])
    both = torch.cat([of_x[0], of_h[0]], 1)
    h, seen = torch.zeros(HIDDEN).double(), []
    for one in x:
        gates = both @ torch.cat([one, h]) + b_x[0] + b_h[0]
        from_x, from_h = of_x[1] @ one + b_x[1], of_h[1] @ h + b_h[1]
        seen.append((one, h, gates, from_x, from_h))
        r, z = gates.chunk(2)
        h = (1 - z.sigmoid()) * (from_x + r.sigmoid() * from_h).tanh() + z.sigmoid() * h
    found, r_h = torch.zeros_like(x), torch.zeros_like(h)
    for t in reversed(range(STEPS)):
        one, h, gates, from_x, from_h = seen[t]
        r, z = gates.chunk(2)
        new = from_x + r.sigmoid() * from_h
        r_new, r_kept = sum_down((1 - z.sigmoid()) * new.tanh(), z.sigmoid() * h, r_out[t] + r_h)
        r_z, r_h = product_down(z, h, r_kept, product, bare=True)
        r_minus_z, r_new = product_down(-z, new, r_new, product)
        r_from_x, r_from_h = sum_down(from_x, r.sigmoid() * from_h, r_new)
        r_r, r_from_h = product_down(r, from_h, r_from_h, product, bare=True)
        down = linear_down(both, torch.cat([one, h]), gates, torch.cat([r_r, r_z + r_minus_z])).split([WIDTH, HIDDEN])
        found[t] = down[0] + linear_down(of_x[1], one, from_x, r_from_x)
        r_h = r_h + down[1] + linear_down(of_h[1], h, from_h, r_from_h)
    return found
