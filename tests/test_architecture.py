"""The shape of the house: which package may import which, no circles, one face a package, no torch below the border."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import semlens.analysis
from semlens.analysis import _ROOMS

PACKAGE = Path(__file__).parents[1] / "semlens"
ROOT = {"errors", "hub", "progress", "types", "wordnet"}
"""Modules at the top that every package may import."""

ARROWS = {
    "numerics": set(),
    "testbed": set(),
    "images": set(),
    "texts": {"images"},
    "sets": {"images", "texts"},
    "index": {"numerics"},
    "model": {"testbed"},
    "foundation": {"model", "testbed"},
    "collection": {"images", "model", "numerics", "sets"},
    "attribution": {"collection", "images", "model", "sets"},
    "dictionaries": {"analysis", "attribution", "collection", "model", "numerics", "sets"},
    "analysis": {"foundation", "images", "index", "numerics"},
    "crop": {"attribution", "collection", "images", "index", "model"},
    "views": {"analysis", "index"},
    "pipeline": {"attribution", "collection", "crop", "foundation", "images", "index", "model", "numerics", "sets"},
    "revisit": {"analysis", "attribution", "collection", "crop", "images", "index", "model", "numerics", "views"},
    "synthesis": {"analysis", "index", "model"},
    "correct": {"analysis", "attribution", "collection", "crop", "images", "index", "model", "numerics", "pipeline"},
    "interop": {"analysis", "attribution", "collection", "images", "model", "numerics"},
    "app": {"analysis", "images", "index", "model", "numerics", "revisit", "views"},
    "benchmark": {
        "analysis", "collection", "foundation", "images", "index", "model", "numerics", "pipeline", "revisit",
        "testbed",
    },
    "cli": {
        "analysis", "app", "attribution", "benchmark", "correct", "crop", "dictionaries", "images", "index", "model",
        "interop", "pipeline", "revisit", "sets", "synthesis", "testbed", "views",
    },
}  # fmt: skip
"""What each package may import beside the root, lazily or for types alone too. docs/design.md draws it."""

FACES = {
    "analysis", "attribution", "collection", "correct", "crop", "dictionaries", "foundation", "images", "index",
    "model", "numerics", "pipeline", "revisit", "sets", "synthesis", "texts", "analysis.audit", "analysis.comparisons",
    "analysis.graphs", "analysis.labels", "testbed.world", "views.heatmap", "views.plot", "views.report",
}  # fmt: skip
"""Packages that name in `__init__` all that others may use of them; the files inside are their own affair."""

BESIDE_A_FACE = {
    "foundation.open_clip", "foundation.transformers", "foundation.testbed", "foundation.conse",  # a family each
    "images.loader",  # brings torch
    "analysis.labels.labelling",  # by the face, mypy takes `label` for a module
    "analysis.audit",  # pydantic, to read specs: half of the time that a search takes to start
    "model.offline",  # weights inside packages, of which some are a foundation model's
    "model.open_clip",  # brings open_clip
}  # fmt: skip
NUMPY_SIDE = (
    "numerics", "index", "analysis", "views", "images", "texts", "sets", "testbed.world", *sorted(ROOT),
)  # fmt: skip
HEAVY = {"torch", "torchvision", "timm", "transformers", "open_clip", "einops"}
FILES = sorted(PACKAGE.rglob("*.py"))


def module(path: Path) -> str:
    """A file's dotted name inside semlens: "analysis.labels.labelling"; a package's face has the package's name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in FILES}


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Everything that is written in a file."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf8"))))


@cache
def imports(path: Path) -> set[str]:
    """What a file imports anywhere in it; modules of ours by their dotted names inside semlens, after "semlens."."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inside if name.removeprefix("semlens.") in MODULES}
            if modules and node.module.removeprefix("semlens.") not in FACES:  # `from package import file`
                found |= modules
            else:
                found.add(node.module)
    return found


def ours(path: Path) -> set[str]:
    """The modules of semlens that a file imports."""
    return {name.removeprefix("semlens.") for name in imports(path) if name.startswith("semlens.")}


def package(name: str) -> str:
    return name.partition(".")[0]


def test_every_file_has_a_place() -> None:
    assert {package(name) for name in MODULES} == {*ARROWS, *ROOT, "", "__main__"}


@pytest.mark.parametrize("path", [p for p in FILES if package(module(p)) in ARROWS], ids=module)
def test_a_package_imports_only_what_the_table_allows(path: Path) -> None:
    mine = package(module(path))
    assert {package(name) for name in ours(path)} <= ARROWS[mine] | ROOT | {mine}


def test_the_table_is_no_wider_than_the_code() -> None:
    used = {mine: {package(n) for p in FILES if package(module(p)) == mine for n in ours(p)} for mine in ARROWS}
    assert {mine: others - ROOT - {mine} for mine, others in used.items()} == ARROWS


def test_no_circles_between_packages_or_between_files() -> None:
    tuple(TopologicalSorter(ARROWS).static_order())  # raises CycleError
    faces = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    files = {name: ours(path) - {"", name} - faces for name, path in MODULES.items() if name not in faces}
    tuple(TopologicalSorter(files).static_order())


@pytest.mark.parametrize("path", FILES, ids=module)
def test_a_package_with_a_face_is_imported_by_it(path: Path) -> None:
    me = module(path)
    for name in ours(path) - BESIDE_A_FACE:
        inside = [face for face in FACES if name.startswith(f"{face}.") and not f"{me}.".startswith(f"{face}.")]
        assert not inside, f"{me} imports {name}: take it from {inside[0]}"


def test_most_files_import_few_others() -> None:
    counts = sorted(len(ours(path)) for path in FILES)
    assert counts[len(counts) // 2] <= 4
    assert counts[len(counts) * 9 // 10] <= 9, "files that belong together are one, or a package lacks a face"


def test_no_function_is_longer_than_a_screen() -> None:
    """45 lines, docstrings left out; ruff holds its complexity."""
    long = []
    for path in FILES:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                said = node.body[0] if ast.get_docstring(node) is not None else None
                lines = [node.lineno, node.end_lineno or 0, *((said.lineno, said.end_lineno or 0) if said else ())]
                length = lines[1] - lines[0] + 1 - (lines[3] - lines[2] + 1 if said else 0)
                long += [f"{module(path)}.{node.name}: {length}"] if length > 45 else []
    assert not long


def test_the_numpy_side_imports_no_torch() -> None:
    side = [n for n in MODULES if n.startswith(NUMPY_SIDE) and n not in BESIDE_A_FACE]
    assert len(side) > 50
    code = (
        "import sys\nfrom importlib import import_module\n"
        f"for name in {side!r}: import_module('semlens.' + name)\n"
        f"assert not {HEAVY!r} & set(sys.modules), {HEAVY!r} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_what_a_search_does_without_is_loaded_when_asked_for() -> None:
    rooms = {f"semlens.analysis.{name}" for name in _ROOMS} | {"PIL", "pydantic", "jaxtyping"}
    code = f"import sys, semlens.analysis; assert not {rooms!r} & set(sys.modules), {rooms!r} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(semlens.analysis, name) is not None for name in semlens.analysis.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lable'"):
        semlens.analysis.__getattr__("lable")


@pytest.mark.parametrize("path", FILES, ids=module)
def test_only_hooks_registers_hooks_and_nothing_unpickles(path: Path) -> None:
    called = [node.func for node in nodes(path) if isinstance(node, ast.Call)]
    methods = {func.attr for func in called if isinstance(func, ast.Attribute)}
    if module(path) != "model.hooks":
        assert not {name for name in methods if name.startswith("register_") and "hook" in name}
    assert not {func.id for func in called if isinstance(func, ast.Name)} & {"eval", "exec"}
    assert "pickle" not in imports(path)


def test_reading_and_searching_import_no_torch() -> None:
    code = (
        "import sys, semlens; semlens.load_index, semlens.search, semlens.probe, semlens.contact_sheet\n"
        "assert 'pydantic' not in sys.modules\n"
        "import semlens.cli, semlens.app.server\n"
        f"assert not {HEAVY!r} & set(sys.modules), {HEAVY!r} & set(sys.modules)\n"
        "assert callable(semlens.search) and 'pyarrow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_shows_its_names_before_any_is_used() -> None:
    code = (
        "import sys, semlens\n"
        "names = dir(semlens)\n"
        "assert set(semlens.__all__) <= set(names) and 'search' in names and '__version__' in names\n"
        "assert [n for n in names if n.startswith('se')] == ['search']\n"
        "assert not [n for n in sys.modules if n.startswith('semlens.')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_a_verb_is_no_module() -> None:
    """`semlens.search` is the function whatever was imported before, and `import semlens.search` fails at once."""
    import semlens

    assert not set(semlens.__all__) & {package(name) for name in MODULES}
    code = "import semlens.analysis.search, semlens.pipeline.embed, semlens\nassert callable(semlens.search)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
    with pytest.raises(ModuleNotFoundError, match=r"semlens\.search"):
        __import__("semlens.search")


def test_every_public_name_is_there_and_unknown_ones_are_attribute_errors() -> None:
    import semlens

    assert all(callable(getattr(semlens, name)) for name in semlens.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = semlens.nothing
