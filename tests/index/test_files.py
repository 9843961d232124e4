"""The readers of safetensors headers and Parquet tables, against whatever bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semlens.errors import SemlensError
from semlens.index.files import pack_texts, tensors, unpack_texts
from semlens.index.index import load_index
from tests.tiny_index import entry, file_of, forge_part, tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny().save(tmp_path / "toy.semlens")
    return tmp_path / "toy.semlens"


def test_headers_are_read() -> None:
    arrays = tensors(file_of({"b": entry("I32", [2], 8, 16), "a": entry("I64", [], 0, 8)}, bytes(range(16))))
    assert arrays["b"].tolist() == [0x0B0A0908, 0x0F0E0D0C]
    assert arrays["a"].shape == ()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (np.frombuffer(b"", np.uint8), "header of 0 bytes"),
        (np.frombuffer(b"\xff" * 8 + b"{}", np.uint8), "header of 18446744073709551615 bytes does not fit"),
        (np.frombuffer((2**63).to_bytes(8, "little") + b"{}", np.uint8), "does not fit"),
        (file_of({"a": entry("F16", [2**40, 2**40], 0, 8)}, bytes(8)), "does not lie"),
        (file_of({"a": entry("F16", [2**63], 0, 8)}, bytes(8)), "impossible shape"),
        (file_of({"a": entry("F16", [-1, -4], 0, 8)}, bytes(8)), "impossible shape"),
        (file_of({"a": entry("F16", [1] * 3, 0, 2)}, bytes(2)), "impossible shape"),
        (file_of({"a": entry("F16", [0, 2**60], 0, 0)}), "impossible shape"),
        (file_of({"a": entry("BF16", [1], 0, 2)}, bytes(2)), "has dtype BF16, not one of F16, F32, F64, I32, I64, U8"),
        (file_of({"a": entry("U8", [4], 0, 4)}, bytes(3)), "does not lie"),
        (file_of({"a": entry("U8", [4], 0, 4)}, bytes(5)), "1 bytes follow the last tensor"),
        (file_of({"a": entry("U8", [4], 1, 5)}, bytes(5)), "does not lie"),
        (file_of({"a": entry("U8", [4], 0, 4), "b": entry("U8", [4], 2, 6)}, bytes(6)), "does not lie"),
        (file_of({"a": entry("U8", [1], 0, 1), "b": entry("I32", [1], 1, 5)}, bytes(5)), "is not aligned"),
        (file_of({"a": entry("U8", [4], -4, 0)}, bytes(4)), "does not lie"),
        (file_of({"a": entry("U8", [4.0], 0, 4)}, bytes(4)), "shape is a float"),
        (file_of({"__metadata__": {"format": "pt"}}), "lacks data_offsets"),
        (file_of({"a": {"dtype": "U8", "shape": [0], "data_offsets": [0]}}), "does not lie"),
        (file_of(b'{"a":' * 50_000), None),
        (file_of(b"\xff\xfe"), "codec can't decode"),
    ],
)
def test_header_bombs_are_refused(tmp_path: Path, folder: Path, file: np.ndarray, words: str | None) -> None:
    with pytest.raises((ValueError, RecursionError), match=words):
        tensors(file)
    forge_part(folder, "means", file.tobytes())
    with pytest.raises(SemlensError, match=r"means-.* cannot be used"):
        load_index(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F16", "I64", "U8", "F64", ""]) | JSON,
        "shape": st.lists(st.integers(-1, 5) | st.integers(), max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(-1, 40) | st.integers(), min_size=2, max_size=2) | JSON,
    }
)
HEADER = st.dictionaries(st.text(max_size=3), ENTRY, max_size=3) | JSON


@given(
    st.binary(max_size=300) | st.builds(lambda n, rest: bytes([n, *bytes(7)]) + rest, st.integers(0, 60), st.binary())
)
def test_no_bytes_break_the_header_reader(data: bytes) -> None:
    check_reader(np.frombuffer(data, np.uint8))


@pytest.mark.slow
@given(HEADER, st.binary(max_size=64))
def test_no_header_breaks_the_reader(header: Any, body: bytes) -> None:
    check_reader(file_of(header, body))


def check_reader(file: np.ndarray) -> None:
    """Either a ValueError, or arrays that are exactly the bytes behind the header."""
    try:
        arrays = tensors(file)
    except ValueError:
        return
    length = int.from_bytes(file[:8].tobytes(), "little")
    assert sum(array.nbytes for array in arrays.values()) == len(file) - 8 - length


def test_texts_are_packed_end_to_end() -> None:
    packed = pack_texts(["ab", None, "ç", "\udce9"])
    assert packed["data"].tobytes() == "abç?".encode()
    assert packed["offsets"].tolist() == [0, 2, 2, 4, 5]
    assert unpack_texts(**packed) == ("ab", None, "ç", "?")
    assert unpack_texts(**pack_texts([])) == ()


@given(st.lists(st.none() | st.text(min_size=1)))
def test_packed_texts_come_back(texts: list[str | None]) -> None:
    assert unpack_texts(**pack_texts(texts)) == tuple(texts)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"format": ' * 50_000,
        '{"format": "semlens-index", "format": "semlens-index"}',
        '{"format": "semlens-index", "version": {"major": 1, "minor": 0}, "x": NaN}',
        '{"format": "semlens-index", "version": {"major": 1, "minor": 0}, "x": 1e999}',
        '{"format": "semlens-index", "version": {"major": 1, "minor": 0}, "x": "\\ud800"}',
        '{"format": "semlens-index", "version": {"major": ' + "9" * 5000 + ', "minor": 0}}',
        "[]",
        "",
        " " * (16 * 2**20 + 1),
    ],
    ids=["nested", "nested objects", "twice", "NaN", "infinite", "surrogate", "digits", "list", "empty", "long"],
)
def test_a_manifest_that_is_no_proper_json_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(SemlensError, match=r"manifest\.json cannot be used"):
        load_index(folder)
