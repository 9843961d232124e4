"""A network's components in the order in which they can go, the least needed first, and the network without some."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from semlens.attribution import Composite, choose, parameters_of
from semlens.collection import Feed
from semlens.correct.correction import Correction
from semlens.correct.criteria import BATCH, Method, magnitudes, per_image
from semlens.correct.head import labels_of
from semlens.correct.seen import see
from semlens.correct.structures import Structure, structures
from semlens.errors import SemlensError, unknown
from semlens.images import ImageSet, LabelWarning, load_images, match_labels
from semlens.model import Change, Changes, VisionModel, as_model
from semlens.progress import visible
from semlens.types import Bool, Component, Float64, Int64, Progress

SCALES = ("layer", "none")
OF = ("auto", "label", "predicted")


@dataclass(frozen=True, eq=False)
class Pruning:
    """Which components of a network go first.

    Args:
        scores: what each counts for; of components that count alike, the one that runs first goes first.
        recipe: how it was made, in what JSON can hold.
    """

    model: VisionModel
    structures: tuple[Structure, ...]
    scores: Float64[np.ndarray, "c"]
    recipe: Mapping[str, Any]

    def __repr__(self) -> str:
        counts = Counter[str]()
        for one in self.structures:
            counts[one.kind] += one.components
        said = ", ".join(f"{count:,} {kind}s" for kind, count in counts.items())
        return f"Pruning({self.model.name}: {said}, by {self.recipe['method']})"

    def gone(self, share: float) -> Bool[np.ndarray, "c"]:
        """Which components are pruned; those of a smaller share are among those of a larger.

        Args:
            share: of all components, from 0 to 1.

        Raises:
            SemlensError: it is none.
        """
        if not 0 <= share <= 1:
            raise SemlensError(f"a share of the components lies between 0 and 1, and {share} does not")
        gone = np.zeros(len(self.scores), bool)
        gone[np.argsort(self.scores, kind="stable")[: round(share * len(self.scores))]] = True
        return gone

    def by_structure(self, share: float) -> dict[str, tuple[int, ...]]:
        """The units of each layer that are pruned, where there are any."""
        parts = np.split(self.gone(share), np.cumsum([one.components for one in self.structures])[:-1])
        units = {
            one.layer: tuple(np.flatnonzero(part).tolist()) for one, part in zip(self.structures, parts, strict=True)
        }
        return {layer: chosen for layer, chosen in units.items() if chosen}

    def components(self, share: float) -> tuple[Component, ...]:
        """The components that are pruned."""
        return tuple(Component(layer, unit) for layer, units in self.by_structure(share).items() for unit in units)

    def at(self, share: float) -> Correction:
        """The network without a share of its components: each is zero, and what the norm behind adds to it with it.

        The same as zeros in the weights of a filter, in its bias and in the norm's, which `save` writes where it can.

        Raises:
            SemlensError: as `gone`.
        """
        units = self.by_structure(share)
        changes = tuple(
            Change(site, units[one.layer], torch.zeros(len(units[one.layer])))
            for one in self.structures if one.layer in units for site in one.sites
        )  # fmt: skip
        return Correction(self.model, Changes(changes), {"how": "prune", "share": share, **self.recipe})


def prune(
    model: VisionModel | str,
    images: ImageSet | Any = None,
    *,
    method: Method = "auto",
    scale: str = "layer",
    signed: bool = False,
    of: str = "auto",
    seed: int = 0,
    progress: Progress = visible,
) -> Pruning:
    """The order in which the filters, linear units and attention heads of a classifier can go, least relevant first.

    A component counts for its relevance summed over its positions, in magnitude, on average over images; relevance is
    that of the margin by which an image's class is above all others.

    Args:
        images: reference images; 10 to 50 suffice.
        method: a composite of rules, by name or of your own, as `tune_rules` finds it; "auto" is "epsilon". Or what it
            is compared with: "gradient" (x activation), "integrated_gradients", "magnitude" (of weights), "random".
        scale: "layer" takes shares of the sum over the component's layer, so that what biases absorb on the way down
            does not make lower layers count less; "none" takes relevance as it is.
        signed: whether what speaks against the class goes before what says nothing.
        of: the class of an image: its "label", or the one "predicted"; "auto": by label where a label names a class.
        seed: of a random order.

    Source: Hatefi et al. 2024 (arXiv 2408.12568). But: of the margin, and shares of each layer.

    Raises:
        SemlensError: a method, scale or `of` that does not exist, no images, or a network that is no classifier or has
            nothing to prune.
    """
    for option, given, known in (("of", of, OF), ("scale", scale, SCALES)):
        if given not in known:
            raise unknown(option, given, known)
    model = as_model(model)
    kept = structures(model, model.example_input())
    recipe: dict[str, Any] = {"method": method if isinstance(method, str) else method.name, "scale": scale}
    if method == "random":
        drawn = np.random.default_rng(seed).random(sum(one.components for one in kept))
        return Pruning(model, kept, drawn, recipe | {"seed": seed})
    if method == "magnitude":
        return Pruning(model, kept, _scaled(magnitudes(model, kept)[None], kept, scale)[0], recipe)
    if images is None:
        raise SemlensError("the order is read off reference images: give some (images=), 10 to 50 suffice")
    rules = choose("epsilon" if method == "auto" else method, model)
    references = load_images(images)
    classes = classes_of(model, references, of, progress)
    found = _scaled(per_image(model, Feed(model, references, BATCH), classes, kept, rules, progress), kept, scale)
    recipe |= {
        "method": rules if isinstance(rules, str) else rules.name, "signed": signed, "of": of,
        "rules": parameters_of(rules) if isinstance(rules, Composite) else {},
        "references": references.source, "references_digest": references.fingerprint, "images": len(found),
    }  # fmt: skip
    return Pruning(model, kept, found.mean(axis=0) if signed else np.abs(found).mean(axis=0), recipe)


def _scaled(values: Float64[np.ndarray, "n c"], kept: Sequence[Structure], scale: str) -> Float64[np.ndarray, "n c"]:
    """Each row's values over the sum of their magnitudes in the same structure, 0 where that is 0; or as they are."""
    if scale == "none":
        return values
    parts = np.split(values, np.cumsum([one.components for one in kept])[:-1], axis=1)
    sums = [np.abs(part).sum(axis=1, keepdims=True) for part in parts]
    return np.concatenate([np.divide(part, total, out=np.zeros_like(part), where=total > 0)
                           for part, total in zip(parts, sums, strict=True)], axis=1)  # fmt: skip


def classes_of(model: VisionModel, images: ImageSet, of: str, progress: Progress) -> Int64[np.ndarray, "i"]:
    """The class of each image by number; -1 where it has none, or cannot be read.

    Raises:
        SemlensError: by label, and no label names a class.
    """
    seen = see(model, images, progress=progress)
    classes = np.full(len(images), -1, np.int64)
    classes[seen.ids] = seen.logits.argmax(axis=1)
    if of == "predicted":
        return classes
    matches = match_labels(images.labels, model.class_names, seen.logits.shape[1])
    labels = labels_of(matches.numbers, np.arange(len(images)))
    if (labels >= 0).any():
        return np.where(classes >= 0, labels, -1)
    if of == "label":
        raise SemlensError(f"{images.source}: {matches}; give images whose labels name classes, or of='predicted'")
    if matches.labelled:
        said = f"{images.source}: {matches}; what is right is what the whole network predicts"
        warnings.warn(said, LabelWarning, stacklevel=2)
    return classes
