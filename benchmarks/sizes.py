"""How large relevance is under each composite: the sum of |relevance| over |what is explained|, as a Markdown table.

    PYTHONPATH=. python benchmarks/sizes.py [--only NAME ...] [--methods METHOD ...] [--seeds N] [--out FILE]

Untrained networks of the zoo, two images, each image's highest output (of what gives no logits, its greatest value);
a cell is the median over seeds of the weights, and the greatest. Above 10 a heat map's parts mostly cancel.
"""

import argparse
import os
import statistics
import warnings
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from _report import Table
from _zoo import Entry, entries
from zoo import Preprocess, enliven, pictures, target_of

import semlens as sl

METHODS = ("auto", "epsilon_plus_flat", "epsilon_gamma_box", "attnlrp", "cp_lrp", "attnlrp_gamma")
NAMES = """
shvit_s1 coatnet_nano_rw_224 mobilevit_xxs davit_tiny mvitv2_tiny swinv2_tiny_window8_256 eva02_tiny_patch14_224
deit_tiny_patch16_224 mobileone_s0 repvit_m1 convnext_tiny tf_efficientnet_cc_b0_4e SiglipForImageClassification
SwinForImageClassification BitForImageClassification HieraForImageClassification
""".split()


def sizes(entry: Entry, seed: int, methods: Sequence[str]) -> list[float]:
    """Of one architecture, by method."""
    torch.manual_seed(seed)
    subject = entry.build()
    preprocess = Preprocess(subject.shape)
    x = torch.stack([preprocess(picture) for picture in pictures()])
    enliven(subject.net, x)
    model, found = sl.VisionModel(subject.net, preprocess, name=entry.name), []
    for method in methods:
        result = sl.attribute(model, x[:2], target_of(subject.net, x[:2]), method=method, warn_above=float("inf"))
        assert result.heat is not None
        found.append(float(result.heat.abs().sum() / result.value.abs().sum()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=NAMES, help="names of the zoo's models")
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    table = Table("Size of the relevance", " | ".join(["model", *options.methods]))
    for entry in (entry for entry in entries() if entry.name in options.only):
        by_seed = [sizes(entry, seed, options.methods) for seed in range(options.seeds)]
        cells = [f"{statistics.median(some):.2g} ({max(some):.2g})" for some in zip(*by_seed, strict=True)]
        table.row(entry.name, *(cells if options.seeds > 1 else [cell.split()[0] for cell in cells]))
        print(table.rows[-1], flush=True)
    text = f"torch {torch.__version__}, one thread, seeds 0 to {options.seeds - 1}\n\n{table}"
    if options.out:
        options.out.write_text(text, encoding="utf8")
    print(text)


if __name__ == "__main__":
    main()
