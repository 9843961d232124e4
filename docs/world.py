"""Draws docs/testbed.jpg: python docs/world.py

Above, pictures of the world; below, one of them with each concept put in, all else the same.
"""

from pathlib import Path

from PIL import Image, ImageDraw

from semlens.testbed import CONCEPTS, SHORTCUT, Scene, World, draw
from semlens.views.tiles import GAP, font

SIDE, COLUMNS, SEED = 128, 7, 21
LINE = 22


def bare(scene: Scene) -> Scene:
    """The scene with nothing but a brown lesion."""
    for concept in CONCEPTS:
        scene = scene.with_level(concept.name, float(concept.name == "light brown"))
    return scene


def main() -> None:
    pictures = World.of(SHORTCUT, 2 * COLUMNS, SEED)
    plain = bare(pictures.scenes[0])
    tiles = [(scene.diagnosis, scene) for scene in pictures.scenes]
    tiles += [("brown lesion", plain)] + [
        (c.name, plain.with_level(c.name, 1.0)) for c in CONCEPTS if c.name != "light brown"
    ]
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + LINE + GAP) + 3 * GAP), "white")
    ink = ImageDraw.Draw(sheet)
    for i, (name, scene) in enumerate(tiles):
        row, column = divmod(i, COLUMNS)
        x, y = GAP + column * (SIDE + GAP), GAP + row * (SIDE + LINE + GAP) + (2 * GAP if row > 1 else 0)
        sheet.paste(draw(scene).image, (x, y))
        ink.text((x, y + SIDE + 2), name, "black", font(14))
    sheet.save(Path(__file__).with_name("testbed.jpg"), quality=85)


if __name__ == "__main__":
    main()
