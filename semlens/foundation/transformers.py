"""Foundation models of the transformers library: CLIP, SigLIP and SigLIP 2; DINOv2 and DINOv3 for images only, sentence
encoders for texts only."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from PIL.Image import Image
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer

from semlens.errors import SemlensError, unknown
from semlens.foundation import digest_files, in_batches, licence_of
from semlens.foundation.sentences import Sentences, sentences_in
from semlens.hub import hub_folder, quiet
from semlens.types import Float32, FoundationId

IMAGES_ONLY = ("dinov2", "dinov2_with_registers", "dinov3_vit")
KINDS = ("clip", "siglip", "siglip2", *IMAGES_ONLY)  # "model_type" in config.json
SETTINGS = ("*.json", "*.txt", "*.model")  # configuration, preprocessing, tokenizer
WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")  # the first that is there, as the library chooses


@final
@dataclass(frozen=True, eq=False)
class Transformers:
    """A model in a folder as transformers saves it."""

    spec: str
    folder: Path
    config: Any
    licence: str
    device: str

    @cached_property
    def identity(self) -> FoundationId:
        """Its digest also covers the settings beside the weights: they decide pixels and tokens."""
        files = [*_weights(self.folder), *_matching(self.folder, *SETTINGS)]
        return FoundationId(self.spec, digest_files(files), _dimension(self.config), self.licence)

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image, not unit."""
        return in_batches(self._embed_images, images, self.identity.dimension)

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text, not unit; what exceeds the model's context is cut off.

        Raises:
            SemlensError: for a model that knows no texts.
        """
        if self.config.model_type in IMAGES_ONLY:
            raise SemlensError(
                f"{self.spec} embeds images only: use example images as probes, or a model with a text tower, "
                "as transformers:google/siglip2-base-patch16-224"
            )
        return in_batches(self._embed_texts, texts, self.identity.dimension, length=len)

    def _embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        inputs = self._preprocess(images=list(images), return_tensors="pt").to(self.device)
        # image-only models give their vector, the normalised CLS token, from the plain forward pass
        tower = self._net if self.config.model_type in IMAGES_ONLY else self._net.get_image_features
        with torch.inference_mode():
            return _array(tower(**inputs))

    def _embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        with torch.inference_mode():
            return _array(self._net.get_text_features(**self._tokenize(texts)))

    def _tokenize(self, texts: Sequence[str]) -> dict[str, Any]:
        length = self.config.text_config.max_position_embeddings
        if self.config.model_type == "clip":
            tokens = self._tokenizer(list(texts), padding=True, truncation=True, max_length=length, return_tensors="pt")
            return dict(tokens.to(self.device))
        # SigLIP was trained on lower-case texts padded to full length, and saw the padding: no mask
        lower = [text.lower() for text in texts]
        tokens = self._tokenizer(lower, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        return {"input_ids": tokens["input_ids"].to(self.device)}

    @cached_property
    def _net(self) -> Any:
        """The whole model in float32. Refused where the checkpoint lacks weights: transformers would make them up."""
        net, report = _read(
            AutoModel.from_pretrained, self.folder, dtype=torch.float32, weights_only=True, output_loading_info=True
        )
        if missing := sorted(key for key in report["missing_keys"] if not key.endswith("position_ids")):
            raise SemlensError(
                f"{self.folder} lacks {len(missing)} of the weights ({', '.join(missing[:3])}), and random ones are "
                "refused: give the complete checkpoint"
            )
        return net.eval().to(self.device)

    @cached_property
    def _preprocess(self) -> Any:
        # not torchvision, the default: the weights were trained and published on Pillow's pixels
        return _read(AutoImageProcessor.from_pretrained, self.folder, backend="pil")

    @cached_property
    def _tokenizer(self) -> Any:
        return _read(AutoTokenizer.from_pretrained, self.folder)


def load_transformers(name: str, device: str) -> Transformers | Sentences:
    """The model of `transformers:name`, a hub repository or a folder; an encoder of texts alone is one of sentences.

    Raises:
        SemlensError: for a name that is neither, a folder without weights and a kind of model that is not known here.
    """
    folder = Path(name) if Path(name).is_dir() else _fetch(name)
    if not _weights(folder):
        raise SemlensError(f"{folder} holds no weights: expected model.safetensors, as save_pretrained writes it")
    config = _read(AutoConfig.from_pretrained, folder)
    encoder = type(config) in MODEL_FOR_MASKED_LM_MAPPING or (folder / "modules.json").is_file()
    if encoder and config.model_type not in KINDS:
        files = [*_weights(folder), *_matching(folder, *SETTINGS, "*/config.json")]
        return sentences_in(f"transformers:{name}", folder, config, files, licence_of(name, folder), device)
    if config.model_type not in KINDS:
        raise unknown("kind of transformers foundation model", config.model_type, KINDS)
    return Transformers(f"transformers:{name}", folder, config, licence_of(name, folder), device)


def _fetch(repository: str) -> Path:
    """The local copy of a hub repository, with pickled weights only where there are no others."""
    instead = "its folder: transformers:FOLDER"
    folder = hub_folder(repository, (*SETTINGS, "*/config.json", WEIGHTS[0]), instead)
    return folder if _weights(folder) else hub_folder(repository, (*SETTINGS, WEIGHTS[1]), instead)


def _read(reader: Callable[..., Any], folder: Path, **options: Any) -> Any:
    """What a `from_pretrained` makes of a folder; code inside the folder is never run."""
    try:
        with quiet():
            return reader(folder, local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # a foreign file may make its reader raise anything
        reason = str(error).strip().partition("\n")[0]
        raise SemlensError(f"{folder} cannot be read by transformers: {reason}") from error


def _weights(folder: Path) -> list[Path]:
    """The weight files that transformers would load; none where there are none."""
    return _matching(folder, WEIGHTS[0]) or _matching(folder, WEIGHTS[1])


def _matching(folder: Path, *patterns: str) -> list[Path]:
    """The files that match, in the order of the patterns, then by name."""
    return [file for pattern in patterns for file in sorted(folder.glob(pattern))]


def _dimension(config: Any) -> int:
    """The dimension of the space: CLIP projects both towers into it, the others use the image tower's own."""
    dimension = (
        config.projection_dim if config.model_type == "clip" else getattr(config, "vision_config", config).hidden_size
    )
    return int(dimension)


def _array(output: Any) -> Float32[np.ndarray, "n d"]:
    """The vectors in what a tower returns: an output object, or before transformers 5 the tensor itself."""
    vectors: torch.Tensor = getattr(output, "pooler_output", output)
    return vectors.float().cpu().numpy()
