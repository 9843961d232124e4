"""The untrained twin of a model: its weights drawn anew, as each of its modules starts."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from semlens.errors import SemlensError
from semlens.model.vision_model import VisionModel

RESETS = ("reset_parameters", "_reset_parameters", "init_weights")
"""What modules call the function that draws their weights: PyTorch's, its attention's, timm's."""


def untrained(model: VisionModel, seed: int = 0) -> VisionModel:
    """The model with weights as before any training; the one given stays as it is, and so do random numbers elsewhere.

    Raises:
        SemlensError: a module has parameters of its own, and no function that draws them.
    """
    net = deepcopy(model.net)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(seed)
        for path, module in reversed(list(net.named_modules())):  # a module draws after its children, as it was made
            _reset(net, path, module)
    _check_changed(model.net, net)
    return VisionModel(net, model.preprocess, model.class_names, f"{model.name} untrained (seed {seed})")


def _check_changed(trained: nn.Module, net: nn.Module) -> None:
    """Returns if no weights are as they were, but those that start as one number.

    Raises:
        SemlensError: there are some.
    """
    before = dict(trained.named_parameters())
    for name, now in net.named_parameters():
        if now.numel() > 1 and torch.equal(now, before[name]) and not torch.equal(now, now.flatten()[0].expand_as(now)):
            raise SemlensError(
                f"{name} is not drawn anew by its module, so there is no untrained twin: let its reset_parameters do so"
            )


def _reset(net: nn.Module, path: str, module: nn.Module) -> None:
    """Draws the weights of a module.

    Raises:
        SemlensError: it cannot be done.
    """
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    reset = _reset_of(net, module)
    if reset is None:
        names = [name for name, _ in module.named_parameters(recurse=False)]
        if names:
            raise SemlensError(
                f"{path or 'the model'} ({type(module).__name__}) does not say how its {names[0]} starts, so there is "
                "no untrained twin: give the module a function reset_parameters, or make the model without weights"
            )
        return
    if own:
        try:
            reset()
        except Exception as fault:  # the user's code: anything may come
            raise SemlensError(
                f"the weights of {path or 'the model'} ({type(module).__name__}) cannot be drawn anew: {fault}"
            ) from fault


def _reset_of(net: nn.Module, module: nn.Module) -> Callable[[], Any] | None:
    """What draws a module's own weights, if anything."""
    for name in RESETS:
        if callable(found := getattr(module, name, None)):
            return lambda: found()
    starter = getattr(net, "_init_weights", None)  # of transformers: for every module of the model
    return (lambda: starter(module)) if callable(starter) and hasattr(net, "config") else None
