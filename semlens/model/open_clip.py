"""Models of the open_clip library, by what names them: tags, checkpoint files, hub repositories, local folders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import open_clip
from PIL.Image import Image
from torch import Tensor, nn

from semlens.errors import SemlensError, unknown
from semlens.hub import hub_folder

CONFIG = "open_clip_config.json"
CHECKPOINTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")
PREPROCESS = ("mean", "std", "interpolation", "resize_mode")


@dataclass(frozen=True)
class OpenClipFiles:
    """Where a model's weights are, and how it is made."""

    name: str  # as the user writes it, behind the family
    model: str  # as open_clip names it: an architecture or local-dir:FOLDER
    files: tuple[Path, ...]  # the checkpoint, then the configuration where it is a file too
    card: str | None  # the name by which its licence may be known; None if nothing is known of the file
    tokenizer: str  # the model whose tokenizer it is
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dimension(self) -> int:
        """Of the joint space. It stands in the configuration: no weights are loaded."""
        return int(open_clip.get_model_config(self.model)["embed_dim"])

    def towers(self, device: str | None = None) -> tuple[Any, Callable[[Image], Tensor]]:
        """Both towers, in eval mode (one checkpoint holds both), and the preprocessing.

        Raises:
            SemlensError: the checkpoint does not fit.
        """
        pretrained = None if self.model.startswith("local-dir:") else str(self.files[0])
        try:
            net, preprocess = open_clip.create_model_from_pretrained(
                self.model, pretrained, device=device or "cpu", weights_only=True, **self.options
            )
        except Exception as error:  # a foreign file may make its reader raise anything
            reason = str(error).partition("\n")[0]
            raise SemlensError(f"{self.files[0]} does not hold the weights of {self.model}: {reason}") from error
        assert isinstance(net, nn.Module)
        return net.eval(), preprocess


def open_clip_files(name: str) -> OpenClipFiles:
    """The model of `open_clip:name`.

    Raises:
        SemlensError: if `name` names no weights: random ones are refused.
    """
    source, _, rest = name.partition(":")
    if source == "local-dir":
        return _from_folder(name, Path(rest))
    if source == "hf-hub":
        checkpoint = _fetch(rest, (CHECKPOINTS[0], CHECKPOINTS[-1]), "its folder: open_clip:local-dir:FOLDER")
        return _from_folder(name, checkpoint.parent)
    return _from_architecture(name)


def _from_folder(name: str, folder: Path) -> OpenClipFiles:
    """The model in a folder as open_clip saves it, fetched from the hub or given."""
    if not (folder / CONFIG).is_file():
        raise SemlensError(f"{folder} is no model folder of open_clip: it has no {CONFIG}")
    files = (_checkpoint(folder), folder / CONFIG)
    return OpenClipFiles(name, f"local-dir:{folder}", files, name.partition(":")[2], tokenizer=name)


def _from_architecture(name: str) -> OpenClipFiles:
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
        card: str | None = name
        # "ViT-B-32/openai" was trained with QuickGELU, which its architecture does not say: open_clip only warns
        options = {"force_quick_gelu": config.get("quick_gelu", False), **_preprocess(config)}
    elif (checkpoint := Path(tag)).is_file():
        card, options = None, _common_preprocess(architecture, tags)
    else:
        raise unknown(f"pretrained tag of {architecture}", tag, tags, "A checkpoint file may stand in its place")
    return OpenClipFiles(name, architecture, (checkpoint,), card, architecture, options)


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
