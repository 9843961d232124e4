"""Quanda: which training images a decision goes back to, by components. It is imported only for its base class."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from semlens.attribution import Composite, attribute
from semlens.errors import SemlensError, unknown
from semlens.interop.networks import as_input, as_studied, as_targets
from semlens.model import parse_all, record
from semlens.types import Float

BY = ("relevance", "activation")


def similarity(
    network: nn.Module,
    train: Any,
    test: Any,
    layer: str,
    *,
    train_targets: Sequence[int] | Tensor | None = None,
    targets: Sequence[int] | Tensor | None = None,
    by: str = "relevance",
    method: str | Composite = "auto",
    batch_size: int = 32,
) -> Float[Tensor, "m n"]:
    """How alike each test image and each training image are to the network: cosine, in [-1, 1], of the components of a
    layer, summed over positions.

    Args:
        train, test: preprocessed images, "n ..." and "m ...".
        by: "relevance" of the components for each image's own target, so that only what speaks for it counts; or
            "activation".
        targets: an output's number for each; the highest if None.

    Raises:
        SemlensError: an unknown layer or way, or what `attribute` refuses.
    """
    if by not in BY:
        raise unknown("way to compare", by, BY)
    both = [(test, targets), (train, train_targets)]
    a, b = (_vectors(network, some, of, layer, by, method, batch_size) for some, of in both)
    return normalize(a, dim=1) @ normalize(b, dim=1).T


def _vectors(
    network: nn.Module, images: Any, targets: Any, layer: str, by: str, method: str | Composite, batch_size: int
) -> Float[Tensor, "n c"]:
    x, numbers = as_input(network, images), as_targets(targets)
    found = []
    for start in range(0, len(x), batch_size):
        part = x[start : start + batch_size]
        own = numbers[start : start + batch_size] if isinstance(numbers, list) else numbers
        if by == "relevance":
            layers = attribute(as_studied(network), part, own, method=method, layers=[layer], heat=False).layers
            found.append(layers[layer].sum(2).detach())
        else:
            found.append(_activations(network, part, layer))
    return torch.cat(found)


def _activations(network: nn.Module, x: Tensor, layer: str) -> Float[Tensor, "n c"]:
    ((kind, _),) = parse_all(network, [layer], x[:1])
    with torch.no_grad(), record(network, [kind.site], lambda _, output: kind.read(output).sum(2)) as seen:
        network(x)
        acts: Tensor = seen[kind.site]
        return acts


def explainer() -> type:
    """A class for Quanda's metrics and benchmarks: `explainer()(model, train_dataset, layer="layer4")`. Its `explain`
    gives the similarity of test and training images.

    Raises:
        SemlensError: Quanda is not installed.
    """
    try:
        base = import_module("quanda.explainers").Explainer
    except ImportError as missing:
        raise SemlensError("quanda is not installed: pip install quanda") from missing

    class ComponentSimilarity(base):  # type: ignore[misc, valid-type]
        """Training images by the cosine of their components with a test image's."""

        accepted_tasks = ("image_classification",)

        def __init__(self, model: nn.Module, train_dataset: Any, *, layer: str, by: str = "relevance", **rest: Any):
            method, batch_size = rest.pop("method", "auto"), rest.pop("batch_size", 32)
            super().__init__(model, train_dataset, **rest)
            self.how = {"layer": layer, "by": by, "method": method, "batch_size": batch_size}
            pairs = [train_dataset[i] for i in range(len(train_dataset))]
            self.train = torch.stack([torch.as_tensor(pair[0]) for pair in pairs])
            self.labels = [int(pair[1]) for pair in pairs]

        def explain(self, test_data: Tensor, targets: Any) -> Tensor:
            """The similarity of each test image and each training image."""
            return similarity(self.model, self.train, test_data, train_targets=self.labels, targets=targets, **self.how)

    return ComponentSimilarity
