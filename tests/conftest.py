import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import typechecker  # noqa: F401  pyproject.toml names it, and semlens is imported after this line

# Nothing in the tests may reach for a hub, and what a library would fetch must fail at once.
os.environ["HF_HUB_OFFLINE"] = "1"

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks whole files, and all else that opens a browser as `page`."""
    for item in items:
        for mark, patterns in MARKS.items():
            if any(item.path.match(pattern) for pattern in patterns):
                item.add_marker(mark)
        if {"browser", "open_page"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("page")
