import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from semlens.analysis.audit.grammar import Requirement, parse_requirement
from semlens.analysis.audit.spec import (
    Concept,
    Spec,
    check_spec,
    entries,
    json_schema,
    load_spec,
    read_spec,
    shipped,
)
from semlens.errors import SemlensError

LEAST: dict[str, Any] = {"output": "ox", "valid": ["horns"], "spurious": ["cart"]}


def test_shipped_specs_load_and_fit_the_schema() -> None:
    assert shipped() == ("melanoma", "ox")
    for name in shipped():
        spec = load_spec(name)
        assert spec.output == name
        assert len(spec.requirements) == 2
        jsonschema.validate(
            yaml.safe_load((Path("semlens/analysis/audit/specs") / f"{name}.yaml").read_text()), json_schema()
        )
    assert {"ruler", "coin", "text"} <= {entry.concept for entry in entries(load_spec("melanoma"))}


def test_the_schema_is_one_and_refuses_what_the_reader_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    for wrong in ({**LEAST, "fd": 1}, {"output": "ox", "valid": []}, {**LEAST, "valid": [{"phrases": ["x"]}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, json_schema())
        with pytest.raises(SemlensError):
            check_spec(wrong)
    jsonschema.validate(LEAST, json_schema())
    assert json.loads(json.dumps(json_schema()))["properties"]["fdr"]["default"] == 0.05


def test_entries_are_phrases_and_images_in_order() -> None:
    coat = {"name": "coat", "phrases": ["brown coat", "black coat"], "images": ["a.png", "b.png"]}
    spec = check_spec({**LEAST, "valid": ["horns", coat], "spurious": [{"name": "cart", "images": ["c.png"]}]})
    found = [(entry.side, entry.concept, entry.phrase, entry.images) for entry in entries(spec)]
    assert found == [
        ("valid", "horns", "horns", ()),
        ("valid", "coat", "brown coat", ()),
        ("valid", "coat", "black coat", ()),
        ("valid", "coat", "", ("a.png", "b.png")),
        ("spurious", "cart", "", ("c.png",)),
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("relevance_mass(spurious) <= 0.10", Requirement("", "relevance_mass", ("spurious",), "<=", 0.1)),
        ("relevance_mass( spurious )<30 %", Requirement("", "relevance_mass", ("spurious",), "<", 0.3)),
        ("relevance_mass(unexpected) < 30%", Requirement("", "relevance_mass", ("neither",), "<", 0.3)),
        ("relevance_mass(valid + both) >= .5", Requirement("", "relevance_mass", ("valid", "both"), ">=", 0.5)),
        ("components(both)  <=  3", Requirement("", "components", ("both",), "<=", 3.0)),
        (
            "no component with spurious > valid above relevance 0.02",
            Requirement("", "worst", (), "<=", 0.02),
        ),
    ],
)
def test_requirements(line: str, found: Requirement) -> None:
    made = parse_requirement(line)
    assert (made.figure, made.quadrants, made.operator, made.limit) == (
        found.figure, found.quadrants, found.operator, found.limit,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fd": 1}, "unknown key in the spec 'fd'; nearest: fdr"),
        ({"valid": [{"name": "a", "phrase": ["b"]}]}, "unknown key in the spec 'phrase'; nearest: phrases"),
        ({"valid": "horns"}, "the spec: valid: write a list of concepts, each on a line .*, not 'horns'"),
        ({"valid": []}, "the spec: valid: write a list of concepts, .*, not nothing"),
        (
            {"valid": ["x", 3]},
            r"the spec: valid\[1\]: write a phrase, or a concept with name, phrases and images, not 3",
        ),
        ({"valid": ["x", ""]}, r"the spec: valid\[1\]: write a phrase, .*, not nothing"),
        ({"valid": [{"name": "a", "phrases": "b"}]}, r"the spec: valid\[0\].phrases: write a list of texts.*not 'b'"),
        ({"valid": [{"name": "a", "phrases": ["b", 3]}]}, r"the spec: valid\[0\].phrases\[1\]: write text, not 3"),
        ({"valid": [["a"]]}, r"the spec: valid\[0\]: write a phrase, or a concept"),
        ({"output": ["ox"]}, r"the spec: output: write a class of the index, by its name or its number, not \['ox'\]"),
        ({"output": True}, "the spec: output: write a class of the index, by its name or its number, not True"),
        ({"output": 1.0}, "the spec: output: write a class of the index, by its name or its number, not 1.0"),
        ({"title": 3}, "the spec: title: write text, not 3"),
        ({"requirements": "components(both) <= 3"}, "the spec: requirements: write a list of texts"),
        ({"spurious": ["Horns"]}, "'Horns' stands twice"),
        ({"fdr": 1.5}, "the spec: fdr: write a number between 0 and 1, as 0.05, not 1.5"),
        ({"fdr": "low"}, "the spec: fdr: write a number between 0 and 1, as 0.05, not 'low'"),
        ({"requirements": ["relevance_mass(spurious) <= 30"]}, "the spec: .*is a share, so no limit .*: 30% perhaps"),
        ({"requirements": ["relevance_mass(spurious) <= 150%"]}, "the spec: .*no limit is above 1, or 100%$"),
        ({"requirements": ["no component with spurious > valid above relevance 2"]}, "no limit is above 1.*2% perhaps"),
        ({"requirements": ["relevance_mass(spurious) <= 100%"]}, "cannot fail"),
        ({"requirements": ["no component with spurious > valid above relevance 1"]}, "cannot fail"),
        ({"requirements": ["relevance_mass(valid) >= 0"]}, "cannot fail"),
        ({"requirements": ["components(valid) >= 0"]}, "cannot fail"),
        ({"requirements": ["components(valid) < 0"]}, "can never be met"),
        ({"requirements": ["relevance_mass(valid) > 100%"]}, "can never be met"),
        ({"requirements": ["components(both) <= 30%"]}, "components are counted, so write a whole number"),
        ({"requirements": ["components(both) <= 2.5"]}, "components are counted, so write a whole number"),
        ({"templates": ["a photo"]}, r"the spec: templates: 'a photo' has no \{\}"),
        ({"requirements": ["relevance_mass(spuriuos) < 1"]}, "unknown quadrant 'spuriuos'; nearest: spurious"),
        ({"requirements": ["be good"]}, "requirement 'be good' is not understood"),
        ({"templates": []}, "the spec: templates"),
    ],
)
def test_mistakes_are_said_in_one_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SemlensError, match=said):
        check_spec(LEAST | change)


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "010", "0.0", "1e3", "null", "~", "2026-01-01", "1_000", "0x1F"]
)
def test_a_word_stays_the_word_that_was_written(word: str) -> None:
    spec = read_spec(
        f"output: {word}\nvalid: [{word}, {{name: b, phrases: [7, {word}s]}}]\nspurious: [c]\ntitle: {word}\n"
    )
    assert spec.output == spec.title == spec.valid[0] == word
    assert spec.valid[1] == Concept("b", ("7", f"{word}s"))


def test_a_plain_whole_number_is_a_class_number_and_a_quoted_one_a_name() -> None:
    text = "output: {}\nvalid: [a, 3]\nspurious: [b]\nfdr: {}\nlayers: [4]\n"
    for written, meant in (("3", 3), ("'3'", "3"), ("-3", "-3"), ("0", 0)):
        assert read_spec(text.format(written, "0.1")).output == meant
    assert read_spec(text.format("3", "0.1")).valid == ("a", "3")
    assert read_spec(text.format("3", "0.1")).layers == ("4",)
    assert [read_spec(text.format("3", fdr)).fdr for fdr in ("0.1", ".1", "10%", "10 %")] == [0.1] * 4
    with pytest.raises(SemlensError, match="fdr: write a number between 0 and 1, as 0.05, not 1.0"):
        read_spec(text.format("3", "1"))


def test_lists_and_tuples_make_one_spec_of_tuples() -> None:
    lists = Spec("ox", ["horns", Concept("coat", ["brown coat"])], ["cart"], requirements=["components(both) <= 3"])
    tuples = Spec("ox", ("horns", Concept("coat", ("brown coat",))), ("cart",), ("components(both) <= 3",))
    assert lists == tuples == check_spec({**LEAST, "valid": ["horns", {"name": "coat", "phrases": ["brown coat"]}],
                                          "requirements": ["components(both) <= 3"]})  # fmt: skip
    assert hash(lists) == hash(tuples)
    assert lists.valid == ("horns", Concept("coat", ("brown coat",)))


@pytest.mark.parametrize(
    ("kind", "given", "fields", "said"),
    [
        (Spec, ["ox", "horns", ["cart"]], {}, "Spec: valid: write a list of concepts, not 'horns'"),
        (Spec, ["ox", ["horns"], {"cart"}], {}, "Spec: spurious: write a list of concepts, not {'cart'}"),
        (Spec, ["ox", ["horns"], []], {}, "Spec: spurious: write a list of concepts, not nothing"),
        (Spec, ["ox", ["horns", 3], ["cart"]], {},
         r"Spec: valid\[1\]: write a phrase, or a concept with name, phrases and images, not 3"),
        (Spec, [], {"output": "ox", "valid": ["horns"]}, "Spec: spurious is missing"),
        (Spec, ["ox", ["a"], ["b"]], {"fdr": 2.0}, "Spec: fdr: write a number between 0 and 1"),
        (Spec, ["ox", ["a"], ["b"]], {"requirement": ["x"]}, "unknown key in Spec 'requirement'; .*requirements"),
        (Spec, ["ox", ["a"], ["A"]], {}, "Spec: 'A' stands twice"),
        (Spec, ["ox", ["a"], ["b"], ["be good"]], {}, "Spec: requirement 'be good' is not understood"),
        (Spec, ["ox", ["a"], ["b"], ["relevance_mass(valid) >= 0"]], {}, "Spec: requirement .* cannot fail"),
        (Spec, ["ox", ["a"], ["b"]], {"templates": ["a photo"]}, r"Spec: templates: 'a photo' has no \{\}"),
        (Concept, ["coat", "brown coat"], {}, "Concept: phrases: write a list of texts, not 'brown coat'"),
        (Concept, [], {}, "Concept: name is missing"),
        (Concept, ["coat"], {"phrase": ["a"]}, "unknown key in Concept 'phrase'; nearest: phrases"),
        (Concept, ["coat", ["a", 3]], {}, r"Concept: phrases\[1\]: write text, not 3"),
        (Concept, ["coat", [], [], [], "", 3], {}, "Concept: takes name, phrases, images, without, label, and was"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_spec_made_in_python_is_one_sentence(
    kind: Any, given: list[Any], fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(SemlensError, match=f"^{said}") as told:
        kind(*given, **fields)
    assert "\n" not in str(told.value)
    assert "validation" not in str(told.value)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SemlensError, match="the spec: spurious is missing"):
        check_spec({"output": "ox", "valid": ["x"]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("output: [", "is not YAML"),
        ("- ox", "holds no spec: it needs `output:`"),
        ("output: ox\noutput: cow\n", "the key 'output' stands twice"),
        ("output: !!python/object/apply:os.system ['true']", "is not YAML"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(text)
    with pytest.raises(SemlensError, match=said):
        load_spec(path)


def test_an_absent_file_names_what_is_shipped(tmp_path: Path) -> None:
    with pytest.raises(SemlensError, match="cannot read the spec .*shipped specs: melanoma, ox"):
        load_spec(tmp_path / "nothing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SemlensError, match="is not text in UTF-8 or UTF-16: save it as UTF-8"):
        load_spec(tmp_path / "binary.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_spec_as_editors_save_it(tmp_path: Path, encoding: str) -> None:
    text = "output: Müller\nvalid: [streaks]\nspurious: [ruler]\n"
    (path := tmp_path / "spec.yaml").write_bytes(text.encode(encoding))
    assert load_spec(path).output == "Müller"
