"""Do models know the same, and what changed from one to the other? Their components held against each other."""

from semlens.analysis.compare.changed import LabelChange
from semlens.analysis.compare.compare import Comparison, Direction, MatchRow, PairRow, compare
from semlens.analysis.compare.spaces import Side

__all__ = ["Comparison", "Direction", "LabelChange", "MatchRow", "PairRow", "Side", "compare"]
