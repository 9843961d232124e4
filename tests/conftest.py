import gc
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import typechecker  # pyproject.toml names it, and semlens is imported after this line

# Nothing in the tests may reach for a hub, and what a library would fetch must fail at once.
os.environ["HF_HUB_OFFLINE"] = "1"

# How wide a terminal the tests are started from decides nothing: printed tables fold their words where they must.
os.environ["COLUMNS"] = "160"

# How fast the machine is decides nothing: hypothesis measures each example's time otherwise.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

OPEN_CLIP = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 16, "head_width": 8, "patch_size": 8},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny open_clip model as open_clip saves one, with a preprocessing of its own."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("open_clip")
    settings = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bilinear", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": OPEN_CLIP, "preprocess_cfg": settings}))
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**OPEN_CLIP).state_dict(), folder / "open_clip_model.safetensors")
    (folder / "README.md").write_text("---\ntags: [x]\nlicense: cc-by-4.0\n---\n# A model\nlicense: none of this\n")
    return folder


MARKS = {
    "page": ("app/test_page_*.py",),
    "hostile": ("app/test_security.py", "app/test_guard.py", "app/test_upload.py"),
    "benchmark": ("benchmark/test_benchmark.py", "cli/test_demo.py"),
}
"""Which files a mark is for, below this folder; single tests carry theirs themselves."""


def pytest_runtest_setup() -> None:
    """Annotations are checked in each test as if it ran alone."""
    typechecker.calls.clear()


LONGEST = (
    "cli/test_demo.py", "benchmark/test_benchmark.py", "model/test_zoo.py", "pipeline/test_kills.py",
    "analysis/test_atlases.py", "cli/test_correct.py", "cli/test_questions.py", "app/test_worker.py",
    "benchmark/test_train.py", "attribution/test_transformers.py", "app/test_page_*.py", "app/test_security.py",
)  # fmt: skip
"""Files that come first, so that at the end no worker waits for another that has a long one: with --dist loadfile and
--no-loadscope-reorder, files are handed out in the order of collection."""


def pytest_collection_finish() -> None:
    """What is imported and collected stays: the collector of garbage need not look through it ever again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first and marks whole files, and all else that opens a browser as `page`."""
    paths = {item.path for item in items}
    place = {path: next((n for n, name in enumerate(LONGEST) if path.match(name)), len(LONGEST)) for path in paths}
    marks = {path: [mark for mark, names in MARKS.items() if any(map(path.match, names))] for path in paths}
    items.sort(key=lambda item: place[item.path])
    for item in items:
        for mark in marks[item.path]:
            item.add_marker(mark)
        if {"browser", "open_page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("page")
