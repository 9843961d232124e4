"""Texts from everything they come from; what cannot be read is one clear sentence."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import semlens as sl
from semlens.errors import SemlensError
from semlens.images import ImagesWarning, load_images
from semlens.texts import load_texts


def texts_of(source: object, **choices: object) -> list[str]:
    return [str(one.load(id)) for one in [load_texts(source, **choices)] for id in range(len(one))]  # type: ignore[arg-type]


def test_a_folder_is_read_in_the_order_of_paths_and_its_folders_are_labels(tmp_path: Path) -> None:
    for path, text in (
        ("pos/b.txt", "Good. Very good."),
        ("neg/a.txt", "Bad."),
        (".hidden/c.txt", "No."),
        ("d.txt", "Left."),
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    found = sl.load_texts(tmp_path)
    assert found.texts == ("Left.", "Bad.", "Good.", "Very good.")
    assert found.labels == (None, "neg", "pos", "pos")
    assert found.names == ("d.txt: Left.", "neg/a.txt: Bad.", "pos/b.txt: Good.", "pos/b.txt: Very good.")


def test_tables_lists_and_frames_give_the_same_texts(tmp_path: Path) -> None:
    rows = [{"id": 1, "review": "Nice, cold. Good.", "label": "pos"}, {"id": 2, "review": "Bad.", "label": "neg"}]
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "t.json").write_text(json.dumps(rows))
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", tmp_path / "t.jsonl", tmp_path / "t.json", frame, rows,
                   [("Nice, cold. Good.", "pos"), ("Bad.", "neg")]):  # fmt: skip
        found = load_texts(source)
        assert found.texts == ("Nice, cold.", "Good.", "Bad.")
        assert found.labels == ("pos", "pos", "neg")
    grouped = load_texts(tmp_path / "t.csv", group_column="id", text_column="review")
    assert grouped.groups == ("1", "1", "2")
    assert load_texts(grouped.source).fingerprint == grouped.fingerprint


def test_how_texts_are_cut_is_chosen(tmp_path: Path) -> None:
    assert texts_of(["One. Two\nthree"], split="lines") == ["One. Two", "three"]
    assert texts_of(["One. Two\nthree"], split="whole") == ["One. Two three"]
    found = load_texts(["a b c d e"], longest=2)
    assert found.texts == ("a b", "c d", "e")
    assert found.notes == ("2 texts of more than 2 words go on as another text (longest)",)


def test_the_fingerprint_is_of_every_text_and_label() -> None:
    prints = [load_texts(one).fingerprint for one in (["A b."], ["A c."], [("A b.", "x")], [("A b.", "y")])]
    assert len(set(prints)) == 4
    assert load_texts(["A b."]).fingerprint == prints[0]
    assert pickle.loads(pickle.dumps(load_texts(["A b."]))).texts == ("A b.",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "nothing in it has a letter"), (b" \n\t\n", "nothing in it has a letter"),
        (b"caf\xe9", "not text in UTF-8"), (b"a\0b", "bytes of zero"), (b"\xff\xfea", "not text in UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_text_is_refused_in_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(SemlensError, match=said):
        load_texts(tmp_path / "a.txt")


def test_other_encodings_that_say_themselves_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Ça va.", encoding="utf-16")
    (tmp_path / "b.txt").write_text("Ça va.", encoding="utf-8-sig")
    assert texts_of(tmp_path) == ["Ça va.", "Ça va."]


def test_a_broken_file_of_a_folder_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xe9")
    (tmp_path / "b.txt").write_text("Fine.")
    with pytest.warns(ImagesWarning, match=r"1 of 2 files are left out, first: cannot read .*a\.txt"):
        assert texts_of(tmp_path) == ["Fine."]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([], "empty list"),
        ([1, 2], "item 0 of the list is a int"),
        ([["a", "b", "c"]], "item 0 of the list is a list"),
        (["x", "x", None], "item 2 of the list is a NoneType"),
        ("nowhere.txt", "there is no nowhere.txt"),
        ({"a": ["x"]}, "a dict is no set of texts"),
        (b"x", "a bytes is no set"),
        (3, "a int is no set"),
        ([{"text": 3}], "row 1 of row has a int"),
        ([{"a": "x", "b": "y"}], "unknown column 'text'"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused_in_a_sentence(source: object, said: str) -> None:
    with pytest.raises(SemlensError, match=said):
        load_texts(source)


def test_choices_that_do_not_exist_are_named() -> None:
    with pytest.raises(SemlensError, match=r"unknown split 'words'"):
        load_texts(["a"], split="words")
    with pytest.raises(SemlensError, match="longest is 0"):
        load_texts(["a"], longest=0)
    with pytest.raises(SemlensError, match="unknown choice 'colour'"):
        load_texts("a.txt?colour=red")
    with pytest.raises(SemlensError, match="ids run from 0 to 0"):
        load_texts(["a"]).load(1)


def test_a_line_of_ten_million_letters_is_cut_and_kept_whole(tmp_path: Path) -> None:
    line = "abcdefghi " * 200_000
    (tmp_path / "a.txt").write_text(line)
    found = load_texts(tmp_path / "a.txt")
    assert " ".join(found.texts) == line.strip()
    assert max(map(len, found.texts)) == 48 * 10 - 1


def test_a_table_with_a_cell_too_long_for_csv_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "x" * 200_000)
    with pytest.raises(SemlensError, match="field larger than field limit"):
        load_texts(tmp_path / "a.csv")


def test_numbers_for_labels_read_as_text() -> None:
    assert load_texts(pd.DataFrame({"text": ["a", "b"], "label": np.array([1, 0])})).labels == ("1", "0")


def test_what_takes_images_says_so_of_texts() -> None:
    with pytest.raises(SemlensError, match="texts:a.csv are texts, and this takes images"):
        load_images("texts:a.csv")
