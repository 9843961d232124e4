"""The command line. A command imports what it needs itself, so that reading an index starts at once, without torch."""

import codecs
import sys
import warnings

import click

from semlens.cli import app as page
from semlens.cli import (  # their commands join the group
    attribute,
    correct,
    describe,
    dictionary,
    doctor,
    evaluate,
    faithful,
    judge,
    make,
    maximise,
    plan,
    prune,
    read,
    testbed,
)
from semlens.cli.common import app
from semlens.cli.ending import ending, plain, speak_any_encoding

__all__ = [
    "app",
    "attribute",
    "correct",
    "describe",
    "dictionary",
    "doctor",
    "evaluate",
    "faithful",
    "judge",
    "main",
    "make",
    "maximise",
    "page",
    "plan",
    "prune",
    "read",
    "testbed",
]


@app.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and options: eval "$(semlens completion bash)" in its start file."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    print(kind(app, {}, "semlens", "_SEMLENS_COMPLETE").source())


def main() -> None:
    """Runs the command line; `ending` has the exit codes."""
    warnings.formatwarning = lambda message, *_: f"semlens: {message}\n"  # this process is ours
    codecs.register_error("semlens", plain)
    speak_any_encoding(sys.stdout, sys.stderr)
    sys.exit(ending(lambda: app(prog_name="semlens", standalone_mode=False)))
