"""What moves an output, before and after a correction: relevance that passes what was taken out and what was left, and
the effect of every concept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from semlens.analysis import joint_of
from semlens.analysis.audit import Spec
from semlens.attribution import attribute
from semlens.collection import Feed
from semlens.correct.correction import Correction
from semlens.correct.measure import RESAMPLES, Measured, Outcome, relevant
from semlens.correct.phrases import semantic_directions, spurious_of
from semlens.correct.seen import embed_images
from semlens.correct.suppress import split
from semlens.images import ImageSet
from semlens.model import Change, Dictionary, Layer, VisionModel, layer_text, one_of_each
from semlens.types import Bool, Component, Float, Float64, FoundationModel, Progress, silent

IMAGES = 128
"""On which relevance is taken, at most: it needs a backward pass of each, before and after."""

NAMED = 64
"""Units of a dictionary of directions, at most, of which those that were left are shown too."""

EACH = 5
"""Images for each concept, at least, that side effects are asked of: of fewer, regressions say nothing."""

EFFECT, SIDE_EFFECT = "effect on the output", "side effect on the output"
PASSES, PASSES_ASIDE = "net relevance of what was taken out", "net relevance of what was left"


def net_relevance(
    correction: Correction, images: ImageSet, ids: Sequence[int], output: int, *, kept: Sequence[Component] = (),
    seed: int = 0, progress: Progress = silent,
) -> list[Measured]:  # fmt: skip
    """Net relevance for an output of every unit that a correction sets, signed, as a part of the |relevance| of its
    layer on the image, in [-1, 1]; of named directions also of those that it leaves.

    Args:
        kept: components that were to be left alone.

    Raises:
        SemlensError: a function in the model that no rule of relevance covers.
    """
    wanted = [(change.layer, unit, PASSES) for change in correction.changes.layers for unit in change.units]
    wanted += [(change.layer, unit, PASSES_ASIDE) for change in correction.changes.layers for unit in _left(change)]
    wanted += [(one.layer, one.unit, PASSES_ASIDE) for one in kept]
    layers = one_of_each([layer for layer, *_ in wanted])
    if not layers:
        return []
    some = list(ids)[:IMAGES]
    before = _shares(correction.model, images, some, output, layers, progress)
    with correction as model:
        after = _shares(model, images, some, output, layers, progress)
    rows = []
    for layer, unit, measure in wanted:
        old, new = (found[layer_text(layer)][:, unit] for found in (before, after))
        rows.append(relevant(measure, _name(layer, unit), old, new, seed=seed))
    return rows


def _shares(
    model: VisionModel, images: ImageSet, ids: Sequence[int], output: int, layers: Sequence[Layer], progress: Progress
) -> dict[str, Float64[np.ndarray, "n c"]]:
    found: dict[str, list[Any]] = {layer_text(layer): [] for layer in layers}
    for x, here in Feed(model, images, 16).readable(ids, "relevance", progress):
        told = attribute(model, x, output, layers=layers, heat=False, warn_above=float("inf"))
        for layer, parts in found.items():
            whole = told.layers[layer].double().sum(2)[: len(here)].cpu()
            parts.append(whole / whole.abs().sum(1, keepdim=True).clamp(min=1e-12))
    return {layer: torch.cat(parts).numpy() for layer, parts in found.items()}


def _left(change: Change) -> list[int]:
    layer = change.layer
    if not isinstance(layer, Dictionary) or not layer.names or layer.units > NAMED:
        return []
    return sorted(set(range(layer.units)) - set(change.units))


def _name(layer: Layer, unit: int) -> str:
    if isinstance(layer, Dictionary) and layer.names:
        return f"{layer.names[unit]} in {layer.layer}"
    return f"{layer_text(layer)}:{unit}"


def spec_effects(
    correction: Correction, spec: Spec, foundation: FoundationModel, images: ImageSet, found: Outcome, output: int,
    seed: int, shown: Mapping[str, Bool[np.ndarray, "n"]] = MappingProxyType({}),
) -> tuple[list[Measured], list[str]]:  # fmt: skip
    """The effect of each concept of a spec; of those that were not to be touched on images that show nothing of what
    was taken out. And which images these are, in a sentence.

    With what was taken out in the images, its own effect is in part credited to what goes along with it: without any
    correction, pictures without the artefacts give other effects of every second concept.

    Args:
        shown: which images are marked as showing what; without marks a concept is shown where its phrases are more
            similar than the split of all in two.
    """
    phrases = semantic_directions(spec, foundation)
    names, directions = list(phrases), np.stack(list(phrases.values()))
    embeddings = embed_images(foundation, images, found.ids)
    touched = set(spurious_of(spec))
    layers = [change for change in correction.changes.layers if isinstance(change.layer, Dictionary)]
    named = {change.layer.names[n] for change in layers for n in change.units if change.layer.names}  # type: ignore[union-attr]
    touched &= named or touched
    free = free_of([name for name in names if name in touched], names, embeddings @ directions.T, shown)
    enough = int(free.sum()) >= EACH * len(names)
    part = free if enough else np.ones(len(free), bool)
    rows = [row for row in effects(found, embeddings, directions, names, output, seed=seed) if row.group in touched]
    aside = effects(found.part(part), embeddings[part], directions, names, output, seed=seed)
    rows += [replace(row, measure=SIDE_EFFECT) for row in aside if row.group not in touched]
    said = f"side effects are asked of the {part.sum():,} images that show nothing of what was taken out"
    few = (
        f"only {free.sum():,} images show nothing of what was taken out, so side effects are asked of all: its own "
        "effect is in part credited to other concepts; give more images"
    )
    return rows, [said if enough else few] if len(touched) < len(names) else []


def free_of(
    touched: Sequence[str], names: Sequence[str], similarity: Float[np.ndarray, "n q"],
    shown: Mapping[str, Bool[np.ndarray, "n"]],
) -> Bool[np.ndarray, "n"]:  # fmt: skip
    """The images that show none of some concepts: by their marks, or below the split of their similarities."""
    free = np.ones(len(similarity), bool)
    for name in touched:
        own = similarity[:, names.index(name)].astype(np.float64)
        free &= ~shown[name] if name in shown else own <= split(own)
    return free


def effects(
    found: Outcome,
    embeddings: Float[np.ndarray, "n d"],
    directions: Float[np.ndarray, "q d"],
    names: Sequence[str],
    output: int,
    *,
    seed: int = 0,
    draws: int = RESAMPLES,
) -> list[Measured]:
    """What each concept does to an output, all concepts together: coefficients of the output on the images'
    similarities, in standard deviations that the output has before, per standard deviation of the similarity."""
    similarity = np.asarray(embeddings, np.float64) @ np.asarray(directions, np.float64).T
    spread = similarity.std(axis=0)
    similarity = (similarity - similarity.mean(axis=0)) / np.where(spread > 0, spread, 1)
    old, new = found.of(output)
    scale = old.std() or 1.0
    values = np.stack([(one - one.mean()) / scale for one in (old, new)]).astype(np.float32)
    own = joint_of(similarity, values, np.ones(len(similarity)))
    rng = np.random.default_rng(seed)
    drawn = np.stack([
        joint_of(similarity, values, np.bincount(rng.integers(len(similarity), size=len(similarity)),
                                                 minlength=len(similarity)).astype(np.float64))
        for _ in range(draws)
    ])  # fmt: skip
    rows = []
    for q, name in enumerate(names):
        low, high = np.quantile(drawn[:, 1, q], (0.025, 0.975)).tolist()
        least, most = np.quantile(drawn[:, 1, q] - drawn[:, 0, q], (0.025, 0.975)).tolist()
        rows.append(Measured(EFFECT, name, float(own[0, q]), float(own[1, q]), low, high, least, most,
                             len(similarity)))  # fmt: skip
    return rows
