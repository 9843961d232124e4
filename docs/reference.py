"""Writes docs/cli.md from the commands and docs/api.md from the docstrings: python docs/reference.py"""

import ast
import inspect
import re
import sys
from pathlib import Path

import click

import semlens
from semlens.cli import app

Definition = ast.FunctionDef | ast.ClassDef

RULES = """Every command that answers takes `--json`: one JSON object per row on standard output, nothing else there.
Progress and remarks go to standard error. Exit codes: 0 done, 1 a requirement is not met, 2 a mistake explained in one
sentence, 130 interrupted. Components are written `layer:unit`."""

PACKAGES = {
    "model": "Models",
    "images": "Images",
    "texts": "Texts",
    "foundation": "Foundation models",
    "collection": "Collecting examples",
    "pipeline": "From model and images to an index",
    "index": "The index",
    "analysis": "Questions to an index",
    "attribution": "Attribution",
    "dictionaries": "Dictionaries",
    "correct": "Corrections",
    "revisit": "Questions that need the model again",
    "synthesis": "Activation maximisation",
    "views": "Pictures and pages",
    "app": "The page",
    "numerics": "Arrays",
    "types": "Records",
    "errors": "Mistakes",
}
"""The package or file that a public name comes from, and its heading, in the order of the pipeline."""


def command_line() -> str:
    """docs/cli.md as Markdown."""
    names = app.context_settings["help_option_names"]
    context = click.Context(app, info_name="semlens", terminal_width=110, help_option_names=names)
    pages = ["# Command line", "Made by `python docs/reference.py`; a test holds it against the commands.", RULES]
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        shown = command.get_help(click.Context(command, info_name=name, parent=context, terminal_width=110))
        pages.append(f"## {name}\n\n```\n{shown}\n```")
        for below, inner in getattr(command, "commands", {}).items():
            outer = click.Context(command, info_name=name, parent=context)
            shown = inner.get_help(click.Context(inner, info_name=below, parent=outer, terminal_width=110))
            pages.append(f"## {name} {below}\n\n```\n{shown}\n```")
    return "\n\n".join(pages) + "\n"


def python_api() -> str:
    """docs/api.md as Markdown: every public name with its signature as it is written, and its docstring."""
    names = sorted(semlens.__all__, key=str.lower)
    homes = {name: home(name) for name in names}
    pages = [
        "# Python API",
        "Every name of `semlens`, made by `python docs/reference.py` from the docstrings; a test compares.\n"
        'Array types read `Float32[np.ndarray, "c d"]`: the letters are the axes, explained in [design.md](design.md).',
    ]
    for package, heading in PACKAGES.items():
        members = [name for name in names if homes[name].partition(".")[0] == package]
        if members:
            pages.append(f"## {heading}")
            pages += [section(name) for name in members]
    return "\n\n".join(pages) + "\n"


def home(name: str) -> str:
    """The file that defines a public name, as a dotted name inside semlens: "analysis.search"."""
    return getattr(semlens, name).__module__.removeprefix("semlens.")


def section(name: str) -> str:
    """A public name's part of the page."""
    thing = getattr(semlens, name)
    source = Path(inspect.getsourcefile(sys.modules[thing.__module__]) or "").read_text(encoding="utf8")
    node = next(n for n in ast.parse(source).body if isinstance(n, Definition) and n.name == thing.__name__)
    lines = source.splitlines()
    parts = [f"### {name}", f"<sub>`semlens/{home(name).replace('.', '/')}`</sub>", block(node, lines), text(node)]
    if isinstance(node, ast.ClassDef):
        parts += [method(member, lines) for member in node.body if is_public(member)]
    return "\n\n".join(part for part in parts if part)


def is_public(node: ast.stmt) -> bool:
    """Whether a class's statement is a method or property for all."""
    return isinstance(node, ast.FunctionDef) and not node.name.startswith("_")


def method(node: ast.stmt, lines: list[str]) -> str:
    """A method's or property's part: signature and docstring."""
    assert isinstance(node, ast.FunctionDef)
    return f"{block(node, lines)}\n\n{text(node)}"


def block(node: Definition, lines: list[str]) -> str:
    """The signature, or a class's fields with what is said beside them, as a block of code."""
    first = node.body[0]
    starts_with_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    decorators = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    shown = lines[node.lineno - 1 : first.lineno - 1]
    if isinstance(node, ast.ClassDef):
        for field in (member for member in node.body if isinstance(member, ast.AnnAssign)):
            shown += lines[field.lineno - 1 : field.end_lineno]
    assert starts_with_docstring, f"{node.name} has no docstring"
    margin = " " * node.col_offset
    code = "\n".join(line.removeprefix(margin) for line in shown)
    return "```py\n" + "\n".join([*decorators, re.sub(r"  # (fmt: skip|type: ignore\S*|noqa\S*)", "", code)]) + "\n```"


def text(node: Definition) -> str:
    """A docstring as Markdown: the entries of `Args:` and `Raises:` become lists."""
    shown: list[str] = []
    inside = False
    for line in (ast.get_docstring(node) or "").splitlines():
        if re.fullmatch(r"(Args|Raises|Returns|Yields):", line):
            inside = True
            shown.append(f"{line.removesuffix(':')}:\n")
        elif inside and re.match(r"    \S", line):
            entry, colon, rest = line.strip().partition(": ")
            shown.append(f"- `{entry}`: {rest}" if colon else f"- {entry}")
        else:
            inside = inside and (not line or line.startswith(" "))
            shown.append(f"  {line.strip()}" if inside and line else line)
    return "\n".join(shown)


if __name__ == "__main__":
    for page, made in (("cli.md", command_line()), ("api.md", python_api())):
        Path(__file__).with_name(page).write_text(made, encoding="utf8")
