"""Real input, end to end: does searching a class name that a caption contains put that class's logit first?

    python benchmarks/real_input.py --images FOLDER/captions.csv [--index OUT]

EfficientNet-Lite0 with its ImageNet weights is studied over captioned photographs, `offline:conse` is the foundation
model, k = 2. Every ImageNet class name that stands in a caption as whole words is searched among the 1,000 logits; what
counts is the place of the class's own logit. By encoding, over all photographs, k has no part in it: by z of the name
alone, and by coefficients beside the other names. By examples, logits with the same two of them are the same point of
the semantic space and tie ("hen" and "cock" over two pictures of one hen): "first" shares the place among the tied,
"first or tied" does not. The last row is a random order's.
"""

import argparse
import csv
import re
import tempfile
from pathlib import Path

import numpy as np

import semlens as sl
from semlens.model.offline import imagenet_class_names

LAYERS = ("blocks.2", "blocks.4", "conv_head", "classifier")


def names_in_captions(table: Path) -> dict[int, str]:
    """By class its name, where that stands in a caption as whole words and belongs to no other class."""
    with table.open(encoding="utf8") as lines:
        captions = " | ".join(row["caption"].lower() for row in csv.DictReader(lines))
    names = [name.lower() for name in imagenet_class_names()]
    return {c: n for c, n in enumerate(names) if names.count(n) == 1 and re.search(rf"\b{re.escape(n)}s?\b", captions)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--index", type=Path)
    options = parser.parse_args()
    classes = names_in_captions(options.images)
    foundation = sl.load_foundation("offline:conse")
    with tempfile.TemporaryDirectory() as folder:
        out = options.index or Path(folder) / "index"
        if not (out / "manifest.json").exists():
            sl.build(
                sl.load_model("offline:efficientnet_lite0"),
                sl.load_images(options.images),
                LAYERS,
                foundation,
                out,
                k=2,
            )
        index = sl.load_index(out)
        print(
            "| ranked by | classes | first (95 % interval) | first or tied | first five | median place |\n"
            "|---|---|---|---|---|---|"
        )
        own = np.array(list(classes))
        for what, null, by in (
            ("z", "cosine", "encoding"), ("joint", "cosine", "encoding"), ("alignment", "cosine", "examples"),
            ("similarity", "none", "examples"), ("alignment to the vector", "vector", "examples"),
        ):  # fmt: skip
            probes = sl.probe(foundation, list(classes.values()), null=null)
            hits = sl.search(index, probes, top=1000, layers=["classifier"], by=by)
            scores = np.empty((len(classes), 1000))
            for i, hit in enumerate(hits):
                scores[i // 1000, hit.component.unit] = getattr(hit, what if by == "encoding" else "alignment")
            report(f"{what}, by {by}", scores, own)
        print(f"| random order | {len(classes)} | 0.001 | 0.001 | 0.005 | 500 |")


def report(what: str, alike: np.ndarray, classes: np.ndarray) -> None:
    own = alike[np.arange(len(classes)), classes][:, None]
    above, tied = (alike > own + 1e-6).sum(1), (np.abs(alike - own) <= 1e-6).sum(1)
    first = (above == 0) / tied
    draws = np.random.default_rng(0).choice(first, (10_000, len(first))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    place = above + (tied - 1) / 2 + 1
    print(
        f"| {what} | {len(classes)} | {first.mean():.2f} ({low:.2f}-{high:.2f}) | {(above == 0).mean():.2f} "
        f"| {(place <= 5).mean():.2f} | {np.median(place):g} |"
    )


if __name__ == "__main__":
    main()
