"""Over whose images the relevance of each class was taken, and why."""

from collections.abc import Sequence

from semlens.images import match_labels
from semlens.index import ClassRelevance


def label_remarks(
    labels: Sequence[str | None], class_names: Sequence[str], relevance: ClassRelevance | None, of: str
) -> list[str]:
    """How many images carry a label, how many labels name a class, and whose images each class's relevance is over.

    Args:
        of: whose images were asked for.
    """
    outputs = max(len(class_names), *(number + 1 for number in relevance.classes)) if relevance else len(class_names)
    matches = match_labels(labels, class_names, outputs)
    told = [f"labels: {matches if matches.labelled else f'none of {len(labels):,} images carries one'}"]
    if relevance is None:
        return told
    counted = [f"{relevance.name(at)} ({count:,})" for at, count in enumerate(relevance.counts)]
    more = f" and {len(counted) - 10:,} more" if len(counted) > 10 else ""
    whose = {
        "label": "images that carry its label",
        "predicted": "images that the model predicts to be of it",
        "all": "all images",
    }[relevance.of]
    if of != "auto":
        why = f"as asked, {of}"
    elif relevance.of == "label":
        why = "for labels name the classes"
    else:
        why = "for no label names one of these classes" if matches.labelled else "for there are no labels"
    return [*told, f"relevance of {', '.join(counted[:10])}{more} is over {whose}, {why}"]
