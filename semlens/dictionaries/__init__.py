"""Dictionaries: learned on a layer's vectors, or made from what an output does with them; and measured."""

from semlens.dictionaries.learn import Learned, learn_dictionary, learned
from semlens.dictionaries.measure import Reconstruction, reconstruction
from semlens.dictionaries.pca import neural_pca
from semlens.dictionaries.tcav import Sensitivity, tcav

__all__ = [
    "Learned", "Reconstruction", "Sensitivity", "learn_dictionary", "learned", "neural_pca", "reconstruction",
    "tcav",
]  # fmt: skip
