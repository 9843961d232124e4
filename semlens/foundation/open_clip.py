"""Models of the open_clip library: both towers as a foundation model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import open_clip
import torch
from PIL.Image import Image
from torch import Tensor

from semlens.foundation import digest_files, in_batches, licence_of
from semlens.hub import fetching, hugging_face
from semlens.model.open_clip import OpenClipFiles, open_clip_files
from semlens.types import Float32, FoundationId


@final
@dataclass(frozen=True, eq=False)
class OpenClip:
    """A model of open_clip."""

    given: OpenClipFiles
    device: str

    @cached_property
    def identity(self) -> FoundationId:
        """Its dimension stands in the configuration: no weights are loaded."""
        card, files = self.given.card, self.given.files
        licence = "unknown" if card is None else licence_of(card, files[0].parent)
        return FoundationId(f"open_clip:{self.given.name}", digest_files(files), self.given.dimension, licence)

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image, not unit."""
        return in_batches(self._embed_images, images, self.given.dimension)

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text, not unit; what exceeds the model's context is cut off."""
        return in_batches(self._embed_texts, texts, self.given.dimension)

    def _embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        net, preprocess = self._net
        pixels = torch.stack([preprocess(image) for image in images])
        with torch.inference_mode():
            return _array(net.encode_image(pixels.to(self.device)))

    def _embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        tokens = self._tokenize(list(texts))
        with torch.inference_mode():
            return _array(self._net[0].encode_text(tokens.to(self.device)))

    @cached_property
    def _net(self) -> tuple[Any, Callable[[Image], Tensor]]:
        return self.given.towers(self.device)

    @cached_property
    def _tokenize(self) -> Callable[[list[str]], Tensor]:
        instead = "open_clip:local-dir:FOLDER, with the tokenizer in the folder"
        with fetching(f"the tokenizer of open_clip:{self.given.name}", instead), hugging_face():
            tokenize: Callable[[list[str]], Tensor] = open_clip.get_tokenizer(self.given.tokenizer)
        return tokenize


def load_open_clip(name: str, device: str) -> OpenClip:
    """The model of `open_clip:name`.

    Raises:
        SemlensError: if `name` names no weights: random ones are refused.
    """
    return OpenClip(open_clip_files(name), device)


def _array(vectors: Tensor) -> Float32[np.ndarray, "n d"]:
    return vectors.float().cpu().numpy()
