"""Captum: our attributions behind its interface, which its helpers (NoiseTunnel) take. Nothing of it is imported."""

from typing import Any

import torch
from torch import Tensor, nn

from semlens.attribution import Composite, attribute
from semlens.errors import SemlensError
from semlens.interop.networks import as_input, as_studied, as_targets
from semlens.types import Float


class Attribution:
    """What `captum.attr` calls an attribution method: `Attribution(net, "epsilon").attribute(x, target=3)`.

    Args:
        forward_func: the network.
        method: as for `attribute`: a composite of rules, "gradient" (captum's InputXGradient) or
            "integrated_gradients".
    """

    def __init__(self, forward_func: nn.Module, method: str | Composite = "auto") -> None:
        self.forward_func = forward_func
        self.method = method

    def attribute(
        self,
        inputs: Tensor | tuple[Tensor, ...],
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        return_convergence_delta: bool = False,
        **options: Any,
    ) -> Any:
        """Relevance of every number of the input, of its shape; a tuple of one for a tuple of one.

        Args:
            baselines: for the two gradient methods: a number or a tensor like the inputs; zero if None.
            target: an output's number, one for each input, or what else `attribute` takes.
            return_convergence_delta: whether to give, beside it, what is missing from the output for each input.
            options: others of `semlens.attribute`, as `steps`.

        Raises:
            SemlensError: several inputs, further arguments of the network, or what `semlens.attribute` refuses.
        """
        several = isinstance(inputs, tuple)
        x = inputs[0] if isinstance(inputs, tuple) else inputs
        if (several and len(inputs) != 1) or additional_forward_args is not None:
            raise SemlensError("attributions are of one input: wrap the network in one that holds the other arguments")
        x = as_input(self.forward_func, x)
        baseline = None if baselines is None else torch.as_tensor(_only(baselines)).to(x).expand_as(x)
        found = attribute(
            as_studied(self.forward_func), x, as_targets(target), method=self.method, baseline=baseline, **options
        )
        assert found.source is not None
        relevance: Any = (found.source,) if several else found.source
        return (relevance, _missing(found.source, found.value)) if return_convergence_delta else relevance

    @property
    def multiplies_by_inputs(self) -> bool:
        """Whether the relevance of an input of 0 is 0, as of all but a few rules for first layers."""
        return True

    def has_convergence_delta(self) -> bool:
        """Whether what is missing can be told."""
        return True

    def compute_convergence_delta(
        self, attributions: Any, start_point: Any = None, end_point: Any = None, target: Any = None, **_: Any
    ) -> Float[Tensor, "n"]:
        """The sum of the attributions less the output's difference between the end point and the start point (nothing,
        where none is given), for each input."""
        own = _only(attributions)
        end = self._output(_only(end_point), target)
        start = torch.zeros_like(end) if start_point is None else self._output(_only(start_point), target)
        return own.flatten(1).sum(1) - (end - start)

    def _output(self, x: Any, target: Any) -> Tensor:
        with torch.no_grad():
            logits = self.forward_func(x)
        numbers = torch.as_tensor(as_targets(target), device=logits.device).expand(len(logits))
        return logits.gather(1, numbers[:, None])[:, 0]


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


def _missing(source: Tensor, value: Tensor) -> Tensor:
    return source.flatten(1).sum(1) - value
