"""A file that holds the digest of its recipe, else computed again."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file

from semlens.errors import SemlensError
from semlens.index import cached, digest_of
from semlens.index.files import Arrays


class Work:
    """Arrays that say how often they were computed."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Arrays:
        self.times += 1
        return {"times": np.array([self.times]), "none": np.zeros((0, 3), np.float32)}


def test_what_the_file_holds_is_not_computed_again(tmp_path: Path) -> None:
    work, file = Work(), tmp_path / "deep" / "x.safetensors"
    for _ in range(2):
        arrays = cached(file, ["a", 1], work)
        assert arrays["times"].tolist() == [1]
        assert arrays["none"].shape == (0, 3)
    assert cached(None, ["a", 1], work)["times"].tolist() == [2]
    assert [path.name for path in file.parent.iterdir()] == ["x.safetensors"]


def test_another_recipe_is_computed_and_replaces_the_file(tmp_path: Path) -> None:
    work, file = Work(), tmp_path / "x.safetensors"
    ids = np.arange(3)
    cached(file, ["a", ids], work)
    assert cached(file, ["a", ids + 1], work)["times"].tolist() == [2]
    assert cached(file, ["a", ids + 1], work)["times"].tolist() == [2]
    assert cached(file, ["a", ids], work)["times"].tolist() == [3]


@pytest.mark.parametrize("damage", [lambda raw: raw[:-4], lambda raw: b"", lambda raw: b"\xff" * 40])
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage) -> None:
    work, file = Work(), tmp_path / "x.safetensors"
    cached(file, "a", work)
    file.write_bytes(damage(file.read_bytes()))
    assert cached(file, "a", work)["times"].tolist() == [2]
    assert load_file(file)["times"].tolist() == [2]


def test_a_run_that_is_stopped_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    work, file = Work(), tmp_path / "x.safetensors"
    cached(file, "a", work)
    before = file.read_bytes()

    def killed() -> Arrays:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(file, "b", killed)
    with pytest.raises(SafetensorError, match="object"):
        cached(file, "b", lambda: {"x": np.array([object()])})
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_where_nothing_can_be_written_an_optional_cache_computes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    work, file = Work(), tmp_path / "file" / "x.safetensors"
    assert cached(file, "a", work, optional=True)["times"].tolist() == [1]
    with pytest.raises(SemlensError, match=r"x\.safetensors cannot be written .*what was kept before it stays"):
        cached(file, "a", work)


def test_a_digest_tells_arrays_apart_by_type_shape_and_content() -> None:
    ids = np.arange(6)
    recipes = [ids, ids.astype(np.int32), ids.reshape(2, 3), ids + 1, ids.tolist(), {"a": 1, "b": 2}]
    assert len({digest_of(recipe) for recipe in recipes}) == 6
    assert digest_of({"b": 2, "a": 1}) == digest_of(recipes[-1])
    with pytest.raises(TypeError, match="cannot hold a set"):
        digest_of([{1}])
