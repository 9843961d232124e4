"""Activation maximisation: pictures made to excite a component, where examples only choose among those there are."""

from semlens.synthesis.maximise import Maximised, maximise
from semlens.synthesis.retrieve import own_rank_together, own_ranks

__all__ = ["Maximised", "maximise", "own_rank_together", "own_ranks"]
