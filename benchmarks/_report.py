"""Markdown tables that print themselves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Table:
    """A title, a head with | between its cells, and rows. Mutable: it fills while the benchmark runs."""

    title: str
    head: str
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def row(self, *cells: object) -> None:
        """Adds a row."""
        assert len(cells) == len(self.head.split("|")), (self.head, cells)
        self.rows.append(tuple(map(str, cells)))

    def __str__(self) -> str:
        names = self.head.split(" | ")
        lines = [names, ["---"] * len(names), *self.rows]
        return f"### {self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def report(head: str, benchmarks: Iterable[Callable[[], Iterable[Table]]], out: Path | None) -> None:
    """Runs benchmarks, prints what each gives as soon as it is there, and keeps all of it in `out`."""
    texts = [f"{head}\n"]
    print(texts[0], flush=True)
    for benchmark in benchmarks:
        for table in benchmark():
            texts.append(str(table))
            print(table, flush=True)
    if out:
        out.write_text("\n".join(texts), encoding="utf8")
