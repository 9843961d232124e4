"""Labels, scores and a map that are kept in an index: as they were, and without another byte of it changed."""

import json
import pickle
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from semlens.analysis.atlases import Atlas, atlas
from semlens.analysis.labels.labelling import Labels, label
from semlens.analysis.scores import Scores, score
from semlens.analysis.stored import as_stored, keep, stored_atlas, stored_labels, stored_scores
from semlens.errors import SemlensError
from semlens.index.encodings import Encodings
from semlens.index.index import ConceptIndex, load_index
from semlens.index.kept import LabelsId, StoredLabels
from semlens.types import MISSING
from tests.encoded_audit import encoded_index
from tests.planted import phrases, planted

ABOUT: list[tuple[int, ...] | None] = [(3, 7)] * 4 + [(c,) for c in range(10)] + [None] * 20
INDEX = planted(ABOUT, k=20, crops=1200, layers=(10, 24), absent={5: 3, 25: 20})


@cache
def labelled() -> Labels:
    return label(INDEX, phrases(), draws=2000)


@cache
def scored() -> Scores:
    return score(INDEX, draws=200)


@cache
def mapped() -> Atlas:
    return atlas(INDEX, vocabulary=phrases(), drawing="principal", clusters=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    INDEX.save(tmp_path / "i")
    return tmp_path / "i"


def same_labels(a: Labels, b: Labels) -> None:
    """Equal in all but the phrases that are not named and their numbers."""
    assert [a.of(row) for row in range(34)] == [b.of(row) for row in range(34)]
    assert [a.best(row) for row in range(34)] == [b.best(row) for row in range(34)]
    assert list(map(repr, a.rows)) == list(map(repr, b.rows))  # not a number is equal in print only
    assert repr(a) == repr(b)
    assert (a.recipe, a.meanings) == (b.recipe, b.meanings)
    for name in ("fits", "p_value", "q_value", "stability"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)


def test_labels_come_back_as_they_were(folder: Path) -> None:
    assert labelled().meanings
    assert labelled().accepted.sum() > 8
    keep(labelled(), folder)
    found = stored_labels(load_index(folder, verify=True))
    assert found
    same_labels(found, labelled())
    assert set(found.vocabulary) == {
        labelled().vocabulary[at] for at in labelled().ranked[labelled().ranked != MISSING]
    } | {one.label for pair in labelled().meanings.values() for one in pair}
    keep(found, folder)
    again = stored_labels(load_index(folder))
    assert again
    same_labels(again, labelled())


def test_phrases_that_nothing_is_called_are_left_out() -> None:
    index = planted([(3,)] * 4 + [(5,)] * 4)
    kept = as_stored(label(index, phrases(), draws=1000, split=False))
    assert isinstance(kept, StoredLabels)
    best = replace(kept, ranked=kept.ranked[:, :1], alignments=kept.alignments[:, :1])
    found = stored_labels(replace(index, read_additions={StoredLabels: lambda: best}))
    assert found
    again = as_stored(found)
    assert isinstance(again, StoredLabels)
    assert again.phrases == ("concept 3", "concept 5")
    assert again.ranked[:, 0].tolist() == [0] * 4 + [1] * 4
    assert again.meanings.groups.shape == (0, 10)


def test_an_accepted_label_is_not_lost_in_rounding(folder: Path) -> None:
    """The rate lies between two floats32 that its float64 would round to."""
    fdr = float(np.float64(np.float32(0.05)) - 1e-12)
    q = np.where(labelled().q_value <= 0.05, fdr, np.nextafter(fdr, 1))
    close = replace(labelled(), q_value=q, recipe=replace(labelled().recipe, fdr=fdr))
    keep(close, folder)
    found = stored_labels(load_index(folder))
    assert found
    np.testing.assert_array_equal(found.accepted, close.accepted)
    assert 0 < found.accepted.sum() < 34


def test_labels_of_some_layers_and_one_phrase(folder: Path) -> None:
    made = label(INDEX, phrases([3]), layers=["layer1"], draws=1000, split=False)
    keep(made, folder)
    found = stored_labels(load_index(folder))
    assert found
    same_labels(found, made)
    assert found.recipe.layers == ("layer1",)


def test_scores_come_back_to_float32(folder: Path) -> None:
    keep(scored(), folder)
    found = stored_scores(load_index(folder, verify=True))
    assert found
    for name in ("clarity", "polysemanticity", "redundancy", "clarity_p", "excess"):
        np.testing.assert_array_equal(getattr(found, name), getattr(scored(), name).astype(np.float32))
    assert found.recipe == scored().recipe
    for mine, theirs in zip(found.layers, scored().layers, strict=True):
        assert (mine.layer, mine.components, mine.dead, mine.incomplete) == (
            theirs.layer, theirs.components, theirs.dead, theirs.incomplete,
        )  # fmt: skip
        for name in ("clarity", "polysemanticity", "redundancy"):
            for one in fields(getattr(mine, name)):
                wanted = getattr(getattr(theirs, name), one.name)
                np.testing.assert_equal(getattr(getattr(mine, name), one.name), float(np.float32(wanted)))
    assert [mine.dead for mine in found.layers] == [0, 1]
    assert [mine.incomplete for mine in found.layers] == [1, 0]


def test_scores_of_one_layer(folder: Path) -> None:
    keep(score(INDEX, layers=["layer1"], draws=50), folder)
    found = stored_scores(load_index(folder))
    assert found
    assert [of.layer for of in found.layers] == ["layer1"]
    assert len(found.rows) == 24
    assert np.isnan(found.clarity[:10]).all()


def test_an_atlas_comes_back_as_it_was(folder: Path) -> None:
    keep(mapped(), folder)
    found = stored_atlas(load_index(folder, verify=True))
    assert found
    assert found.rows == mapped().rows
    for name in ("row", "index_number", "x", "y", "cluster"):
        np.testing.assert_array_equal(getattr(found, name), getattr(mapped(), name), strict=True)
    assert (found.labels, found.sizes, found.dead, found.recipe) == (
        mapped().labels,
        mapped().sizes,
        1,
        mapped().recipe,
    )
    np.testing.assert_array_equal(found.fits, mapped().fits)
    assert (found.recipe.drawing, found.recipe.clusters) == ("principal", 4)


def test_an_atlas_without_names(folder: Path) -> None:
    keep(atlas(INDEX, drawing="principal"), folder)
    found = stored_atlas(load_index(folder))
    assert found
    assert set(found.labels) == {""}
    assert np.isnan(found.fits).all()
    assert found.recipe.vocabulary is None
    assert found.recipe.clusters is None


@pytest.mark.parametrize("found", [labelled(), scored(), mapped()], ids=["labels", "scores", "atlas"])
def test_nothing_else_of_the_index_changes(folder: Path, found: Labels | Scores | Atlas) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    old = before.pop("manifest.json")
    keep(found, folder)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.pop("manifest.json") != old
    assert {name: after[name] for name in before} == before
    keep(found, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        **after, "manifest.json": (folder / "manifest.json").read_bytes(),
    }  # fmt: skip


def test_one_kept_after_the_other_is_all_of_them_at_once(folder: Path, tmp_path: Path) -> None:
    for found in (mapped(), scored(), labelled(), atlas(INDEX, drawing="principal", clusters=2), mapped()):
        keep(found, folder)
    index = INDEX
    for found in (labelled(), scored(), mapped()):
        index = index.with_addition(as_stored(found))
    index.save(tmp_path / "whole")
    assert index.held == load_index(folder).held == ("labels", "scores", "atlas")
    names = [path.name for path in (tmp_path / "whole").iterdir() if path.suffix == ".safetensors"]
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".safetensors") == sorted(names)
    load_index(folder).save(tmp_path / "again")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()
    }


def test_an_index_that_keeps_all_can_be_pickled_for_workers() -> None:
    index = INDEX
    for found in (labelled(), scored(), mapped()):
        index = index.with_addition(as_stored(found))
    readers = pickle.loads(pickle.dumps(index.read_additions))
    assert len(readers) == len(index.held) == 3
    assert readers[StoredLabels]().phrases == as_stored(labelled()).phrases


def test_an_index_that_keeps_nothing_has_none() -> None:
    assert (stored_labels(INDEX), stored_scores(INDEX), stored_atlas(INDEX)) == (None, None, None)
    assert INDEX.held == ()


def of_another(index: ConceptIndex) -> ConceptIndex:
    return replace(index, recipe=replace(index.recipe, seed=99))


def test_what_is_of_another_index_is_not_kept(folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SemlensError, match="is not the index that this was computed from: nothing was added"):
        keep(replace(scored(), index=of_another(INDEX)), folder)
    with pytest.raises(SemlensError, match=r"the atlas cannot stand beside this index: x is float32 \[34\]"):
        planted([(1,)] * 3).with_addition(as_stored(mapped()))
    other = replace(INDEX, layers=tuple(replace(axis, layer=f"other{axis.layer}") for axis in INDEX.layers))
    with pytest.raises(SemlensError, match="the scores cannot stand beside this index: the layers asked for"):
        other.with_addition(as_stored(scored()))
    with pytest.raises(SemlensError, match="an atlas of several indexes cannot be kept"):
        keep(atlas([INDEX, INDEX], drawing="principal"), folder)
    with pytest.raises(SemlensError, match="nowhere"):
        keep(scored(), tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_labels_remember_what_determined_them() -> None:
    assert labelled().recipe == LabelsId(
        "standardised", 0.05, ("layer0", "layer1"), True, 2000, 0, labelled().recipe.vocabulary
    )  # fmt: skip
    assert labelled().recipe.vocabulary.phrases == 12
    other = replace(phrases(), vectors=-phrases().vectors)
    digests = {label(INDEX, words, draws=1000, split=False).recipe.vocabulary.digest for words in (phrases(), other)}
    assert len(digests) == 2
    assert labelled().recipe.vocabulary.digest in digests


def test_a_map_by_encoding_comes_back_as_it_was(tmp_path: Path) -> None:
    """Living components without an encoding have no place on it, and the format says from which version on."""
    index = encoded_index([{c: 1.0} for c in (0, 0, 1, 1, 2)], [0.1] * 5)
    own = index.encodings
    assert own is not None
    kept = (np.arange(5) < 4).astype(np.float32)
    quiet = replace(own, deviation=own.deviation * kept, cross=own.cross * kept[:, None])
    index = index._with(Encodings, lambda: quiet)
    index.save(tmp_path / "i")
    found = atlas(index, by="encoding", clusters=2, drawing="principal")
    keep(found, tmp_path / "i")
    again = stored_atlas(load_index(tmp_path / "i", verify=True))
    assert again
    assert (again.recipe, again.recipe.by, again.dead) == (found.recipe, "encoding", 1)
    np.testing.assert_array_equal(again.x, found.x)
    assert again.cluster.tolist() == found.cluster.tolist() == [0, 0, 1, 1]
    stored = json.loads((tmp_path / "i" / "manifest.json").read_text())
    assert (stored["atlas"]["by"], stored["version"]) == ("encoding", {"major": 1, "minor": 3})
    keep(atlas(index, drawing="principal"), tmp_path / "i")
    assert "by" not in json.loads((tmp_path / "i" / "manifest.json").read_text())["atlas"]
