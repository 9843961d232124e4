"""Arrays in, arrays out: vectors, metrics, clusters, histograms, threads. numpy only."""

from semlens.numerics.encoding import ridged
from semlens.numerics.histogram import BINS, MAX_EXPONENT, MIDDLE, MIN_EXPONENT, Histogram, count
from semlens.numerics.parallel import each
from semlens.numerics.vectors import cosine, dot_rows, lengths, mean_rows, paired_cosine, unit, weighted_mean_dots

__all__ = [
    "BINS",
    "MAX_EXPONENT",
    "MIDDLE",
    "MIN_EXPONENT",
    "Histogram",
    "cosine",
    "count",
    "dot_rows",
    "each",
    "lengths",
    "mean_rows",
    "paired_cosine",
    "ridged",
    "unit",
    "weighted_mean_dots",
]
