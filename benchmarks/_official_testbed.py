"""The published package's side of the truth benchmark, in an environment that has `semanticlens` 0.2.1.

Only the networks of the testbed are read from semlens (torch, numpy and Pillow); collecting, embedding and searching
are the package's own.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from semanticlens import Lens
from semanticlens.component_visualization import aggregators
from semanticlens.component_visualization.activation_based import ActivationComponentVisualizer
from semanticlens.foundation_models.base import AbstractVLM
from torch import Tensor

from semlens.testbed.clip import load_clip_net
from semlens.testbed.nets import load_classifier, preprocess


@dataclass
class Pictures:
    """Files as the data sets that the package expects: preprocessed for the network, raw for the foundation model."""

    paths: Sequence[str]
    raw: bool
    name: str = "testbed"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Tensor | Image.Image, int]:
        image = Image.open(self.paths[i]).convert("RGB")
        return (image if self.raw else preprocess()(image)), 0


class WorldClip(AbstractVLM):
    """`testbed:clip` as the package's foundation model."""

    device = torch.device("cpu")
    name = "testbed-clip"

    def __init__(self) -> None:
        self.net = load_clip_net()

    def preprocess(self, img: list[Image.Image]) -> Tensor:
        return torch.stack([preprocess()(one) for one in img])

    @torch.no_grad()
    def encode_image(self, x: Tensor) -> Tensor:
        return self.net.image(x)

    def tokenize(self, txt: str | list[str]) -> Tensor:
        return self.net.tokens([txt] if isinstance(txt, str) else txt)

    @torch.no_grad()
    def encode_text(self, tokens: Tensor) -> Tensor:
        return self.net.text(tokens)

    def to(self, device: object) -> "WorldClip":
        return self


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    net, lens = load_classifier(job["model"]), Lens(WorldClip())
    net.name = job["model"]
    with tempfile.TemporaryDirectory() as cache:
        visualizer = ActivationComponentVisualizer(
            net,
            Pictures(job["images"], raw=False),
            Pictures(job["images"], raw=True),
            job["layers"],
            job["k"],
            aggregate_fn=aggregators.aggregate_conv_mean,
            cache_dir=cache,
        )
        concepts = {layer: vectors.mean(1) for layer, vectors in lens.compute_concept_db(visualizer).items()}
        scores = lens.text_probing(job["queries"], concepts, templates=job["templates"])
    np.save(job["out"], np.concatenate([scores[layer].numpy().T for layer in job["layers"]]))


if __name__ == "__main__":
    main()
