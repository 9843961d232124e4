"""The end of the page: what the figures mean and do not cover, and everything they were made from."""

from dataclasses import asdict
from typing import Any

import yaml

from semlens import __version__
from semlens.analysis import relevance_of
from semlens.analysis.audit import RATIO, SIZE, Audit
from semlens.views.report.text import Html, el, join, percent, quoted

_LIMITS = (
    "Relevance says what the model computes with on these images, not what would happen if a component were removed or "
    "an artefact painted over. That takes an experiment.",
    "The foundation model may not know a concept, or see it differently from an expert. The intervals do not cover its "
    "errors, nor the choice of phrases, images, layer and attribution method.",
    "A component is named by what its strongest examples show. One that fits nothing may still encode something.",
    "A concept can be a legitimate sign and a shortcut at once. Which it is, the spec decides, not the audit.",
    "A passed audit is no proof that the model is safe or accurate.",
)


def methods(audit: Audit) -> Html:
    """What the words of the page mean, and what it does not say."""
    terms = {
        "Component": _component(audit),
        "Valid and spurious concepts": "What may speak for the output and what must not, as phrases (or images) in "
        "the spec below. Nothing else was looked for.",
        "Alignment": _alignment(audit),
        "Fits": _fits(audit),
        "Relevance": _relevance(audit),
        "Share of relevance": "Of all that speaks for the output in a layer, the part that goes through certain "
        "components. What speaks against it is given in the same unit.",
        "Interval": _interval(audit),
        "Label": "The phrase of a separate vocabulary that fits a component best, if chance does not fit as well."
        if audit.labels
        else "No vocabulary was given, so no component has a label.",
    }
    described = (join(el("dt", term), el("dd", text)) for term, text in terms.items())
    return el(
        "section",
        el("h2", "How to read this"),
        el("dl", *described, class_="terms"),
        el("h3", "What this does not say"),
        el("ul", *(el("li", text) for text in _LIMITS)),
        id="methods",
    )


def _component(audit: Audit) -> str:
    return (
        "A part of a layer that can be looked at by itself, such as a channel, written layer:number. It is known by "
        f"its examples: the up to {audit.index.recipe.k} images that excite it most, cropped to the part that it "
        "looked at. What it does on weaker images is not shown."
    )


def _alignment(audit: Audit) -> str:
    if audit.by == "encoding":
        return (
            "How surely a component's activation goes with a concept over all images, whatever else is in them: the "
            "effect of the concept, by a linear model of the activation on the images' embeddings in the foundation "
            "model (a model of images and texts), in its standard errors. On each side the best concept counts."
        )
    return (
        "How well a component's examples fit a concept in the eyes of the foundation model, a model of images and "
        "texts: in standard deviations of components made of random examples, 0 being their mean. On each side the "
        "best concept counts."
    )


def _fits(audit: Audit) -> str:
    if audit.by == "encoding":
        return (
            f"The alignment exceeds what permuted activations reach, at {percent(audit.spec.fdr, 0)} false "
            f"discoveries; it is at least {RATIO:g} of the component's best over the spec, and the concept moves the "
            f"activation by at least {SIZE:g} of its standard deviations. What the spec does not name may be "
            "credited to what it does."
        )
    return (
        "The alignment exceeds what random components reach with as many concepts to choose from. Of the components "
        f"said to fit a side, about {percent(audit.spec.fdr, 0)} at most are expected to fit by chance. p is the part "
        "of random components that fit some concept of the side as well."
    )


def _interval(audit: Audit) -> str:
    if audit.by == "encoding":
        return (
            "95 %, over images like these, not over other models or sets. It covers which images the encodings are "
            f"from (resampled {len(audit.figures[0].mass) - 1:,} times) and which {audit.images:,} images relevance is "
            "a mean over. A verdict is sure if the whole interval is on one side of the limit, marked images prove "
            "that the foundation model sees the spurious concepts, and what fits no concept makes no difference."
        )
    return (
        f"95 %. It covers which examples stand for each component (drawn anew {audit.fit.drawn.shape[1]:,} times) and "
        f"which {audit.images:,} images relevance is a mean over, and is rather too wide than too narrow; that of a "
        "number of components covers the examples only. A verdict is sure if the whole interval is on one side of "
        "the limit, marked images prove that the foundation model sees the spurious concepts, and what fits no concept "
        "makes no difference."
    )


def _relevance(audit: Audit) -> str:
    relevance = relevance_of(audit.index)
    chosen = {
        "label": "labelled as",
        "predicted": "that the model takes for",
        "all": "of the set, whatever they show, for",
    }.get(relevance.of, "counted for")
    output = quoted(audit.output)
    return (
        f"How much a component moved the output {output}, by the attribution method {relevance.method}: its part of "
        f"what speaks for it in its layer, a mean over {audit.images:,} images {chosen} {output}. It speaks for the "
        "output, or against it, or for it on some images and against it on others."
    )


def recipe(audit: Audit) -> Html:
    """Everything that the figures were made from."""
    facts = _facts(audit)
    rows = (el("tr", el("th", name, scope="row"), el("td", el("bdi", value))) for name, value in facts.items())
    spec = yaml.safe_dump(
        _plain(asdict(audit.spec)), sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
    )
    return el(
        "section",
        el("h2", "How it was made"),
        el("table", el("tbody", *rows), class_="recipe"),
        el("h3", "The spec in full"),
        el("p", el("bdi", audit.spec.notes)) if audit.spec.notes else None,
        el("pre", el("bdi", spec)),
        id="recipe",
    )


def _plain(value: Any) -> Any:
    """What YAML can hold, as a person would write it: without what is empty."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner not in ((), "")}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def _facts(audit: Audit) -> dict[str, str]:
    made, relevance = audit.index.recipe, relevance_of(audit.index)
    space, labels = made.foundation, audit.labels
    axes = [audit.index.layer_slice(figures.layer) for figures in audit.figures]
    dead = sum(int(audit.index.dead[axis].sum()) for axis in axes)
    return {
        "Model": made.model.name,
        "Weights": made.model.fingerprint,
        "Preprocessing": made.model.preprocess,
        "Images": f"{made.images.count:,}, {made.images.unreadable:,} of them unreadable; from {made.images.source}",
        "Images, fingerprint": made.images.fingerprint,
        "Examples per component": f"{made.k}, pooled by {made.pool}",
        "Crops": _listed(made.crop.kind, made.crop.parameters),
        "Foundation model": f"{space.name}, licence {space.licence}, {space.dimension} dimensions",
        "Foundation model, digest": space.digest,
        "Attribution": _listed(relevance.method, relevance.parameters),
        "Images for relevance": f"{audit.images:,} by {relevance.of}",
        "Components": f"{len(audit.fit.members):,}; {dead:,} more of these layers respond to no image and are left out",
        "Labels": f"{len(labels.vocabulary):,} phrases, false discoveries {labels.fdr:g}, {labels.method}"
        if labels
        else "none",
        "Judged by": "encodings, over all images" if audit.by == "encoding" else "the strongest examples",
        "Random components": f"{audit.draws:,} per layer" if audit.by == "examples" else "none",
        "Seeds": f"index {made.seed}, audit {audit.seed}",
        "Precision": made.precision,
        "Decoder": made.decoder,
        "Index made with": ", ".join(f"{name} {version}" for name, version in sorted(made.software.items())),
        "Report made with": f"semlens {__version__}",
    }  # fmt: skip


def _listed(kind: str, parameters: dict[str, str | int | float | bool]) -> str:
    return ", ".join([kind, *(f"{name} {value}" for name, value in sorted(parameters.items()))])
