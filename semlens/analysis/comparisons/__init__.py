"""Do models know the same, and what changed from one to the other? Their components held against each other."""

from semlens.analysis.comparisons.changed import LabelChange
from semlens.analysis.comparisons.comparison import Comparison, Direction, MatchRow, PairRow, compare
from semlens.analysis.comparisons.spaces import Side

__all__ = ["Comparison", "Direction", "LabelChange", "MatchRow", "PairRow", "Side", "compare"]
