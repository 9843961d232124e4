"""What is explained: a logit, a component, a similarity, or any function of the model's output; and where in that
output logits, boxes and maps lie."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from semlens.attribution.flow import Front, check_units, entering, from_components, scaled
from semlens.attribution.marks import mark_of
from semlens.attribution.trace import Trace, unexplained
from semlens.errors import SemlensError, unknown
from semlens.model import VisionModel, logits_of, output_number, still, tensor_in
from semlens.types import Component, Float, FoundationModel, Int64, Shaped

STARTS = ("value", "one")


class ProbabilityWarning(UserWarning):
    """The explained output is a probability, behind a softmax or a sigmoid, or its logarithm, and not the logit."""


def logits_in(output: Any, images: int) -> Float[Tensor, "n y"]:
    """The logits: the output itself, the first of a tuple, `logits` of a dict; one number per image is a row of one.

    Raises:
        SemlensError: there is no row of logits per image.
    """
    logits = logits_of(output, images)
    if logits is not None:
        return logits
    raise SemlensError(
        f"the model's output is {described(output)}, not a row of logits per image: give as target "
        f"{_options(output)}, a component ('layer:unit'), or a function of the output that gives a number per image "
        "(docs/attribution.md, What is explained)"
    )


def _options(output: Any) -> str:
    """The recipes that may fit."""
    if _is_detections(output):
        return "box_score()"
    maps = isinstance(output, dict) or (isinstance(output, Tensor) and output.ndim == 4)
    return "mask_logit(class) for a segmentation, map_mean() for a depth map" if maps else "similarity(text, ...)"


def _is_detections(output: Any) -> bool:
    return isinstance(output, list) and bool(output) and isinstance(output[0], dict) and "scores" in output[0]


def described(output: Any) -> str:
    """What a model returned, in words, with shapes."""
    if isinstance(output, Tensor):
        return f"a tensor of shape {tuple(output.shape)}"
    if isinstance(output, dict):
        return f"a dict of {', '.join(f'{name!r}{_shape(value)}' for name, value in output.items()) or 'nothing'}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {len(output)}" + (f", first {described(output[0])}" if output else "")
    return f"a {type(output).__name__}"


def _shape(value: Any) -> str:
    return f" {tuple(value.shape)}" if isinstance(value, Tensor) else ""


def detections_in(output: Any) -> Sequence[dict[str, Tensor]]:
    """The detections of each image: `boxes`, `labels`, `scores`, as torchvision's detectors give them in eval mode.

    Raises:
        SemlensError: the output is another.
    """
    if not _is_detections(output):
        raise SemlensError(
            f"the model's output is {described(output)}, not a list of boxes, labels and scores for each image, so "
            "box_score() cannot read it: give a function of the output that gives a number per image"
        )
    found: list[dict[str, Tensor]] = output
    return found


def map_in(output: Any) -> Float[Tensor, "n y h w"]:
    """A map per image and channel: the output itself, or `out`, `logits` or `predicted_depth` of a dict; the first of a
    tuple. A map without channels has one.

    Raises:
        SemlensError: the output is another.
    """
    found = output
    if isinstance(output, dict):
        found = next((output[key] for key in ("out", "logits", "predicted_depth") if key in output), None)
    elif isinstance(output, tuple) and output:
        found = output[0]
    if isinstance(found, Tensor) and found.ndim == 3:
        found = found[:, None]
    if not isinstance(found, Tensor) or found.ndim != 4:
        raise SemlensError(
            f"the model's output is {described(output)}, in which there is no map per image: give a function of the "
            "output that gives a number per image"
        )
    return found


def is_probability(logits: Float[Tensor, "n y"]) -> bool:
    """Whether the numbers are probabilities, or logarithms of such: what a softmax or a sigmoid gave, or rows that sum
    to 1 with no number below 0."""
    if mark_of(logits).gate:
        return True
    values = logits.detach().float()
    if values.shape[1] < 2:
        return False
    rows = values if (values >= 0).all() else values.exp()
    return torch.allclose(rows.sum(1), rows.new_ones(1), atol=1e-4)


def warn_of_probability(logits: Float[Tensor, "n y"]) -> None:
    """Issues a ProbabilityWarning if these are probabilities."""
    if is_probability(logits):
        warnings.warn(PROBABILITY, ProbabilityWarning, stacklevel=5)


PROBABILITY = (
    "the model's output is a probability or its logarithm, so its relevance is that, too, and vanishes where the "
    "model is sure: explain the logit, by a model without its last softmax or sigmoid (put nn.Identity() in its place)"
)


@dataclass(frozen=True)
class Logit:
    """An output of the model by number or class name, one for all images or one each; None for each image's highest."""

    which: int | str | Sequence[int | str] | None = None


@dataclass(frozen=True)
class Activation:
    """A component's activation, summed over "all" of its positions, at the most active one ("max"), or at one given for
    each image."""

    component: Component
    position: str | Int64[Tensor, "n"] = "all"


@dataclass(frozen=True)
class Scalar:
    """A number per image that `function` computes from the model's output; its steps are attributed through."""

    function: Callable[[Any], Float[Tensor, "n"]]

    def of(self, output: Any) -> Any:
        """What the function gives.

        Raises:
            SemlensError: it fails, as one made for a certain number of images does on one.
        """
        try:
            return self.function(output)
        except (SemlensError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise SemlensError(
                f"the target function fails on the model's output, {described(output)}, with {type(error).__name__} "
                f"({' '.join(str(error).split())[:160]}): it must give a number per image for any number of images, "
                "also for one"
            ) from error


Target = Logit | Activation | Scalar


def similarity(to: Float[Tensor, "d"] | str | Sequence[str], foundation: FoundationModel | None = None) -> Scalar:
    """Cosine similarity, in [-1, 1], of the model's output to a text or a vector of the same space: what a CLIP image
    tower is asked.

    Args:
        to: a text, several of which the mean direction is taken, or a vector.
        foundation: which embeds texts: the model whose image tower is studied.

    Raises:
        SemlensError: a text without a foundation model; when it is attributed: the output is no vector of that space.
    """
    vector = to if isinstance(to, Tensor) else _text_vector([to] if isinstance(to, str) else list(to), foundation)

    def cosine(output: Any) -> Tensor:
        embedding = tensor_in(output)
        if embedding.shape[-1] != len(vector):
            raise SemlensError(
                f"the model's output is {described(output)} and the vector it is held against has {len(vector)} "
                "entries: give the foundation model whose image tower this is"
            )
        return functional.cosine_similarity(embedding, vector.to(embedding).expand_as(embedding), dim=-1)

    return Scalar(cosine)


def _text_vector(texts: Sequence[str], foundation: FoundationModel | None) -> Float[Tensor, "d"]:
    if foundation is None:
        raise SemlensError(
            f"{texts[0]!r} is a text: give the foundation model whose image tower this is (--foundation)"
        )
    return functional.normalize(torch.from_numpy(foundation.embed_texts(texts)), dim=1).mean(0)


def then_of(target: Target) -> Callable[[Any], Any]:
    """The function of the model's output that is traced as part of the model."""
    return target.of if isinstance(target, Scalar) else lambda output: output


def target_of(given: Any) -> Target:
    """The target that a user means by a Target, an output, "layer:unit" or a function.

    Raises:
        SemlensError: anything else.
    """
    if isinstance(given, Logit | Activation | Scalar):
        return given
    if isinstance(given, Component):
        return Activation(given)
    if isinstance(given, str) and ":" in given and given.rpartition(":")[2].isdecimal():
        return Activation(Component.parse(given))  # class names hold no colon before a number
    if given is None or isinstance(given, int | str):
        return Logit(given)
    if callable(given):
        return Scalar(given)
    if isinstance(given, Tensor):
        return Logit(given.tolist())
    if isinstance(given, Sequence):
        return Logit(tuple(given))
    raise SemlensError(f"{given!r} is no target: give an output's number or name, a Component, or a function")


def starting(trace: Trace, target: Target, model: VisionModel, start: str) -> tuple[Front, Float[Tensor, "n"]]:
    """Where relevance enters, and how much per image.

    Args:
        start: "value" starts with the target's value, so that relevance is in its unit; "one" with 1.

    Raises:
        SemlensError: a start, output or unit that does not exist, or an output of another shape than the target needs.
    """
    if start not in STARTS:
        raise unknown("start", start, STARTS)
    if isinstance(target, Activation):
        tap = trace.taps[target.component.layer]
        n, count = tap.acts.shape[:2]
        check_units(target.component.layer, [target.component.unit], count)
        trace.explain(tap)
        front = from_components(tap, torch.full((n,), target.component.unit), target.position)
        value = entering([front])
    else:
        value = _scores(trace.output, target, model, len(trace.source))
        if not value.requires_grad:
            raise unexplained("the explained output", trace.blind)
        front = Front(value, torch.ones_like(value), value.detach())
        value = value.detach()
    if start == "one":
        scale = torch.where(value == 0, 0, 1 / value)
        front = scaled(front, scale)
        value = value * scale
    return front, value


def _scores(output: Any, target: Logit | Scalar, model: VisionModel, images: int) -> Float[Tensor, "n"]:
    if isinstance(target, Scalar):
        return number_per_image(output, images)
    out = logits_in(output, images)
    warn_of_probability(out)
    rows = torch.arange(len(out), device=out.device)
    return out[rows, chosen(target, out, model)]


def number_per_image(output: Any, images: int) -> Float[Tensor, "n"]:
    """What a target's function gave.

    Raises:
        SemlensError: it is no number per image.
    """
    if not isinstance(output, Tensor) or output.shape != (images,):
        raise SemlensError(
            f"the target function gives {described(output)}, not a number per image (there are {images})"
        )
    return output


def chosen(target: Logit, out: Float[Tensor, "n y"], model: VisionModel) -> Int64[Tensor, "n"]:
    """The number of the explained output, for each image.

    Raises:
        SemlensError: an output that the model does not have, or another number of targets than of images.
    """
    if target.which is None:
        return out.detach().argmax(1)
    outputs = [target.which] * len(out) if isinstance(target.which, int | str) else list(target.which)
    if len(outputs) != len(out):
        raise SemlensError(f"{len(outputs)} targets for {len(out)} images: give one for all or one each")
    numbers = [output_number(output, model.class_names, out.shape[1]) for output in outputs]
    return torch.tensor(numbers, device=out.device)


@dataclass(frozen=True, eq=False)
class Fixed:
    """What is explained of some images, whatever is changed in the model afterwards.

    Args:
        target: as `attribute` takes it.
        columns: which of a row's numbers it is, for each image.
    """

    target: Logit | Scalar
    columns: Int64[Tensor, "n"]

    def table(self, output: Any, images: int) -> Float[Tensor, "m y"]:
        """All that could be asked of an output of the model: its logits, or the one number that a function gives.

        Raises:
            SemlensError: it has another shape than the target needs.
        """
        if isinstance(self.target, Scalar):
            return number_per_image(self.target.of(output), images)[:, None]
        return logits_in(output, images)

    def of(self, output: Any, rows: Int64[Tensor, "m"]) -> Float[Tensor, "m"]:
        """What is asked of an output of the model on some of the images, with repeats.

        Raises:
            SemlensError: it has another shape than the target needs.
        """
        return self.table(output, len(rows)).gather(1, self.columns[rows][:, None])[:, 0]


def fixed(model: VisionModel, target: Any, x: Shaped[Tensor, "n ..."]) -> Fixed:
    """The target on these images: where none is named, each one's highest output as it is now.

    Raises:
        SemlensError: a component, or an output that does not exist.
    """
    goal = target_of(target)
    if isinstance(goal, Activation):
        raise SemlensError(f"{goal.component} is a component: choose an output, or a function of the model's output")
    if isinstance(goal, Scalar):
        return Fixed(goal, torch.zeros(len(x), dtype=torch.int64, device=x.device))
    with torch.no_grad(), still(model.net):
        columns = chosen(goal, logits_in(model.net(x), len(x)), model)
    return Fixed(Logit(tuple(columns.tolist())), columns)
