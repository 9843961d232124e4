"""The shape of the house: imports go one way, and the numpy side never reaches torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "semlens"
NUMPY_SIDE = {
    "shapes",
    "types",
    "errors",
    "space",
    "examples",
    "relevance",
    "histogram",
    "parts",
    "checks",
    "format",
    "store",
    "contents",
    "additions",
    "stored",
    "index",
    "probe",
    "search",
    "results",
    "threads",
    "null",
    "alignment",
    "clusters",
    "outputs",
    "meanings",
    "label",
    "score",
    "vocabulary",
    "evaluation",
    "evaluate",
    "atlas",
    "keep",
    "compare",
    "spec",
    "quadrants",
    "verdicts",
    "audit",
    "grouping",
    "graph",
    "tiles",
    "heatmap",
    "sheet",
    "plot",
    "report",
    "show",
    "measures",
    "testbed.world",
}
TORCH_SIDE = {
    "hooks",
    "components",
    "layers",
    "offline",
    "model",
    "images",
    "topk",
    "cpu",
    "collect",
    "attribution",
    "crop",
    "foundation",
    "cropping",
    "embed",
    "portraits",
    "build",
    "flows",
    "held_out",
    "testbed.nets",
    "testbed.clip",
    "testbed.truth",
    "testbed.train",
    "testbed.benchmark",
}
DOORS = {"app", "ask", "cli", "demo", "__init__", "__main__", "testbed.__init__"}
HEAVY = {"torch", "torchvision", "timm", "transformers", "open_clip", "einops"}
ORDER = [
    "errors", "shapes", "types", "space", "histogram", "measures", "testbed.world", "hooks", "components", "layers",
    "offline", "testbed.nets", "testbed.clip", "model", "images", "cpu", "topk", "examples", "relevance", "collect",
    "attribution", "crop", "foundation", "parts", "checks", "format", "store", "contents", "additions", "stored",
    "index", "cropping", "embed", "probe", "search", "results", "threads", "null", "alignment", "clusters", "meanings",
    "label", "score", "vocabulary", "evaluation", "evaluate", "atlas", "keep", "compare", "outputs", "spec",
    "quadrants", "verdicts", "audit", "grouping", "graph", "tiles", "heatmap", "sheet", "plot", "report", "portraits",
    "build", "flows", "held_out", "ask", "testbed.truth", "testbed.train", "testbed.benchmark", "show", "app", "demo",
    "cli",
]  # fmt: skip
ATTRIBUTION = [
    "affine", "rules", "composite", "conservation", "functions", "names", "operations", "norms", "attention",
    "recurrent", "table", "trace", "flow", "targets", "gradients", "attribute", "maps", "check", "classes", "edges",
]  # fmt: skip


WORLD = [
    "concepts", "scene", "scenario", "paint", "skin", "lesion", "structures", "artefacts", "render", "caption",
    "population", "files",
]  # fmt: skip
PLOT = ["atlas", "audit", "compare", "graph", "score"]
REPORT = ["html", "words", "charts", "crops", "cards", "scatter", "sections", "summary", "notes", "page"]
APP = [
    "answer", "guard", "upload", "jobs", "notes", "workers", "session", "asked", "stored", "worker", "columns", "query",
    "component", "pictures", "judged", "connected", "about", "routes", "server", "export", "widget",
]  # fmt: skip
BENCHMARK = ["row", "study", "made", "models", "search", "heat", "relevance", "labels", "audits", "scores"]


def room(path: Path) -> str:
    """The top-level module or folder a file belongs to; the testbed, part world and part questions, has several."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[: 2 if parts[0] == "testbed" else 1])


def room_of(module: str) -> str:
    """The room of an imported module; empty if it is not ours."""
    return room(PACKAGE.parent.joinpath(*module.split("."))) if module.startswith("semlens.") else ""


def imports(path: Path, *, at_top_only: bool) -> set[str]:
    """Modules that a file imports when it is imported itself; those under TYPE_CHECKING are not."""
    tree = ast.parse(path.read_text(encoding="utf8"))
    hidden = {
        n
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for n in ast.walk(node)
    }
    if at_top_only:
        hidden |= {n for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for n in ast.walk(node)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names if node.module == "semlens"}
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_file_has_a_place() -> None:
    assert {room(path) for path in FILES} == NUMPY_SIDE | TORCH_SIDE | DOORS
    assert set(ORDER) == (NUMPY_SIDE | TORCH_SIDE | DOORS) - {"__init__", "__main__", "testbed.__init__"}


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in NUMPY_SIDE], ids=str)
def test_the_numpy_side_imports_nothing_of_torch(path: Path) -> None:
    found = imports(path, at_top_only=False)
    assert not {name.split(".")[0] for name in found} & HEAVY
    assert not {room_of(name) for name in found} & TORCH_SIDE


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in ORDER], ids=str)
def test_imports_go_one_way(path: Path) -> None:
    mine = ORDER.index(room(path))
    for name in imports(path, at_top_only=False):
        other = room_of(name)
        if other in ORDER and other != room(path):
            assert ORDER.index(other) < mine, f"{room(path)} imports {other}, which stands below it"


@pytest.mark.parametrize(
    ("place", "order"),
    [
        ("app", APP),
        ("attribution", ATTRIBUTION),
        ("plot", PLOT),
        ("report", REPORT),
        ("testbed.world", WORLD),
        ("testbed.benchmark", BENCHMARK),
    ],
)
def test_imports_go_one_way_inside_a_folder(place: str, order: list[str]) -> None:
    folder = PACKAGE.joinpath(*place.split("."))
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == set(order)
    for name in order:
        for found in imports(folder / f"{name}.py", at_top_only=False):
            other = found.removeprefix(f"semlens.{place}.").split(".")[0]
            if found.startswith(f"semlens.{place}.") and other in order and other != name:
                assert order.index(other) < order.index(name), f"{name} imports {other}, which stands below it"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_hooks_registers_hooks_and_nothing_unpickles(path: Path) -> None:
    calls = {
        n.func.attr
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
    }
    names = {
        n.func.id
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    if room(path) != "hooks":
        assert not {name for name in calls if name.startswith("register_") and "hook" in name}
    assert not names & {"eval", "exec"}
    assert "pickle" not in imports(path, at_top_only=False)


def test_reading_and_searching_import_no_torch() -> None:
    code = (
        "import sys, semlens; semlens.load_index, semlens.search, semlens.probe, semlens.contact_sheet\n"
        "import semlens.cli, semlens.app.server\n"
        f"assert not {HEAVY!r} & set(sys.modules), {HEAVY!r} & set(sys.modules)\n"
        "assert callable(semlens.search) and 'pyarrow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_verb_stays_a_verb_when_its_file_is_imported() -> None:
    code = (
        "import semlens.collect, semlens; from semlens.embed import RANDOM_COMPONENTS; assert callable(semlens.embed)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_unknown_names_are_attribute_errors() -> None:
    import semlens

    assert set(semlens.__all__) <= set(dir(semlens)) | set(semlens.__all__)
    assert all(callable(getattr(semlens, name)) for name in semlens.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = semlens.nothing
