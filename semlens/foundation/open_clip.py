"""Foundation models of the open_clip library: tags, checkpoint files, hub repositories, local folders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import open_clip
import torch
from PIL.Image import Image
from torch import Tensor, nn

from semlens.errors import SemlensError, unknown
from semlens.foundation import digest_files, fetching, hub_folder, in_batches, licence_of
from semlens.hub import hugging_face
from semlens.types import Float32, FoundationId

CONFIG = "open_clip_config.json"
CHECKPOINTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
PREPROCESS = ("mean", "std", "interpolation", "resize_mode")


@final
@dataclass(frozen=True, eq=False)
class OpenClip:
    """A model of open_clip."""

    spec: str
    model: str  # as open_clip names it: an architecture or local-dir:FOLDER
    files: tuple[Path, ...]  # the checkpoint, then the configuration where it is a file too
    licence: str
    device: str
    tokenizer: str  # the model whose tokenizer it is
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def identity(self) -> FoundationId:
        """Its dimension stands in the configuration: no weights are loaded."""
        dimension = open_clip.get_model_config(self.model)["embed_dim"]
        return FoundationId(self.spec, digest_files(self.files), dimension, self.licence)

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """One vector per RGB image, not unit."""
        return in_batches(self._embed_images, images, self.identity.dimension)

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One vector per text, not unit; what exceeds the model's context is cut off."""
        return in_batches(self._embed_texts, texts, self.identity.dimension)

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
        """Both towers (one checkpoint holds both) and the preprocessing."""
        pretrained = None if self.model.startswith("local-dir:") else str(self.files[0])
        try:
            net, preprocess = open_clip.create_model_from_pretrained(
                self.model, pretrained, device=self.device, weights_only=True, **self.options
            )
        except Exception as error:  # a foreign file may make its reader raise anything
            reason = str(error).partition("\n")[0]
            raise SemlensError(f"{self.files[0]} does not hold the weights of {self.model}: {reason}") from error
        assert isinstance(net, nn.Module)
        return net.eval(), preprocess

    @cached_property
    def _tokenize(self) -> Callable[[list[str]], Tensor]:
        instead = "open_clip:local-dir:FOLDER, with the tokenizer in the folder"
        with fetching(f"the tokenizer of {self.spec}", instead), hugging_face():
            tokenize: Callable[[list[str]], Tensor] = open_clip.get_tokenizer(self.tokenizer)
        return tokenize


def load_open_clip(name: str, device: str) -> OpenClip:
    """The model of `open_clip:name`.

    Raises:
        SemlensError: if `name` names no weights: random ones are refused.
    """
    source, _, rest = name.partition(":")
    if source == "local-dir":
        return _from_folder(name, Path(rest), device)
    if source == "hf-hub":
        checkpoint = _fetch(rest, (CHECKPOINTS[0], CHECKPOINTS[-1]), "its folder: open_clip:local-dir:FOLDER")
        return _from_folder(name, checkpoint.parent, device)
    return _from_architecture(name, device)


def _from_folder(name: str, folder: Path, device: str) -> OpenClip:
    """The model in a folder as open_clip saves it, fetched from the hub or given."""
    if not (folder / CONFIG).is_file():
        raise SemlensError(f"{folder} is no model folder of open_clip: it has no {CONFIG}")
    files = (_checkpoint(folder), folder / CONFIG)
    licence = licence_of(name.partition(":")[2], folder)
    return OpenClip(f"open_clip:{name}", f"local-dir:{folder}", files, licence, device, tokenizer=name)


def _from_architecture(name: str, device: str) -> OpenClip:
    """The model of `ARCH/TAG` or `ARCH/CHECKPOINT`."""
    architecture, _, tag = name.partition("/")
    if architecture not in open_clip.list_models():
        raise unknown("architecture of open_clip", architecture, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if not tag:
        known = f"one of its tags ({', '.join(tags)}) or a checkpoint file" if tags else "a checkpoint file"
        raise SemlensError(
            f"open_clip:{architecture} names no weights, and random ones are refused: add {known}, "
            f"as in open_clip:{architecture}/{tags[0] if tags else 'model.safetensors'}"
        )
    if config := open_clip.get_pretrained_cfg(architecture, tag):
        checkpoint = _fetch_tag(config["hf_hub"], f"the checkpoint: open_clip:{architecture}/FILE")
        licence = licence_of(name, checkpoint.parent)
        # "ViT-B-32/openai" was trained with QuickGELU, which its architecture does not say: open_clip only warns
        options = {"force_quick_gelu": config.get("quick_gelu", False), **_preprocess(config)}
    elif (checkpoint := Path(tag)).is_file():
        licence, options = "unknown", _common_preprocess(architecture, tags)
    else:
        raise unknown(f"pretrained tag of {architecture}", tag, tags, "A checkpoint file may stand in its place")
    return OpenClip(f"open_clip:{name}", architecture, (checkpoint,), licence, device, architecture, options)


def _fetch_tag(source: str, instead: str) -> Path:
    """The checkpoint of a tag, whose source is `ORG/NAME/` or `ORG/NAME/FILE`."""
    repository, _, file = source.rpartition("/")
    names = (str(Path(file).with_suffix(".safetensors")), file) if file else (CHECKPOINTS[0], CHECKPOINTS[-1])
    return _fetch(repository, names, instead)


def _fetch(repository: str, names: Sequence[str], instead: str) -> Path:
    """The local copy of the first of those checkpoints that a hub repository has."""
    for name in names:
        file = hub_folder(repository, (name, CONFIG), instead) / name
        if file.is_file():
            return file
    raise SemlensError(f"{repository} holds no checkpoint of open_clip ({' or '.join(names)}): give {instead}")


def _checkpoint(folder: Path) -> Path:
    """The file that open_clip will load: the first of its own names, or the only checkpoint there is."""
    own = [folder / name for name in CHECKPOINTS if (folder / name).is_file()]
    checkpoints = own or [file for file in folder.iterdir() if file.suffix in (".safetensors", ".bin", ".pth")]
    if len(checkpoints) != 1 and not own:
        raise SemlensError(
            f"{folder} holds {len(checkpoints)} checkpoints: it must hold one, or one named {CHECKPOINTS[0]}"
        )
    return checkpoints[0]


def _preprocess(config: Mapping[str, Any]) -> dict[str, Any]:
    """The preprocessing that a tag states, as keyword arguments."""
    return {f"image_{key}": config[key] for key in PREPROCESS if key in config}


def _common_preprocess(architecture: str, tags: Sequence[str]) -> dict[str, Any]:
    """The preprocessing on which all tags of an architecture agree; else a file gets that of OpenAI's CLIP."""
    stated = [_preprocess(open_clip.get_pretrained_cfg(architecture, tag)) for tag in tags]
    return stated[0] if stated and all(each == stated[0] for each in stated) else {}


def _array(vectors: Tensor) -> Float32[np.ndarray, "n d"]:
    return vectors.float().cpu().numpy()
