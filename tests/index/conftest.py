"""Indexes that are saved once for all tests: each gets a copy, which costs no flush to the disk."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from semlens.index.index import ConceptIndex
from tests.tiny_index import encoded, tiny, with_vectors


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the indexes of `tiny`, `encoded` and `with_vectors`."""
    makers: tuple[Callable[[], ConceptIndex], ...] = (tiny, encoded, with_vectors)
    folder = tmp_path_factory.mktemp("saved")
    for make in makers:
        make().save(folder / make.__name__)
    return folder


@pytest.fixture
def tiny_folder(saved: Path, tmp_path: Path) -> Path:
    """`tiny`, to be changed."""
    return Path(shutil.copytree(saved / "tiny", tmp_path / "toy.semlens"))


@pytest.fixture
def encoded_folder(saved: Path, tmp_path: Path) -> Path:
    """`encoded`, to be changed."""
    return Path(shutil.copytree(saved / "encoded", tmp_path / "toy.semlens"))


@pytest.fixture
def vectors_folder(saved: Path, tmp_path: Path) -> Path:
    """`with_vectors`, to be changed."""
    return Path(shutil.copytree(saved / "with_vectors", tmp_path / "toy.semlens"))
