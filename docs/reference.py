"""Writes docs/cli.md from the commands themselves: python docs/reference.py"""

from pathlib import Path

import click

from semlens.cli import app


def reference() -> str:
    """The page as Markdown."""
    names = app.context_settings["help_option_names"]
    context = click.Context(app, info_name="semlens", terminal_width=110, help_option_names=names)
    pages = ["# Command line", "Made by `python docs/reference.py`; a test holds it against the commands.", RULES]
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        shown = command.get_help(click.Context(command, info_name=name, parent=context, terminal_width=110))
        pages.append(f"## {name}\n\n```\n{shown}\n```")
    return "\n\n".join(pages) + "\n"


RULES = """Every command that answers takes `--json`: one JSON object per row on standard output, nothing else there.
Progress and remarks go to standard error. Exit codes: 0 done, 1 a requirement is not met, 2 a mistake explained in one
sentence, 130 interrupted. Components are written `layer:unit`."""

if __name__ == "__main__":
    Path(__file__).with_name("cli.md").write_text(reference(), encoding="utf8")
