"""`testbed:clip`: the joint space of the testbed's world, which stands for an expert of the domain."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from PIL.Image import Image

from semlens.foundation import digest_files, in_batches
from semlens.model import Preprocess
from semlens.testbed.clip import DIMENSION, Clip, load_clip_net
from semlens.testbed.nets import WEIGHTS, preprocess
from semlens.types import Float32, FoundationId


@final
@dataclass(frozen=True, eq=False)
class WorldClip:
    """A contrastive model that has seen pictures of the world and read their captions, and knows nothing else."""

    device: str

    @cached_property
    def identity(self) -> FoundationId:
        """Its digest covers the weights; we trained them, so the licence is ours."""
        return FoundationId("testbed:clip", digest_files([WEIGHTS / "clip.safetensors"]), DIMENSION, "apache-2.0")

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image."""
        return in_batches(self._embed_images, images, DIMENSION)

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text; words that no caption of the world uses count as unknown."""
        return in_batches(self._embed_texts, texts, DIMENSION, length=len)

    def _embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        pixels = torch.stack([self._preprocess(image) for image in images])
        with torch.inference_mode():
            return self._net.image(pixels.to(self.device)).cpu().numpy()

    def _embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        with torch.inference_mode():
            return self._net.text(self._net.tokens(texts).to(self.device)).cpu().numpy()

    @cached_property
    def _net(self) -> Clip:
        return load_clip_net().to(self.device)

    @cached_property
    def _preprocess(self) -> Preprocess:
        return preprocess()


def load_clip(device: str) -> WorldClip:
    """The foundation model of the testbed; its weights are read when it first embeds something."""
    return WorldClip(device)
