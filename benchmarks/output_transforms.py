"""What of a classifier's outputs an encoding should explain: logits, probabilities, or roots of these?

    python benchmarks/output_transforms.py --images FOLDER/captions.csv

EfficientNet-Lite0 over captioned photographs, `offline:conse` as the foundation model. A row per transform of the 1,000
logits: in what part of the class names that stand in a caption the name's z puts its own logit first, the mean of one
over its place, and what part of the labels, of these classes and of all 1,000, are the class's own name among the
1,000; then R2 of the 0.9 quantile of logits.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from real_input import names_in_captions

import semlens as sl
from semlens.images import ImageSet
from semlens.model.offline import imagenet_class_names
from semlens.numerics import Metric, unit
from semlens.pipeline import explained
from tests.encoded import encoded

BATCH = 32


def seen(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and logits of all images."""
    model, foundation = sl.load_model("offline:efficientnet_lite0"), sl.load_foundation("offline:conse")
    embeddings, logits = [], []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            pictures = [images.load(at) for at in range(start, min(start + BATCH, len(images)))]
            embeddings.append(unit(foundation.embed_images(pictures)))
            logits.append(model.net(torch.stack([model.preprocess(one) for one in pictures])).double().numpy())
    return np.concatenate(embeddings), np.concatenate(logits)


def transforms(logits: np.ndarray) -> dict[str, np.ndarray]:
    """The logits as each transform has them."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return {
        "raw": logits,
        "squared positive part": np.square(np.maximum(logits, 0)),
        "probability": p,
        "root of it": np.sqrt(p),
        "arcsine of the root": np.arcsin(np.sqrt(p)),
        "log-odds": np.log(p) - np.log1p(-np.minimum(p, 1 - 1e-9)),
    }


def main() -> None:
    """Prints a row per transform."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    options = parser.parse_args()
    classes, names = names_in_captions(options.images), imagenet_class_names()
    own = np.array(list(classes))
    foundation = sl.load_foundation("offline:conse")
    asked, every = (sl.probe(foundation, some).vectors for some in (list(classes.values()), names))
    embeddings, logits = seen(sl.load_images(options.images))
    print(f"| of {len(own)} classes | own first | 1 / place | labels | of all | R2 |\n|---|---|---|---|---|---|")
    for what, y in transforms(logits).items():
        found = encoded(embeddings, y)
        metric = Metric(found.covariance, found.images)
        z = metric.z(found.cross, asked).T
        place = 1 + (z > z[np.arange(len(own)), own][:, None] + 1e-6).sum(axis=1)
        label = metric.among(every).z(found.cross, every).argmax(axis=1)
        right = label == np.arange(len(names))
        r2 = np.nanquantile(explained(found.embeddings, y, found.groups), 0.9)
        cells = [(place == 1).mean(), (1 / place).mean(), right[own].mean(), right.mean(), r2]
        print(f"| {what} | {' | '.join(f'{cell:.2f}' for cell in cells)} |", flush=True)


if __name__ == "__main__":
    main()
