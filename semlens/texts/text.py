"""A text, or a window of one with a part marked, and its picture for a person."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

SIDE = 256
"""Width and height of a picture of a text in pixels: where pictures are shown as squares, nothing is cut off."""

_MARGIN, _LARGEST, _SMALLEST = 12, 39, 17  # pixels; sizes of letters
_INK, _PAPER, _MARK, _CUT = "#1b1f24", "#ffffff", "#ffd75e", "…"


@dataclass(frozen=True)
class Text:
    """A text, and which of its letters are marked: from `start` to `stop`; none where these are equal."""

    text: str
    start: int = 0
    stop: int = 0
    before: bool = False  # whether it is a window, and more comes before it
    after: bool = False  # or after it

    def __str__(self) -> str:
        return self.text

    def window(self, box: tuple[int, int, int, int]) -> "Text":
        """The letters from `box[0]` to `box[2]`; marked are those from `box[1]` to `box[3]`, unless it is all of it."""
        left, top, right, bottom = box
        start, stop = (top - left, bottom - left) if (top, bottom) != (left, right) else (0, 0)
        return Text(self.text[left:right], start, stop, before=left > 0, after=right < len(self.text))

    def marked(self) -> str:
        """The text with its marked part between brackets."""
        shown = f"{self.text[: self.start]}[{self.text[self.start : self.stop]}]{self.text[self.stop :]}"
        return shown if self.start < self.stop else self.text


def picture(text: Text) -> Image.Image:
    """The text in lines, as large as fits, the marked part on a coloured ground; what does not fit in the smallest
    letters is left out, furthest from the mark."""
    for size in range(_LARGEST, _SMALLEST - 1, -2):
        lines = _Lines(text, ImageFont.load_default(size))
        if lines.height <= SIDE:
            return lines.drawn()
    while lines.height > SIDE and len(text.text) > 8:
        text = _shorter(text, 0.9)
        lines = _Lines(text, ImageFont.load_default(_SMALLEST))
    return lines.drawn()


def _shorter(text: Text, share: float) -> Text:
    """A window of a share of the letters, with the mark in its middle."""
    keep = max(int(len(text.text) * share), 1)
    middle = (text.start + text.stop) // 2
    left = min(max(middle - keep // 2, 0), len(text.text) - keep)
    right = left + keep
    start, stop = (min(max(end, left), right) - left for end in (text.start, text.stop))
    before, after = text.before or left > 0, text.after or right < len(text.text)
    return Text(text.text[left:right], start, stop, before, after)


Letters = list[tuple[str, bool]]
"""Letters, and whether each is marked."""


class _Lines:
    """A text laid out in lines by the letter. Mutable only while it is made."""

    def __init__(self, text: Text, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
        self.font, self.step = font, round(1.3 * getattr(font, "size", _SMALLEST))
        lead, end = _CUT * text.before, _CUT * text.after
        letters = [(one, text.start <= at < text.stop) for at, one in enumerate(text.text)]
        self.lines: list[Letters] = [[]]
        for word in _words([*((one, False) for one in lead), *letters, *((one, False) for one in end)]):
            for part in _fitting(word, self._width, SIDE - 2 * _MARGIN):
                line = self.lines[-1]
                if line and self._width([*line, *part]) > SIDE - 2 * _MARGIN:
                    self.lines.append([])
                self.lines[-1] += part
        self.height = 2 * _MARGIN + self.step * len(self.lines)

    def _width(self, letters: Letters) -> float:
        return self.font.getlength("".join(one for one, _ in letters).rstrip())

    def drawn(self) -> Image.Image:
        """The picture."""
        image = Image.new("RGB", (SIDE, SIDE), _PAPER)
        draw, y = ImageDraw.Draw(image), max(_MARGIN, (SIDE - self.step * len(self.lines)) // 2)
        for line in self.lines:
            x = float(_MARGIN)
            for part, marked in _runs(line):
                width = self.font.getlength(part)
                if marked:
                    draw.rectangle((x - 1, y, x + self.font.getlength(part.rstrip()), y + self.step - 2), _MARK)
                draw.text((x, y), part, _INK, self.font)
                x += width
            y += self.step
        return image


def _words(letters: Letters) -> list[Letters]:
    """Letters up to the end of each word, its space with it."""
    words: list[Letters] = [[]]
    for at, one in enumerate(letters):
        if at and letters[at - 1][0] == " " and one[0] != " ":
            words.append([])
        words[-1].append(one)
    return words


def _fitting(word: Letters, width: Callable[[Letters], float], most: int) -> Iterator[Letters]:
    """A word in parts that fit into a line."""
    while len(word) > 1 and width(word) > most:
        fits = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or width(word[:n]) <= most)
        yield word[:fits]
        word = word[fits:]
    yield word


def _runs(line: Letters) -> Letters:
    """Letters beside each other that are marked alike, joined."""
    runs: Letters = []
    for one, marked in line:
        if runs and runs[-1][1] == marked:
            runs[-1] = (runs[-1][0] + one, marked)
        else:
            runs.append((one, marked))
    return runs
