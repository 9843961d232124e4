"""What the commands share: the group they belong to, common options, rows as JSON."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from semlens import __version__

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object per row on standard output.")
device = click.option("--device", help="Where models run: cpu, cuda, cuda:1, mps.")
index_folder = click.argument("index", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__)
def app() -> None:
    """Search, label and audit what every component of a vision model has learned."""


def print_json(rows: Iterable[dict[str, Any]]) -> None:
    """Prints one JSON object per row to standard output."""
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
