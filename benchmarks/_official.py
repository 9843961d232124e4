"""The published package's side of a whole run, in an environment that has `semanticlens` 0.2.1 and no semlens."""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _jobs import measured
from _models import PREPROCESS, studied
from PIL import Image
from semanticlens.component_visualization import aggregators
from semanticlens.component_visualization.activation_based import ActivationComponentVisualizer
from torch import Tensor


@dataclass
class Photos:
    """A folder as the data set that the package expects."""

    paths: list[Path]
    name: str = "photos"

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return PREPROCESS(Image.open(self.paths[i]).convert("RGB")), 0


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.set_num_threads(options["threads"])
    it = studied(options["model"], options["weights"])
    it.net.name = "studied"
    photos = Photos(sorted(Path(options["images"]).glob("*.jpg"))[: options["count"]])
    aggregate = aggregators.aggregate_transformer_mean if it.sequence else aggregators.aggregate_conv_mean

    def run() -> int:
        with tempfile.TemporaryDirectory() as cache:
            visualizer = ActivationComponentVisualizer(
                it.net,
                photos,
                photos,
                list(it.modules),
                min(options["k"], len(photos)),
                aggregate_fn=aggregate,
                cache_dir=cache,
            )
            found = visualizer.run(batch_size=32)
        ids = torch.cat([found[path].sample_ids for path in it.modules]).numpy()
        if options["out"]:
            np.savez(options["out"], ids=ids)
        return len(ids)

    measured(run)


if __name__ == "__main__":
    main()
