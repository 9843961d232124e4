import subprocess
import sys
from pathlib import Path

import pytest

from semlens.analysis.vocabulary import load_vocabulary
from semlens.errors import SemlensError
from semlens.model.offline import imagenet_class_names, imagenet_lemmas


def test_a_file_gives_its_phrases_once_in_order(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(
        "\ufeff# birds and machines\r\n zebra \r\n\r\ncrane\r\nzebra\r\n\t# no\r\nçat sits\r\ncrane".encode()
    )
    assert load_vocabulary(path) == ("zebra", "crane", "çat sits")
    assert load_vocabulary(str(path)) == load_vocabulary(path)


def test_case_and_inner_marks_are_kept() -> None:
    assert load_vocabulary([" Turkey", "turkey ", "C# code", "#", "", "Turkey"]) == ("Turkey", "turkey", "C# code")


def test_the_first_phrase_survives_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(b"\xef\xbb\xbfzebra\n")
    assert load_vocabulary(path) == ("zebra",)


def test_imagenet_is_what_timm_itself_says() -> None:
    assert load_vocabulary("imagenet") == tuple(dict.fromkeys(imagenet_class_names()))
    assert len(load_vocabulary("imagenet")) == 998


def test_wordnet_holds_every_name_of_every_class() -> None:
    words = load_vocabulary("wordnet")
    lemmas = {lemma for names in imagenet_lemmas() for lemma in names.split(", ")}
    assert len(words) == len(set(words)) == 37_010
    assert lemmas <= set(words)
    assert words[:3] == ("organism", "being", "benthos")
    assert {"tabby cat", "teddy bear", "sea cow"} <= set(words)
    assert not any("_" in word or "," in word or word != word.strip() for word in words)


def test_a_file_that_is_called_like_a_shipped_one_is_read_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "imagenet").write_text("mole\n")
    assert load_vocabulary(tmp_path / "imagenet") == ("mole",)


def test_the_shipped_ones_are_read_without_timm_or_torch() -> None:
    code = (
        "import sys; from semlens.analysis.vocabulary import load_vocabulary\n"
        "print(len(load_vocabulary('imagenet')), bool({'timm', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["998", "False"]


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SemlensError, match=r"timm is not installed: pip install 'semlens\[torch\]'"):
        load_vocabulary("wordnet")


def test_what_cannot_be_a_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(SemlensError, match="unknown vocabulary 'imagnet'; nearest: imagenet.* text file"):
        load_vocabulary("imagnet")
    with pytest.raises(SemlensError, match="unknown vocabulary"):
        load_vocabulary(tmp_path)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    with pytest.raises(SemlensError, match=r"picture.png' is not text in UTF-8"):
        load_vocabulary(picture)
    picture.write_bytes(b"zebra\0\0crane")
    with pytest.raises(SemlensError, match=r"picture.png' is not text"):
        load_vocabulary(picture)
    picture.write_text("# nothing\n\n  \n")
    with pytest.raises(SemlensError, match=r"no phrase is left of .*picture.png'"):
        load_vocabulary(picture)
    with pytest.raises(SemlensError, match="no phrase is left of the vocabulary"):
        load_vocabulary([" ", "#zebra"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("v.csv", "term,count\nruler,3\nband-aid,4\n"),
        ("v.csv", "id;phrase\n1;ruler\n2;band-aid\n"),
        ("v.csv", "ruler\nband-aid\n"),
        ("v.tsv", "Label\nruler\nband-aid\n"),
        ("v.json", '["ruler", "band-aid"]'),
        ("v.json", '[{"name": "ruler"}, {"name": "band-aid"}]'),
        ("v.jsonl", '{"text": "ruler"}\n{"text": "band-aid"}\n'),
    ],
)
def test_a_table_is_read_by_its_column_of_phrases(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    assert load_vocabulary(tmp_path / name) == ("ruler", "band-aid")


def test_a_table_without_such_a_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("ruler,3\nband-aid,4\n")
    with pytest.raises(SemlensError, match=r"unknown column 'phrase'; nearest: .*Let the column of phrases in .*v.csv"):
        load_vocabulary(tmp_path / "v.csv")
    (tmp_path / "v.json").write_text("{broken")
    with pytest.raises(SemlensError, match=r"cannot read the table .*v.json"):
        load_vocabulary(tmp_path / "v.json")


def test_one_phrase_is_not_its_letters() -> None:
    with pytest.raises(SemlensError, match="unknown vocabulary 'ruler'"):
        load_vocabulary("ruler")
