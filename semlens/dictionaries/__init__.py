"""Dictionaries: learned on a layer's vectors, and measured on them."""

from semlens.dictionaries.learn import Learned, learn_dictionary, learned
from semlens.dictionaries.measure import Reconstruction, reconstruction

__all__ = ["Learned", "Reconstruction", "learn_dictionary", "learned", "reconstruction"]
