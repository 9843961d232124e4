"""Where an artefact lies in the images that show it most: masks from heat maps of the relevance that passes its
direction, what of a model's relevance lies in them, and the artefact cut out and laid into other images."""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from semlens.analysis.audit import Spec
from semlens.attribution import attribute, conditional_maps
from semlens.collection import Feed
from semlens.correct.correction import Correction
from semlens.correct.head import labels_by_name
from semlens.correct.measure import Measured, Outcome, planted, relevant
from semlens.correct.phrases import image_directions
from semlens.correct.seen import glance, outputs_of
from semlens.correct.suppress import split
from semlens.errors import SemlensError
from semlens.images import ImageSet
from semlens.model import Dictionary, VisionModel, logits_of, output_number, still
from semlens.types import Bool, Float, Float32, Float64, FoundationModel, Int64, Progress, silent

SHOWN = 12
"""Images that show an artefact most, on which it is looked for."""

SMOOTH = 0.03
"""Standard deviation of the Gaussian that heat maps are smoothed by, in parts of the input's longer side."""


LAID_IN, INSIDE = "accuracy with the artefact laid in", "relevance inside the artefact"


@dataclass(frozen=True, eq=False)
class Localised:
    """An artefact in the images that show it most, the clearest first."""

    concept: str
    output: int  # that it is looked at for
    ids: Int64[np.ndarray, "n"]
    inputs: Float[Tensor, "n ..."]  # as the model takes them
    heat: Float32[np.ndarray, "n h w"]  # relevance for the output that passes the artefact's direction, in logits
    masks: Bool[np.ndarray, "n h w"]  # pixels of the input that belong to it
    sign: float = 1.0  # of the relevance that they are made of


def localise(
    model: VisionModel, images: ImageSet, directions: Dictionary, concept: str, output: int, *, count: int = SHOWN,
    progress: Progress = silent,
) -> Localised:  # fmt: skip
    """Where a concept lies, by its direction: heat maps of the relevance that passes it, smoothed, and split in two.

    Source: Pahde et al. 2023 (arXiv 2303.12641), Reveal to Revise: masks of artefacts by Otsu's threshold on smoothed
    concept heat maps. But: of a direction, not of a neuron, and of the sign that its relevance has on the whole, as
    an artefact may speak against the output.

    Args:
        images: in which it is looked for: the `count` of which most of it is read.
        output: by number.

    Raises:
        SemlensError: no such direction, or a function in the model that no rule of relevance covers.
    """
    ids, _ = most_of(model, images, directions, concept, progress)
    return localised(model, images, directions, concept, output, ids[:count])


def most_of(
    model: VisionModel, images: ImageSet, directions: Dictionary, concept: str, progress: Progress
) -> tuple[Int64[np.ndarray, "i"], Float64[np.ndarray, "i"]]:
    """The images, those first of which most of a concept is read, and what is read of each.

    Raises:
        SemlensError: no such direction.
    """
    if concept not in directions.names:
        raise SemlensError(f"{concept!r} is no direction of the dictionary: it has {', '.join(directions.names)}")
    unit = directions.names.index(concept)
    encoder, centre = (one.double().cpu().numpy() for one in (directions.encoder[:, unit], directions.centre))
    parts = [(seen.ids, (seen.vectors - centre) @ encoder)
             for seen in glance(model, images, layer=directions.layer, progress=progress)]  # fmt: skip
    ids, read = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(-read, kind="stable")
    return ids[order], read[order]


def localised(
    model: VisionModel, images: ImageSet, directions: Dictionary, concept: str, output: int,
    ids: Int64[np.ndarray, "n"], sign: float = 0.0,
) -> Localised:  # fmt: skip
    """Where a concept lies in some images.

    Args:
        sign: of the relevance that counts; that which it has on the whole in these images if 0.
    """
    unit = directions.names.index(concept)
    parts = [(x[: len(here)], here) for x, here in Feed(model, images, len(ids)).readable(ids.tolist(), "localise")]
    x = torch.cat([part for part, _ in parts])
    maps = [next(conditional_maps(model, part, output, directions, [unit]))[0] for part in x.split(4)]
    heat = torch.cat(maps).float().cpu().numpy()
    sign = sign or (1.0 if heat.sum() >= 0 else -1.0)
    masks = np.stack([mask_of(np.maximum(sign * one, 0)) for one in heat])
    return Localised(
        concept, output, np.array([id for _, here in parts for id in here], np.int64), x, heat, masks, sign
    )


def localise_in(
    model: VisionModel, spec: Spec, concept: str, images: ImageSet, *, layer: str, foundation: FoundationModel,
    progress: Progress = silent,
) -> Localised:  # fmt: skip
    """Where a concept of a spec lies, by its direction among those of all concepts, for the spec's output."""
    directions = image_directions(model, spec, images, layer, foundation, progress)
    output = output_number(spec.output, model.class_names, outputs_of(model))
    return localise(model, images, directions, concept, output, progress=progress)


def mask_of(heat: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """The pixels whose smoothed relevance lies above the split of all pixels in two."""
    strength = smoothed(heat.astype(np.float64), SMOOTH * max(heat.shape))
    return np.asarray(strength > split(strength.ravel()))


def smoothed(values: Float64[np.ndarray, "h w"], deviation: float) -> Float64[np.ndarray, "h w"]:
    """Values under a Gaussian, the edges mirrored."""
    reach = max(1, round(3 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-9)) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(values, [(reach, reach) if one == axis else (0, 0) for one in (0, 1)], mode="symmetric")
        values = np.apply_along_axis(np.convolve, axis, padded, kernel, mode="valid")
    return values


def inside_and_laid_in(
    correction: Correction, found: Localised, images: ImageSet, *, seed: int = 0, progress: Progress = silent
) -> list[Measured]:
    """Accuracy on labelled images with the artefact laid in, and how much of the relevance lies inside its masks."""
    model = correction.model
    labels = labels_by_name(images, model, np.arange(len(images)), outputs_of(model))
    laid = laid_in(correction, found, images, labels, seed=seed, progress=progress)
    return [laid, relevance_inside(correction, found, seed=seed)]


def relevance_inside(correction: Correction, found: Localised, *, seed: int = 0) -> Measured:
    """The part of the output's |relevance| on the pixels that lies inside the artefact's masks, in [0, 1].

    Raises:
        SemlensError: a function in the model that no rule of relevance covers.
    """
    before = _inside(correction.model, found)
    with correction as model:
        after = _inside(model, found)
    return relevant(INSIDE, found.concept, before, after, seed=seed)


def _inside(model: VisionModel, found: Localised) -> Float64[np.ndarray, "n"]:
    shares = []
    for x, masks in zip(found.inputs.split(4), np.split(found.masks, range(4, len(found.masks), 4)), strict=True):
        heat = attribute(model, x, found.output, warn_above=float("inf")).heat
        assert heat is not None
        size = heat.double().abs().cpu().numpy()
        shares.append((size * masks).sum((1, 2)) / np.maximum(size.sum((1, 2)), 1e-12))
    return np.concatenate(shares)


def laid_in(
    correction: Correction, found: Localised, images: ImageSet, labels: Int64[np.ndarray, "i"], *, seed: int = 0,
    progress: Progress = silent,
) -> Measured:  # fmt: skip
    """Accuracy on images into each of which the artefact was laid, cut out of one of those that show it.

    Args:
        labels: the class of every image of the set, -1 where it is not known.
    """
    before, ids = _laid(correction.model, found, images, progress)
    with correction as model:
        after, _ = _laid(model, found, images, progress)
    row = planted(found.concept, Outcome(ids, before, after), labels[ids], seed=seed)
    return Measured(**{**vars(row), "measure": LAID_IN})


def _laid(
    model: VisionModel, found: Localised, images: ImageSet, progress: Progress
) -> tuple[Float32[np.ndarray, "n y"], Int64[np.ndarray, "n"]]:
    logits: list[Float32[np.ndarray, "n y"]] = []
    ids: list[int] = []
    masks = torch.from_numpy(found.masks).to(found.inputs.device)
    with torch.no_grad(), still(model.net):
        for x, here in Feed(model, images, 32).readable(range(len(images)), "lay in", progress):
            which = torch.tensor([id % len(masks) for id in here], device=x.device)
            own = torch.where(masks[which][:, None], found.inputs[which], x[: len(here)])
            out = logits_of(model.net(own), len(here))
            if out is None:
                raise SemlensError(f"{model.name} gives no row of logits per image: only classifiers are corrected")
            logits.append(out.float().cpu().numpy())
            ids += here
    return np.concatenate(logits), np.array(ids, np.int64)


def cut_out(found: Localised, count: int = 8) -> Image.Image:
    """Some of the images as the model takes them, in the range of colours, and under each what of it was masked."""
    inputs = found.inputs[:count].float().cpu().numpy()
    flat = (1, 2, 3)
    low, high = inputs.min(axis=flat, keepdims=True), inputs.max(axis=flat, keepdims=True)
    colours = np.repeat((inputs - low) / np.maximum(high - low, 1e-9) * 255, 3 // min(3, inputs.shape[1]), axis=1)[
        :, :3
    ]
    photos = colours.transpose(0, 2, 3, 1).astype(np.uint8)
    cut = np.where(found.masks[:count, :, :, None], photos, np.uint8(255))
    return Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in (photos, cut)], axis=0))
