"""The command line. A command imports what it needs itself, so that reading an index starts at once, without torch."""

import sys
import warnings

import click

from semlens.cli import app as page
from semlens.cli import attribute, describe, judge, make, read, testbed  # their commands join the group
from semlens.cli.common import app
from semlens.errors import SemlensError, missing_extra

EXTRA_OF = {
    **dict.fromkeys(("torch", "torchvision", "timm", "einops"), "torch"),
    **dict.fromkeys(("starlette", "uvicorn", "anyio"), "app"),
}
"""Packages that only an extra brings, with its name."""

__all__ = ["app", "attribute", "describe", "judge", "main", "make", "page", "read", "testbed"]


@app.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and options: eval "$(semlens completion bash)" in its start file."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    print(kind(app, {}, "semlens", "_SEMLENS_COMPLETE").source())


def main() -> None:
    """Runs the command line; a user's mistake ends it with one sentence and exit code 2."""
    warnings.formatwarning = lambda message, *_: f"semlens: {message}\n"  # this process is ours
    try:
        sys.exit(app(prog_name="semlens", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SemlensError as error:
        print(f"semlens: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise  # what only an extra brings is a matter of installing; all else is ours
        print(f"semlens: {missing_extra(package, EXTRA_OF[package])}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        print("semlens: interrupted; `build` goes on from there with --resume", file=sys.stderr)
        sys.exit(130)
