"""What the commands share: the group they belong to, common options, and how they look: tables and JSON on standard
output, progress and remarks on standard error.

rich is imported where it draws: with `--json` nothing is drawn, and a script need not wait for it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

import semlens as sl  # the commands use the public names, each of which is loaded when it is first used
from semlens.cli.ending import CANNOT_TELL as CANNOT_TELL
from semlens.cli.ending import Commands
from semlens.errors import SemlensError
from semlens.types import TEXTS

if TYPE_CHECKING:
    from semlens.analysis import Atlas, Labels, Rows, Scores
    from semlens.index import ConceptIndex
    from semlens.types import ExampleSet


def _usable(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    """The device.

    Raises:
        SemlensError: torch does not know it, or cannot use it here.
    """
    if name not in (None, "cpu"):
        from semlens.model import check_device  # a command that is told where models run may have to run one

        check_device(name)
    return name


as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per row on standard output.")
device = click.option("--device", callback=_usable, help="Where models run: cpu, cuda, cuda:1, mps.")
seed = click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of everything random.")
layer = click.option(
    "--layer",
    multiple=True,
    callback=lambda context, option, texts: tuple(layer_names(texts)),
    help="Only this layer; several by commas, or given several times.",
)
template = click.option(
    "--template", multiple=True, default=("{}",), help="A phrase with {} for the text; several are averaged."
)
by = click.option(
    "--by",
    default="auto",
    show_default=True,
    help="What counts: encoding, examples; auto is encoding where there is one.",
)
save = click.option("--save", is_flag=True, help="Also keep the result in the index, in place of an earlier one.")
index_folder = click.argument("index", type=click.Path(path_type=Path))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(sl.__version__)
def app() -> None:
    """Search, label and audit what every component of a vision model has learned."""


class NewFile(click.Path):
    """A file that a command will write. What is wrong with its name is said before the work, not after."""

    def __init__(self, *suffixes: str) -> None:
        super().__init__(path_type=Path)
        self.suffixes = suffixes  # that name a format; any if empty

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            SemlensError: no file can be written there, or its ending names no format.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.is_dir() or not path.parent.is_dir():
            why = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
            raise SemlensError(f"cannot write {path}: {why}")
        if self.suffixes and path.suffix.lower() not in self.suffixes:
            raise SemlensError(f"cannot write {path}: let the name end in {', '.join(self.suffixes)}")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SemlensError(f"cannot write {path}: permission denied")
        return path


def either(images: str | None, texts: str | None, **choices: Any) -> "ExampleSet":
    """The images or the texts, opened."""
    from semlens.sets import open_set

    return open_set(written(images, texts), **choices)


def written(images: str | None, texts: str | None) -> str:
    """The source of images or of texts, as `open_set` takes it.

    Raises:
        SemlensError: both are given, or neither.
    """
    if (images is None) == (texts is None):
        raise SemlensError("say what is looked at: --images FOLDER or --texts FILE, one of them")
    return str(images) if texts is None else f"{TEXTS}{texts.removeprefix(TEXTS)}"


IMAGE_CHOICES = ("image_column", "label_column", "background", "max_pixels")
"""What `load_images` may be told besides, by the names of the options."""


def image_choices(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how images are taken from where they are; the command gets them as `choices`."""
    return _choices(command, (*_COLUMNS, *_PIXELS))


def pixel_choices(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say how an image is read, for commands that take image files; it gets them as `choices`."""
    return _choices(command, _PIXELS)


_COLUMNS = (
    click.option("--image-column", help="The column of a table that names or holds the images."),
    click.option("--label-column", help="The column of a table that has the labels."),
)
_PIXELS = (
    click.option("--background", help="What shows through where an image is transparent: a name or #rrggbb.  [white]"),
    click.option("--max-pixels", type=click.IntRange(1), help="An image with more is not read.  [89478485]"),
)


def _choices(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """A command with some options that it gets together, those that are given."""

    @wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        choices = {name: given.pop(name) for name in IMAGE_CHOICES if name in given}
        given["choices"] = {name: value for name, value in choices.items() if value is not None}
        return command(*args, **given)

    for option in reversed(options):
        collected = option(collected)
    return collected


class NewFolder(click.Path):
    """A folder that a command will write into, and makes if it is not there. That it can be is said before the work."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path.

        Raises:
            SemlensError: no folder can be there, or none that can be written.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        nearest = path.absolute()
        while not os.path.lexists(nearest):
            nearest = nearest.parent
        if not nearest.is_dir():
            raise SemlensError(f"cannot write to {path}: {nearest} is no folder")
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise SemlensError(f"cannot write to {path}: permission denied in {nearest}")
        return path


def images_of(index: "ConceptIndex", source: str | None = None, **choices: Any) -> "ExampleSet":
    """The images or texts of an index, or others: read as the index's were (columns, background) unless it is said
    otherwise."""
    from semlens.sets import like_set, open_set

    where = index.recipe.images.source
    source = source or where
    said = choices.keys() - {"group_column"} or "?" in source
    return open_set(source if said else like_set(source, where), **choices)


def layer_names(texts: Iterable[str]) -> list[str]:
    """The layers that an option names, several by commas."""
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def vocabulary(purpose: str, *, required: bool = False) -> Callable[[Any], Any]:
    """The option `--vocabulary`."""
    text = f"{purpose}: a file with a phrase per line, `imagenet` or `wordnet`."
    return click.option("--vocabulary", required=required, help=text)


def save_result(result: "Labels | Scores | Atlas", folder: Path, save: bool) -> None:
    """Keeps the result in the index if that was asked for."""
    if save:
        sl.keep(result, folder)
        say(f"kept in {folder}")


def show(rows: "Rows[Any]", as_json: bool) -> None:
    """Prints rows, as JSON or as a table; what a reader has to know beside goes to standard error."""
    if as_json:
        print_json(rows.records())
    else:
        print(rows.table())
    for remark in rows.remarks:
        say(remark)


def print_json(rows: Iterable[dict[str, Any]]) -> None:
    """Prints one JSON object per row to standard output."""
    for row in rows:
        print(as_line(row))


def as_line(row: Any) -> str:
    """A line of JSON that standard output can write: characters that its encoding lacks are escaped, as JSON does."""
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(row)
    return text


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str | None = None) -> None:
    """Prints rows under a header. Text is shown as it is: nothing in it is markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(caption=Text(caption) if caption else None, caption_justify="left", header_style="bold")
    for name in header:
        shown.add_column(Text(name), overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    console = Console()
    with console.capture() as drawn:  # printed as all else is: rich itself would end the process where a pipe is closed
        console.print(shown)
    print(drawn.get(), end="")


def say(remark: str) -> None:
    """Prints a remark to standard error."""
    print(remark, file=sys.stderr)


class Progress:
    """Progress bars on standard error, one per step, with the time left; nothing where that is not a terminal."""

    def __enter__(self) -> "Progress":
        from rich import progress as rich
        from rich.console import Console

        self._bars = rich.Progress(
            rich.TextColumn("{task.description}"),
            rich.BarColumn(),
            rich.MofNCompleteColumn(),
            rich.TimeElapsedColumn(),
            rich.TextColumn("left"),
            rich.TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, rich.TaskID] = {}
        self._bars.start()
        return self

    def __call__(self, step: str, done: int, total: int) -> None:
        """Moves a step's bar; see types.Progress."""
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step)
        self._bars.update(self._tasks[step], completed=done, total=total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
