"""How many features of a sentence encoder get a label, over sentences of which the topic is known.

    OMP_NUM_THREADS=1 python benchmarks/texts.py [--sentences 20000] [--seed 7] [--layer model.encoder.layer.2]

The studied model is MiniLM itself (`offline:minilm`, real weights), its features read at words and averaged over a
sentence; the foundation model is MiniLM as well, as a sentence encoder. Each feature counts twice, as its positive and
its negative part. The vocabulary is WordNet's nouns (37,010 phrases), which the sentences were not made of, or with
`--vocabulary words` the words that they were made of. It prints how many of the features have a label at a
false-discovery rate of 5 % by encoding, in the layer and in the same layer of the untrained network (its weights drawn
anew), and for how many labelled features the topic of the strongest sentences is one topic: its mean share among the
30 strongest, beside that among random sentences.
"""

import argparse
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

import semlens as sl
from semlens.testbed import sentences as made
from semlens.types import MISSING


def index_of(model: sl.VisionModel, texts: object, layer: str, out: Path) -> sl.ConceptIndex:
    return sl.build(model, texts, layer, "offline:minilm", out, k=30, pool="mean", encode="all", batch_size=64)


def purity(index: sl.ConceptIndex, rows: np.ndarray) -> float:
    """Mean share of the most frequent topic among the strongest sentences of some components."""
    topics = np.array(index.images.labels)
    shares = []
    for row in rows:
        shown = topics[index.ids[row][index.ids[row] != MISSING]]
        shares.append(Counter(shown.tolist()).most_common(1)[0][1] / len(shown))
    return float(np.mean(shares)) if len(shares) else float("nan")


def by_chance(index: sl.ConceptIndex, draws: int = 1000) -> float:
    topics, draw = np.array(index.images.labels), np.random.default_rng(0)
    each = [Counter(topics[draw.choice(len(topics), 30, replace=False)].tolist()) for _ in range(draws)]
    return float(np.mean([counts.most_common(1)[0][1] / 30 for counts in each]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--layer", default="model.encoder.layer.2")
    parser.add_argument("--vocabulary", default="wordnet", choices=("wordnet", "words"))
    parser.add_argument("--tokens", type=int, default=32)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    texts = sl.load_texts(made.sentences(asked.sentences, asked.seed), split="whole")
    model = sl.load_model(f"offline:minilm?tokens={asked.tokens}")
    print(f"{len(texts):,} sentences, seed {asked.seed}, of {len(made.TOPICS)} topics; layer {asked.layer}")
    words = list(made.words()) if asked.vocabulary == "words" else asked.vocabulary
    print("| network | features | with a label | share | topic among the 30 strongest | by chance | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, net in (("MiniLM", model), ("untrained", sl.untrained(model))):
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            index = index_of(net, texts, asked.layer, Path(folder, "index"))
            labels = sl.label(index, words, by="encoding", fdr=0.05)
            given = np.flatnonzero(labels.accepted)
            share = len(given) / len(labels.accepted)
            print(
                f"| {name} | {len(labels.accepted):,} | {len(given):,} | {share:.1%} | {purity(index, given):.2f} | "
                f"{by_chance(index):.2f} | {time.perf_counter() - begun:.0f} |", flush=True,
            )  # fmt: skip
            if name == "MiniLM":
                shown = given[np.argsort(-labels.fits[given, 0], kind="stable")[:8]]
                examples = [f"{index.component(row)} {labels.of(row)}" for row in shown.tolist()]
    print("best fits: " + "; ".join(examples))


if __name__ == "__main__":
    main()
