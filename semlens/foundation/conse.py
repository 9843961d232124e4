"""`offline:conse`: a joint space of images and texts made of models that lie inside PyPI packages; needs no hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from einops import einsum, reduce
from PIL.Image import Image
from torch import Tensor, nn

from semlens.foundation import digest_files, in_batches
from semlens.foundation.sentences import MINILM_DIMENSION, Sentences, load_minilm
from semlens.model.offline import (
    imagenet_lemmas,
    load_efficientnet_lite,
    minilm_folder,
    preprocess_efficientnet_lite,
    weights_file,
)
from semlens.types import Float, Float32, FoundationId

TOP = 10  # classes that speak for an image, as in the paper
LITE = 2  # the version of EfficientNet-Lite that sees the image
DIMENSION = MINILM_DIMENSION  # of the texts
RECIPE = f"top {TOP} classes of efficientnet_lite{LITE}, each the sentence of all its lemmas"


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
        files = (weights_file(LITE), *(minilm_folder() / name for name in ("model.safetensors", "tokenizer.json")))
        return FoundationId("offline:conse", digest_files(files, RECIPE), DIMENSION, "apache-2.0")

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image, at most unit: shorter the less its classes have in common."""
        return in_batches(self._embed_images, images, DIMENSION)

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One unit vector per text; what exceeds 256 tokens is cut off."""
        return self._sentences.embed_texts(texts)

    def _embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        preprocess = preprocess_efficientnet_lite(LITE)
        pixels = torch.stack([preprocess(image) for image in images])
        with torch.inference_mode():
            logits = self._classifier(pixels.to(self.device))
        return conse(logits.softmax(dim=1).cpu(), self._classes).numpy()

    @cached_property
    def _classifier(self) -> nn.Module:
        # channels last: two thirds of the time on a CPU
        return load_efficientnet_lite(LITE).to(memory_format=torch.channels_last).to(self.device)

    @cached_property
    def _classes(self) -> Float[Tensor, "y d"]:
        """The sentence embedding of every ImageNet class."""
        return torch.from_numpy(self.embed_texts(imagenet_lemmas()))

    @cached_property
    def _sentences(self) -> Sentences:
        return load_minilm(self.device)


def load_conse(device: str) -> Conse:
    """The offline foundation model.

    Raises:
        SemlensError: where a package of the extra `offline` is not installed.
    """
    weights_file(LITE)
    minilm_folder()
    return Conse(device)


def conse(probabilities: Float[Tensor, "n y"], classes: Float[Tensor, "y d"]) -> Float[Tensor, "n d"]:
    """The mean of the likeliest `TOP` class vectors, weighted by their probabilities made to sum to 1."""
    top = probabilities.topk(min(TOP, probabilities.shape[1]), dim=1)
    weights = top.values / reduce(top.values, "n y -> n 1", "sum")
    return einsum(weights, classes[top.indices], "n y, n y d -> n d")
