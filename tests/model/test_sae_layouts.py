"""Sparse autoencoders of other libraries: one forward pass as each library's documentation writes it, from its file."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model.dictionary import Dictionary, moved
from semlens.model.dictionary_file import load_dictionary

D, C = 8, 20
DRAW = torch.Generator().manual_seed(0)
W, B = torch.randn(D, C, generator=DRAW), torch.randn(C, generator=DRAW) / 5
V, S = torch.randn(C, D, generator=DRAW), torch.randn(D, generator=DRAW)
X = torch.randn(6, D, generator=DRAW) * 2 + 1
THETA = torch.rand(C, generator=DRAW)


def write(folder: Path, name: str, tensors: dict[str, Tensor], said: dict[str, Any] | None, config: str) -> Path:
    if name.endswith(".safetensors"):
        save_file({key: value.contiguous() for key, value in tensors.items()}, folder / name)
    else:
        torch.save(tensors, folder / name)
    if said is not None:
        (folder / config).write_text(json.dumps(said))
    return folder


def acts_of(found: Dictionary) -> Tensor:
    return moved(found, torch.device("cpu"), torch.float32).activations(X)


def decoded(found: Dictionary) -> Tensor:
    weights = moved(found, torch.device("cpu"), torch.float32)
    return weights.decoded(X, weights.activations(X))


def top(pre: Tensor, k: int) -> Tensor:
    """The k largest of each row, zero elsewhere, by a loop."""
    kept = torch.zeros_like(pre)
    for row, values in enumerate(pre):
        for place in sorted(range(len(values)), key=lambda i: -float(values[i]))[:k]:
            kept[row, place] = values[place].clamp(min=0)
    return kept


def layer_norm(x: Tensor) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x / (x.std(-1, keepdim=True) + 1e-5)


PLAIN = {"W_enc": W, "W_dec": V, "b_enc": B, "b_dec": S}
LAYERS = {"encoder.weight": W.T, "encoder.bias": B, "decoder.weight": V, "decoder.bias": S}
CASES: dict[str, tuple[str, dict[str, Tensor], dict[str, Any], Tensor, Tensor]] = {
    "SAELens standard": (
        "sae_weights.safetensors", PLAIN, {"architecture": "standard", "apply_b_dec_to_input": True},
        ((X - S) @ W + B).relu(), V,
    ),
    "SAELens, centre only added": (
        "sae_weights.safetensors", PLAIN, {"architecture": "standard", "apply_b_dec_to_input": False},
        (X @ W + B).relu(), V,
    ),
    "SAELens topk": (
        "sae_weights.safetensors", PLAIN, {"architecture": "topk", "k": 3, "metadata": {"hook_name": "h"}},
        top((X - S) @ W + B, 3), V,
    ),
    "SAELens topk, rescaled": (
        "sae_weights.safetensors", PLAIN,
        {"architecture": "topk", "activation_fn_kwargs": {"k": 3}, "rescale_acts_by_decoder_norm": True},
        top(((X - S) @ W + B) * V.norm(dim=1), 3), V / V.norm(dim=1, keepdim=True),
    ),
    "SAELens jumprelu": (
        "sae_weights.safetensors", PLAIN | {"threshold": THETA}, {"architecture": "jumprelu"},
        (((X - S) @ W + B) * (((X - S) @ W + B) > THETA)), V,
    ),
    "Prisma": (
        "weights.pt", PLAIN,
        {"architecture": "standard", "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4},
         "normalize_activations": "layer_norm"},
        top((layer_norm(X) - S) @ W + B, 4), V,
    ),
    "BatchTopK": (
        "sae.pt", PLAIN | {"threshold": torch.tensor(0.5), "num_batches_not_active": torch.zeros(C)},
        {"sae_type": "batchtopk", "top_k": 3, "input_unit_norm": True, "activation": "relu"},
        ((layer_norm(X) - S) @ W + B) * (((layer_norm(X) - S) @ W + B) > 0.5), V,
    ),
    "VisAEBench topk": (
        "sae.pt", LAYERS, {"activation": "topk", "k": 3}, top(X @ W + B, 3), V,
    ),
    "VisAEBench batchtopk": (
        "model.safetensors", LAYERS, {"activation": "batchtopk", "threshold": 0.7},
        (X @ W + B) * ((X @ W + B) >= 0.7), V,
    ),
    "dictionary_learning": (
        "model.pt", {"encoder.weight": W.T, "encoder.bias": B, "decoder.weight": V.T, "b_dec": S},
        {"activation": "topk", "k": 2}, top((X - S) @ W + B, 2), V,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_layout_gives_what_its_library_computes(case: str, tmp_path: Path) -> None:
    name, tensors, said, expected, decoder = CASES[case]
    config = "cfg.json" if "SAELens" in case else "config.json"
    found = load_dictionary(write(tmp_path, name, tensors, said, config), "layer4")
    assert (found.layer, found.width, found.units) == ("layer4", D, C)
    torch.testing.assert_close(acts_of(found), expected, atol=2e-6, rtol=1e-6)
    assert (acts_of(found) > 0).any()
    explained = expected @ decoder + S
    if found.standardised:
        explained = explained * (X.std(-1, keepdim=True) + 1e-5) + X.mean(-1, keepdim=True)
    torch.testing.assert_close(decoded(found), explained, atol=1e-5, rtol=1e-5)
    same = load_dictionary(tmp_path / name)  # the file itself, its settings beside it
    assert same.digest == load_dictionary(tmp_path).digest


class TopKSAE(nn.Module):
    """What overcomplete's TopKSAE computes: linear, BatchNorm, ReLU, the top k, rows of length 1."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.encoder: Any = nn.Module()
        norm = nn.BatchNorm1d(C)
        self.encoder.final_block = nn.Sequential(nn.Linear(D, C), norm, nn.ReLU())
        self.dictionary: Any = nn.Module()
        self.dictionary._weights = nn.Parameter(nn.functional.normalize(torch.randn(C, D)) * 1.001)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        nn.init.normal_(norm.weight)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.encoder.final_block(x)
        best = torch.topk(codes, 5, dim=-1)
        z = torch.zeros_like(codes).scatter(-1, best.indices, best.values)
        return z, z @ nn.functional.normalize(self.dictionary._weights, dim=1)


@pytest.mark.parametrize("new", [False, True], ids=["weight_g", "parametrizations"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_layers_under_weight_norm_are_the_weights_that_they_stand_for(new: bool, tmp_path: Path) -> None:
    """An encoder with a bias and a decoder without, of columns of length 1, as attributing CLIP trains them."""
    normed = nn.utils.parametrizations.weight_norm if new else nn.utils.weight_norm
    torch.manual_seed(0)
    net = nn.Module()
    net.encoder, net.decoder = normed(nn.Linear(D, C)), normed(nn.Linear(C, D, bias=False), dim=1)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if "decoder" in name and name.endswith(("weight_g", "original0")):
                value.fill_(1.0)
    torch.save(net.state_dict(), tmp_path / "sae.pt")
    found = load_dictionary(tmp_path / "sae.pt", "a", k=4)
    with torch.no_grad():
        pre = net.encoder(X)
        torch.testing.assert_close(acts_of(found), top(pre, 4))
        torch.testing.assert_close(decoded(found), net.decoder(top(pre, 4)))
    torch.testing.assert_close(found.decoder.norm(dim=1), torch.ones(C))


def test_one_forward_pass_is_that_of_overcomplete(tmp_path: Path) -> None:
    sae = TopKSAE().eval()
    torch.save(sae.state_dict(), tmp_path / "sae.pt")
    found = load_dictionary(tmp_path / "sae.pt", "layer4", k=5)
    z, explained = sae(X)
    torch.testing.assert_close(acts_of(found), z.detach(), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(decoded(found), explained.detach(), atol=1e-6, rtol=1e-6)
    with pytest.raises(SemlensError, match="does not say how products become activations"):
        load_dictionary(tmp_path / "sae.pt")


@pytest.mark.parametrize(
    ("tensors", "said", "error"),
    [
        (PLAIN | {"b_gate": B, "r_mag": B}, {"architecture": "gated"}, "gated autoencoder"),
        (PLAIN, {"sae_type": "batchtopk"}, "does not hold its threshold"),
        (PLAIN, {"architecture": "topk"}, "does not say how many units are active"),
        (
            PLAIN,
            {"architecture": "standard", "normalize_activations": "constant_norm_rescale"},
            "fold it into the weig",
        ),
        (PLAIN, {"activation_fn_str": "tanh-relu"}, r"\(tanhrelu\)"),
        ({"conv.weight": W}, {}, "holds no dictionary"),
        ({"encoder.weight": torch.eye(4), "decoder.weight": torch.eye(4)}, {}, "which way its square decoder lies"),
        ({"dictionary._weights": V, "encoder.mlp_blocks.0.0.weight": W}, {}, "an encoder of several layers"),
    ],
)
def test_what_cannot_be_read_is_said(
    tensors: dict[str, Tensor], said: dict[str, Any], error: str, tmp_path: Path
) -> None:
    write(tmp_path, "sae.pt", tensors, said, "config.json")
    with pytest.raises(SemlensError, match=error):
        load_dictionary(tmp_path / "sae.pt")


class Settings:
    """A class of its library's own, as a pickled file of settings has it."""


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"cfg": Settings(), "state_dict": PLAIN}, tmp_path / "sae.pt")
    with pytest.raises(SemlensError, match="Settings"):
        load_dictionary(tmp_path / "sae.pt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SemlensError, match="holds no weights of a dictionary"):
        load_dictionary(tmp_path / "empty")
