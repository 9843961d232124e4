"""Markdown tables that print themselves."""

from dataclasses import dataclass, field


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
