"""What the contact sheets share: the sizes of their tiles, their lettering, and how a picture is laid down."""

from PIL import Image, ImageDraw, ImageFont

SIDE, GAP, TEXT = 112, 6, 250  # of a picture, between two, and of the column of text, in pixels


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow brings, the same on every machine."""
    return ImageFont.load_default(size)


def short(text: str, limit: int = 28) -> str:
    """The text if it has at most `limit` letters, else its beginning and an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def fit(picture: Image.Image, side: int = SIDE) -> Image.Image:
    """The picture as large as fits into a square of `side`, and at least a pixel wide and high."""
    times = side / max(picture.size)
    width, height = (max(1, round(times * length)) for length in picture.size)
    return picture.resize((width, height))


def lay(sheet: Image.Image, picture: Image.Image, corner: tuple[int, int]) -> None:
    """Draws `picture` into the tile whose upper left corner is given, centred, with a grey edge."""
    shown = fit(picture)  # a small crop is shown as large as the others
    left, top = corner[0] + (SIDE - shown.width) // 2, corner[1] + (SIDE - shown.height) // 2
    sheet.paste(shown, (left, top))
    edge = (left, top, left + shown.width - 1, top + shown.height - 1)
    ImageDraw.Draw(sheet).rectangle(edge, None, "#dddddd")
