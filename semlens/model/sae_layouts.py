"""Sparse autoencoders as other libraries write them, read as a `Dictionary`: tensors and settings by their names.

| layout | tensors | settings beside them |
|---|---|---|
| SAELens, Prisma, BatchTopK | W_enc d x c, W_dec c x d, b_enc, b_dec, threshold | cfg.json, config.json |
| VisAEBench, dictionary_learning | encoder.weight c x d, decoder.weight either way, biases | config.json |
| attributing CLIP | the same under weight norm: weight_g and weight_v, or parametrizations | none: k is given |
| overcomplete | encoder.final_block.*, dictionary.*, thresholds | none: k is given |
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from semlens.errors import SemlensError
from semlens.model.checkpoint import read_checkpoint, states
from semlens.model.dictionary import BatchTopK, Dictionary, JumpRelu, Relu, Sparsity, TopK

WEIGHTS = ("sae_weights.safetensors", "sae.safetensors", "model.safetensors", "sae.pt", "weights.pt", "model.pt")
"""What a folder's file of weights is called."""
SETTINGS = ("cfg.json", "config.json")
_SCALED = ("layer_norm", "unit_norm")
_PLAIN = ("none", "expected_average_only_in", "", "None", None, False)  # the second is folded into what is saved


@dataclass(frozen=True)
class _Parts:
    """What a layout holds, in our own orientation; of the thresholds whichever there is."""

    encoder: Tensor
    bias: Tensor
    decoder: Tensor
    centre: Tensor
    centred: bool  # whether the encoder takes vectors less the centre
    theta: Tensor | None = None


def read_layout(path: Path, k: int | None = None) -> Dictionary:
    """The dictionary in a file, or a folder, of another library. Nothing in it is run.

    Args:
        k: how many units are active, where no settings say it.

    Raises:
        SemlensError: it is none of the layouts above, or does something that a dictionary here cannot.
    """
    file = _weights_in(path) if path.is_dir() else path
    checkpoint = read_checkpoint(file)
    said = _settings(file.parent) | _said_inside(checkpoint)
    for _, state in states(checkpoint):
        tensors = _weighed({name: value.detach() for name, value in state.items() if isinstance(value, Tensor)})
        parts = _parts(file, tensors, said)
        if parts is not None:
            return _dictionary(path, parts, said, k)
    raise SemlensError(
        f"{file} holds no dictionary: neither one of semlens nor weights as SAELens, Prisma, overcomplete, VisAEBench "
        "or BatchTopK name them (W_enc and W_dec, encoder.weight and decoder.weight, dictionary._weights)"
    )


def _weights_in(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise SemlensError(f"{folder} holds no weights of a dictionary: one of {', '.join(WEIGHTS)} is looked for")


def _settings(folder: Path) -> dict[str, Any]:
    """What stands beside the weights; what is nested is laid beside the rest."""
    for name in SETTINGS:
        try:
            return _flat(json.loads((folder / name).read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as fault:
            raise SemlensError(f"{folder / name} cannot be read as JSON: {fault}") from fault
    return {}


def _said_inside(checkpoint: Any) -> dict[str, Any]:
    """Settings that a checkpoint has beside its weights."""
    found = [checkpoint[key] for key in ("cfg", "config") if isinstance(checkpoint, Mapping) and key in checkpoint]
    return _flat(vars(found[0]) if found and hasattr(found[0], "__dict__") else found[0]) if found else {}


def _flat(said: Any) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        return {}
    inner = [said[key] for key in ("metadata", "activation_fn_kwargs") if isinstance(said.get(key), Mapping)]
    return {key: value for part in (*inner, said) for key, value in part.items()}


_NORMED = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))
"""What torch calls length and direction of a layer under weight norm, the old way and the new one."""


def _weighed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with those under weight norm as the weights that they stand for.

    Source: Salimans and Kingma 2016, Eq. 2.
    """
    found = dict(tensors)
    for length, direction in _NORMED:
        for name in [name for name in tensors if name.endswith(f".{length}")]:
            path = name.removesuffix(length)
            if f"{path}{direction}" not in tensors:
                continue
            g, v = found.pop(name).float(), found.pop(f"{path}{direction}").float()
            axes = [axis for axis in range(v.ndim) if g.shape[axis] == 1]
            found[f"{path}weight"] = v * (g / v.norm(dim=axes, keepdim=True))
    return found


def _parts(file: Path, tensors: Mapping[str, Tensor], said: Mapping[str, Any]) -> _Parts | None:
    """The parts of whichever layout it is; None if of none."""
    if {"W_enc", "W_dec"} <= set(tensors):
        return _by_products(file, tensors, said)
    if {"encoder.weight", "decoder.weight"} <= set(tensors):
        return _by_layers(file, tensors)
    if any(name.startswith("dictionary.") for name in tensors):
        return _overcomplete(file, tensors)
    return None


def _by_products(file: Path, tensors: Mapping[str, Tensor], said: Mapping[str, Any]) -> _Parts:
    if {"b_gate", "r_mag"} & set(tensors):
        raise SemlensError(f"{file} is a gated autoencoder, whose units have two directions each: that is not read")
    encoder, decoder = tensors["W_enc"].float(), tensors["W_dec"].float()
    d, c = encoder.shape
    bias, centre = _or_zero(tensors, "b_enc", c), _or_zero(tensors, "b_dec", d)
    theta = tensors["log_threshold"].exp() if "log_threshold" in tensors else tensors.get("threshold")
    if said.get("rescale_acts_by_decoder_norm"):
        norms = decoder.norm(dim=1)
        encoder, bias, decoder = encoder * norms, bias * norms, decoder / norms[:, None]
    return _Parts(encoder, bias, decoder, centre, bool(said.get("apply_b_dec_to_input", True)), theta)


def _by_layers(file: Path, tensors: Mapping[str, Tensor]) -> _Parts:
    encoder, decoder = tensors["encoder.weight"].float(), tensors["decoder.weight"].float()
    c, d = encoder.shape
    if c == d:
        raise SemlensError(f"{file}: which way its square decoder lies cannot be told; write it with save_dictionary")
    decoder = decoder if decoder.shape == (c, d) else decoder.T
    name, centred = ("b_dec", True) if "b_dec" in tensors else ("decoder.bias", False)
    theta = next(
        (tensors[key] for key in ("threshold", "_running_threshold", "jump_thresholds") if key in tensors), None
    )
    return _Parts(encoder.T, _or_zero(tensors, "encoder.bias", c), decoder, _or_zero(tensors, name, d), centred, theta)


def _overcomplete(file: Path, tensors: Mapping[str, Tensor]) -> _Parts:
    if any(".mlp_blocks." in name or "attention" in name or "resnet" in name for name in tensors):
        raise SemlensError(
            f"{file} has an encoder of several layers, and a dictionary's is a product: that is not read"
        )
    place = next((p for p in ("encoder.final_block", "encoder") if f"{p}.0.weight" in tensors), None)
    if place is None:
        raise SemlensError(f"{file} holds a dictionary without the layer that finds its units (encoder.final_block.0)")
    weight, bias = tensors[f"{place}.0.weight"].float(), tensors[f"{place}.0.bias"].float()
    if f"{place}.1.weight" in tensors:
        weight, bias = _folded(file, weight, bias, place, tensors)
    theta = tensors["thresholds"].exp() if "thresholds" in tensors else tensors.get("_running_threshold")
    centre = torch.zeros(weight.shape[1])
    return _Parts(weight.T, bias, _atoms(tensors), centre, True, theta)


def _folded(
    file: Path, weight: Tensor, bias: Tensor, place: str, tensors: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """A linear layer with the BatchNorm behind it."""
    norm = {name: tensors.get(f"{place}.1.{name}") for name in ("weight", "bias", "running_mean", "running_var")}
    if any(value is None for value in norm.values()):
        raise SemlensError(f"{file} normalises every vector's products (LayerNorm), which is no product: not read")
    gain, shift, mean, variance = (value.float() for value in norm.values() if value is not None)
    scale = gain / (variance + 1e-5).sqrt()
    return weight * scale[:, None], (bias - mean) * scale + shift


def _atoms(tensors: Mapping[str, Tensor]) -> Tensor:
    """The rows that are added up. Those of length 1, but for the last step of training, are brought to it, as
    overcomplete does when it uses them; of an archetypal dictionary the mixtures of its points."""
    scale = tensors["dictionary.multiplier"].float().exp() if "dictionary.multiplier" in tensors else torch.ones(())
    if "dictionary.C" in tensors:
        mixed = tensors["dictionary.W"].float().relu()
        mixed = mixed / (mixed.sum(-1, keepdim=True) + 1e-8)
        return (mixed @ tensors["dictionary.C"].float() + tensors["dictionary.Relax"].float()) * scale
    rows = tensors["dictionary._weights"].float()
    near = bool(((rows.norm(dim=1) - 1).abs() < 0.05).all())
    return (normalize(rows, dim=1) if near else rows) * scale


def _or_zero(tensors: Mapping[str, Tensor], name: str, size: int) -> Tensor:
    return tensors[name].float() if name in tensors else torch.zeros(size)


def _dictionary(path: Path, parts: _Parts, said: Mapping[str, Any], k: int | None) -> Dictionary:
    scaling = said.get("normalize_activations", said.get("input_unit_norm"))
    if scaling not in (*_PLAIN, *_SCALED, True):
        raise SemlensError(f"{path} scales vectors by {scaling!r}, which is not read: fold it into the weights")
    bias = parts.bias if parts.centred else parts.bias + parts.centre @ parts.encoder
    return Dictionary(
        "", parts.encoder, bias, parts.decoder, parts.centre, _rule(path, parts, said, k), name=str(path),
        standardised=scaling not in _PLAIN,
    )  # fmt: skip


def _rule(path: Path, parts: _Parts, said: Mapping[str, Any], k: int | None) -> Sparsity:
    """How products become activations.

    Raises:
        SemlensError: the settings do not say it, or in a way that is not read.
    """
    names = ("sae_type", "activation", "activation_fn_str", "activation_fn", "architecture")
    named = [str(said[name]).lower().replace("_", "").replace("-", "") for name in names if said.get(name)]
    kinds = [name for name in named if name in ("batchtopk", "topk", "jumprelu")] or named
    kind = kinds[0] if kinds else "topk" if k else "jumprelu" if parts.theta is not None else ""
    k = k or next((int(said[name]) for name in ("k", "top_k", "topk") if said.get(name)), None)
    theta = parts.theta if parts.theta is not None else said.get("threshold")
    if kind in ("batchtopk", "jumprelu") or (kind == "matryoshkabatchtopk"):
        if theta is None:
            raise SemlensError(f"{path} ({kind}) does not hold its threshold: save it as `threshold`")
        theta = torch.as_tensor(theta).float()
        return BatchTopK(float(theta)) if theta.numel() == 1 else JumpRelu(theta.flatten())
    if kind == "topk":
        if k is None:
            raise SemlensError(f"{path} does not say how many units are active: load_dictionary(path, k=...)")
        return TopK(k)
    if kind in ("relu", "standard", "vanilla"):
        return Relu()
    raise SemlensError(
        f"{path} does not say how products become activations ({kind or 'no settings beside it'}): one of relu, topk, "
        "batchtopk and jumprelu is read"
    )
