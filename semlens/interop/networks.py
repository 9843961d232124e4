"""Networks that another toolbox hands over, with what it calls targets and inputs."""

from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from semlens.errors import SemlensError
from semlens.model import VisionModel
from semlens.types import Float


def as_studied(network: nn.Module) -> VisionModel:
    """A network that is only ever asked with inputs that are preprocessed already."""
    return VisionModel(network, _refuse, name=type(network).__name__)


def _refuse(image: Image) -> Tensor:
    raise SemlensError("this network came without its preprocessing: give inputs as it takes them, or a VisionModel")


def as_input(network: nn.Module, inputs: Any, device: Any = None) -> Float[Tensor, "n ..."]:
    """A batch of inputs, an array or a tensor, where the network is and in its precision."""
    first = next(iter(network.parameters()), None)
    x = torch.as_tensor(np.asarray(inputs) if not isinstance(inputs, Tensor) else inputs)
    x = x.to(device if device is not None else "cpu" if first is None else first.device)
    return x.to(first.dtype) if first is not None and x.is_floating_point() else x


def as_targets(targets: Any) -> Any:
    """Targets as `attribute` takes them: a number for all, or a list of numbers; anything else as it is."""
    if isinstance(targets, np.ndarray | Tensor):
        numbers = np.asarray(targets.cpu() if isinstance(targets, Tensor) else targets).reshape(-1)
        return int(numbers[0]) if targets.ndim == 0 else [int(number) for number in numbers]
    if isinstance(targets, list | tuple):
        return [int(number) for number in targets]
    return targets
