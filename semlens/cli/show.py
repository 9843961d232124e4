"""How the command line looks: tables on standard output, progress and remarks on standard error.

rich is imported where it draws: with `--json` nothing is drawn, and a script need not wait for it.
"""

import sys
from collections.abc import Sequence
from types import TracebackType


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
