"""How far training has come, and the file that a killed run leaves of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from semlens.model import taken_up, write_tensors

_SAID = "training"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Score:
    """How good weights are on the images held out: first by the worst group, then by the loss that is trained on."""

    epoch: int
    worst_group: float  # accuracy in [0, 1]; 0 where groups are not known
    loss: float

    def beats(self, other: "Score") -> bool:
        """Whether it is the better one."""
        return (self.worst_group, -self.loss) > (other.worst_group, -other.loss)


@dataclass(eq=False)
class State:
    """How far training has come. Mutable, because it goes on."""

    weights: dict[str, Tensor]
    best: dict[str, Tensor]  # those of the best score
    optimizer: torch.optim.Adam
    scores: list[Score] = field(default_factory=list)  # before training, and after each epoch
    batch: int = 0  # of the epoch that runs: how many are done

    @classmethod
    def begun(cls, parameters: Mapping[str, Tensor], trained: Sequence[str], rate: float) -> "State":
        """The start: some parameters as they are."""
        weights = {name: parameters[name].detach().clone().requires_grad_() for name in trained}
        best = {name: value.detach().clone() for name, value in weights.items()}
        return cls(weights, best, torch.optim.Adam(weights.values(), lr=rate, foreach=False))

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.scores) - 1

    @property
    def top(self) -> Score:
        """The best score so far, the first of equal ones."""
        best = self.scores[0]
        for score in self.scores[1:]:
            best = score if score.beats(best) else best
        return best

    def note(self, worst_group: float, loss: float) -> None:
        """Ends an epoch: takes its score, and keeps the weights if it is the best."""
        self.scores.append(Score(len(self.scores), worst_group, loss))
        if self.top is self.scores[-1]:
            self.best = {name: value.detach().clone() for name, value in self.weights.items()}
        self.batch = 0

    def write(self, file: Path, digest: str) -> None:
        """Writes all of it to a file, which either replaces the old one whole or leaves it.

        Args:
            digest: of the recipe that it is trained by.

        Raises:
            SemlensError: the file cannot be written.
        """
        tensors = {f"weights.{name}": value for name, value in self.weights.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"{key}.{number}": moments[key] for key in _MOMENTS}
        said = {"recipe": digest, "scores": [asdict(score) for score in self.scores], "batch": self.batch}
        write_tensors(file, tensors, {_SAID: json.dumps(said)})

    def take_up(self, file: Path, digest: str) -> None:
        """Goes on from what a killed run has written.

        Raises:
            SemlensError: that had another recipe, or the file is damaged.
        """
        with taken_up(file, _SAID, "recipe", digest) as (said, tensors):
            self._fill(tensors)
            self.scores, self.batch = [Score(**score) for score in said["scores"]], int(said["batch"])

    def _fill(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.weights.items():
                value.copy_(tensors[f"weights.{name}"])
                self.best[name].copy_(tensors[f"best.{name}"])
        known = self.optimizer.state_dict()
        numbers = [number for number in range(len(self.weights)) if f"step.{number}" in tensors]
        state = {number: {key: tensors[f"{key}.{number}"] for key in _MOMENTS} for number in numbers}
        self.optimizer.load_state_dict({"state": state, "param_groups": known["param_groups"]})
