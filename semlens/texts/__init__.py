"""Texts by id: sentences that the studied model and the foundation model each read for themselves. No torch."""

from semlens.texts.text import Text
from semlens.texts.text_set import TEXTS, TextSet, load_texts

__all__ = ["TEXTS", "Text", "TextSet", "load_texts"]
