"""What sums for encodings cost beside a forward pass, in CPU time of one thread; the embeddings are given.

    OMP_NUM_THREADS=1 python benchmarks/encoding.py [MODEL ...]

A row per model of timm, with random weights: all stages or blocks and 1,000 outputs, 512 dimensions, 1,024 images. Then
what the sums of 2,048 components hold after so many images, and what of it an index keeps: the covariances of b, and
what is kept of 2,000 images to permute.
"""

import sys
from dataclasses import fields
from time import process_time

import numpy as np
import timm
import torch

from semlens.collection import ToEncode, drawn
from semlens.collection.collect import pooling
from semlens.collection.encode import RunningSums
from semlens.model import VisionModel, parse_all
from semlens.types import EncodingTask

LAYERS = {
    "resnet18": [f"layer{number}" for number in range(1, 5)],
    "vit_tiny_patch16_224": [f"blocks.{number}" for number in range(12)],
}
IMAGES, BATCH, DIMENSION, OUTPUTS = 1024, 32, 512, 1000
FORWARD = 3  # batches that are sent through the model
COMPONENTS, KEPT = 2048, 2000


def main(name: str) -> None:
    torch.manual_seed(0)
    net, x = timm.create_model(name, pretrained=False).eval(), torch.randn(BATCH, 3, 224, 224)
    model = VisionModel(net, lambda image: x[0], (), name)
    kinds = [kind for kind, _ in parse_all(net, LAYERS[name], x[:1])]
    vectors = np.random.default_rng(0).normal(size=(IMAGES, DIMENSION))
    e = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    with torch.no_grad(), pooling(model, kinds, "mean") as pooled:
        net(x)
        start = process_time()
        for _ in range(FORWARD):
            logits = net(x)
        forward = (process_time() - start) / (FORWARD * BATCH)
        rows = torch.cat([pooled(BATCH).activations, logits], dim=1)
    c = rows.shape[1] - OUTPUTS
    wanted = ToEncode(EncodingTask("f", None, 2000, 0), DIMENSION, drawn(IMAGES, None), lambda ids: e[list(ids)])
    layers = (slice(0, c), slice(c, c + OUTPUTS))
    sums = RunningSums(wanted, ("",) * OUTPUTS, layers, torch.device("cpu"), lambda: rows)
    batches = [(rows * (1 + 0.1 * torch.randn(rows.shape)), range(at, at + BATCH)) for at in range(0, IMAGES, BATCH)]
    start = process_time()
    for activations, ids in batches:
        sums.add(activations, list(ids))
    sums.flush()
    cost = (process_time() - start) / IMAGES
    shares = f"forward {forward * 1e3:.1f} ms an image, sums {cost * 1e3:.2f} ms, {cost / forward:.1%}"
    print(f"{name}: {c} components, {shares}")


def held(images: int) -> None:
    """What sums hold after some images."""
    e = np.full((1, DIMENSION), DIMENSION**-0.5, np.float16)
    wanted = ToEncode(
        EncodingTask("f", None, KEPT, 0), DIMENSION, drawn(images, None), lambda ids: np.repeat(e, len(ids), axis=0)
    )
    rows = torch.rand(BATCH, COMPONENTS)
    sums = RunningSums(wanted, (), (slice(0, COMPONENTS),), torch.device("cpu"), lambda: rows)
    for at in range(0, images, BATCH):
        sums.add(rows, list(range(at, at + BATCH)))
    state = sums.state()
    arrays = {one.name: getattr(state, one.name) for one in fields(state)}
    total = sum(array.nbytes for array in arrays.values() if isinstance(array, np.ndarray))
    kept = len(state.ids) * (COMPONENTS + DIMENSION) * 2
    cross = COMPONENTS * DIMENSION * 4
    told = f"in the index {cross / 2**20:.1f} MiB of covariances, {kept / 2**20:.1f} MiB of images kept"
    print(f"{COMPONENTS} components after {images} images: sums {total / 2**20:.1f} MiB; {told}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or LAYERS:
        main(name)
    for images in (2048, 8192):
        held(images)
