"""Arrays in, arrays out: vectors, metrics, clusters, histograms, threads. numpy only."""

from semlens.numerics.histogram import BINS, MAX_EXPONENT, MIDDLE, MIN_EXPONENT, Histogram, count
from semlens.numerics.metrics import (
    Estimate,
    auroc,
    average_precision,
    bootstrap,
    bootstrap_over,
    chance_precision,
    coverage,
    mass_accuracy,
    pointing,
    precision_of_box,
    rank_accuracy,
    spearman,
)
from semlens.numerics.parallel import each
from semlens.numerics.two_means import two_means
from semlens.numerics.vectors import cosine, dot_rows, lengths, mean_rows, paired_cosine, unit, weighted_mean_dots

__all__ = [
    "BINS",
    "MAX_EXPONENT",
    "MIDDLE",
    "MIN_EXPONENT",
    "Estimate",
    "Histogram",
    "auroc",
    "average_precision",
    "bootstrap",
    "bootstrap_over",
    "chance_precision",
    "cosine",
    "count",
    "coverage",
    "dot_rows",
    "each",
    "lengths",
    "mass_accuracy",
    "mean_rows",
    "paired_cosine",
    "pointing",
    "precision_of_box",
    "rank_accuracy",
    "spearman",
    "two_means",
    "unit",
    "weighted_mean_dots",
]
