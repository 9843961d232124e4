"""Texts by id: sentences that the studied model and the foundation model each read for themselves. No torch."""

from semlens.texts.text import Text
from semlens.texts.text_set import TextSet, load_texts

__all__ = ["Text", "TextSet", "load_texts"]
