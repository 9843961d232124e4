"""Draws docs/search.png: python docs/picture.py

Three hundred pictures of patterns, drawn here, go through EfficientNet-Lite0, and its last convolution is searched
for four words. Nothing in the picture is anybody else's.
"""

import math
import random
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

import semlens as sl

SIDE = 256
QUERIES = ("a zebra", "a honeycomb", "a spider's web", "a brick wall")


def zebra(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, SIDE, SIDE), "#f4efe6")
    tilt, width, phase = rng.uniform(-0.6, 0.6), rng.uniform(10, 22), rng.uniform(0, 9)
    for i in range(-20, 40):
        centre = i * width * 2
        bend = [(centre + tilt * y + 9 * math.sin(y / 30 + phase + i), y) for y in range(-10, SIDE + 10, 6)]
        draw.line(bend, "#1c1a19", round(width * rng.uniform(0.8, 1.2)), "curve")


def honeycomb(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, SIDE, SIDE), "#a8650f")
    r = rng.uniform(14, 24)
    for row in range(30):
        for column in range(24):
            x, y = column * r * 1.75 + (row % 2) * r * 0.87 - r, row * r * 1.5 - r
            cell = [
                (x + 0.9 * r * math.sin(math.pi * k / 3), y + 0.9 * r * math.cos(math.pi * k / 3)) for k in range(6)
            ]
            draw.polygon(cell, (230 + rng.randrange(20), 165 + rng.randrange(40), 30 + rng.randrange(40)))


def web(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, SIDE, SIDE), (20 + rng.randrange(30), 40 + rng.randrange(30), 30))
    x, y, spokes = rng.uniform(90, 166), rng.uniform(90, 166), rng.randrange(13, 19)
    angles = [2 * math.pi * (k + rng.uniform(-0.2, 0.2)) / spokes for k in range(spokes)]
    for a in angles:
        draw.line((x, y, x + 300 * math.cos(a), y + 300 * math.sin(a)), "#e8e8e8", 1)
    for ring in range(3, 26):
        points = [(x + ring * 7 * math.cos(a), y + ring * 7 * math.sin(a)) for a in angles]
        draw.line([*points, points[0]], "#dddddd", 1)


def orange(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, SIDE, SIDE), (235, 232, 225 + rng.randrange(25)))
    x, y, r = rng.uniform(100, 156), rng.uniform(110, 150), rng.uniform(60, 90)
    for step in range(40):
        s = r * (1 - step / 40)
        shift = (r - s) * 0.35
        box = (x - s - shift, y - s - shift, x + s - shift, y + s - shift)
        draw.ellipse(box, (min(255, 215 + step * 2), 105 + step * 2, 15 + step * 2))
    draw.ellipse((x - 5, y - r * 0.8, x + 5, y - r * 0.8 + 8), "#4a6a1f")


def bricks(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, SIDE, SIDE), "#b9aea2")
    h, w = rng.uniform(20, 34), rng.uniform(52, 84)
    for row in range(16):
        for column in range(-1, 8):
            x, y = column * w + (row % 2) * w / 2, row * h
            shade = rng.randrange(-25, 25)
            draw.rectangle((x + 2, y + 2, x + w - 3, y + h - 3), (160 + shade, 75 + shade // 2, 55 + shade // 2))


def bubbles(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    draw.rectangle((0, 0, SIDE, SIDE), (120, 170 + rng.randrange(40), 220))
    for _ in range(40):
        x, y, r = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(8, 34)
        draw.ellipse((x - r, y - r, x + r, y + r), None, "white", 2)
        draw.ellipse((x - r / 2, y - r / 2, x - r / 4, y - r / 4), "white")


def chess(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    cell, dark = rng.randrange(22, 44), (60 + rng.randrange(60), 40, 30)
    for i in range(14):
        for j in range(14):
            draw.rectangle((i * cell, j * cell, (i + 1) * cell, (j + 1) * cell), dark if (i + j) % 2 else "#f0e2c8")


def sunset(draw: ImageDraw.ImageDraw, rng: random.Random) -> None:
    low = rng.randrange(120, 190)
    for y in range(SIDE):
        draw.line((0, y, SIDE, y), (250 - y // 4, 90 + y // 2, 60 + y // 3) if y < low else (30, 40, 90 - y // 8))
    x = rng.uniform(60, 196)
    draw.ellipse((x - 26, low - 40, x + 26, low + 12), "#ffe9a8")


def main() -> None:
    rng = random.Random(0)
    families = (zebra, honeycomb, web, orange, bricks, bubbles, chess, sunset)
    with tempfile.TemporaryDirectory() as folder:
        for family in families:
            (Path(folder) / family.__name__).mkdir()
            for i in range(36):
                picture = Image.new("RGB", (SIDE, SIDE))
                family(ImageDraw.Draw(picture), rng)
                picture.filter(ImageFilter.GaussianBlur(0.7)).save(Path(folder) / family.__name__ / f"{i:02d}.png")
        foundation = sl.load_foundation("offline:conse")
        model = sl.load_model("offline:efficientnet_lite0")
        images = sl.load_images(folder)
        index = sl.build(model, images, ["conv_head"], foundation, Path(folder) / "index", k=8)
        hits = sl.search(index, sl.probe(foundation, QUERIES), top=1)
        sl.contact_sheet(index, hits).quantize(160).save(Path(__file__).with_name("search.png"), optimize=True)


if __name__ == "__main__":
    main()
