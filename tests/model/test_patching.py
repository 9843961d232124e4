"""Activation patching and steering on a transformer of which it is known where each thing lies: the three
demonstrations (another instruction, attention to another object, another attribute), and what must have no effect."""

import pytest
import torch

import semlens as sl
from semlens.errors import SemlensError
from semlens.model import Change, VisionModel, parse_all, record, units_set
from tests.planted_texts import BLUE, FIRST, NAME, PAINT, PLACES, RED, SECOND, WORDS, planted
from tests.tiny_texts import SENTENCES, studied
from tests.toy import colours

GATHERED, LAST = "model.blocks.0", PLACES - 1
TARGET = "name first red cat blue dog ?"


@pytest.fixture(scope="module")
def model() -> VisionModel:
    return planted()


def answer(model: VisionModel, text: str) -> str:
    with torch.no_grad():
        return WORDS[int(model.net(model.preprocess(text)[None]).argmax())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TARGET, "cat"), ("name second red cat blue dog ?", "dog"), ("paint first red cat blue dog ?", "red"),
        ("paint second red cat blue dog ?", "blue"), ("paint second blue dog red cat ?", "red"),
    ],
)  # fmt: skip
def test_the_planted_network_answers(model: VisionModel, text: str, expected: str) -> None:
    assert answer(model, text) == expected


def test_another_instruction(model: VisionModel) -> None:
    """The last word holds the instruction: patched there, the network does what the source asks, with the target's
    objects."""
    found = sl.patch(
        model, "paint first blue dog red cat ?", TARGET, [f"{GATHERED}:{NAME}", f"{GATHERED}:{PAINT}"], at=LAST
    )
    assert (WORDS[int(found.source.argmax())], WORDS[int(found.target.argmax())]) == ("blue", "cat")
    assert found.predicted == "red", "the colour of the target's own object"
    assert found.patched[WORDS.index("red")] == pytest.approx(1)
    whole = sl.patch(model, "paint first red cat blue dog ?", TARGET, GATHERED, at=LAST)
    assert whole.effect[WORDS.index("red")] == pytest.approx(1)
    assert whole.effect[WORDS.index("cat")] == pytest.approx(1)


def test_attention_to_another_object(model: VisionModel) -> None:
    """One head says which object is meant: with that of the source the last word looks at the other object."""
    source = "name second red cat blue dog ?"
    found = sl.patch(model, source, TARGET, f"{GATHERED}.attn@heads:1", at=LAST)
    assert found.predicted == "dog"
    assert sl.patch(model, source, TARGET, f"{GATHERED}.attn@heads:0", at=LAST).predicted == "cat"
    looks = "model.blocks.1.attn.weights"
    with torch.no_grad(), record(model.net, [looks]) as seen:
        model.net(model.preprocess(TARGET)[None])
    assert int(seen[looks][0, 0, LAST].argmax()) == 3
    change = Change(GATHERED, (FIRST, SECOND), torch.tensor([0.0, 1.0]))
    with torch.no_grad(), units_set(model.net, [change], model.example_input()), record(model.net, [looks]) as seen:
        model.net(model.preprocess(TARGET)[None])
    assert int(seen[looks][0, 0, LAST].argmax()) == 5


def test_another_attribute(model: VisionModel) -> None:
    """An object's colour is bound at the object's place: patched there the cat is blue, and still a cat."""
    source = "name first blue cat red dog ?"
    cat = model.preprocess.places(TARGET, "cat")  # type: ignore[attr-defined]
    assert cat == (3,)
    paint = TARGET.replace("name", "paint")
    assert answer(model, paint) == "red"
    assert sl.patch(model, source, paint, GATHERED, at=cat).predicted == "blue"
    assert sl.patch(model, source, TARGET, GATHERED, at=cat).predicted == "cat"
    assert sl.patch(model, source, paint, [f"{GATHERED}:{RED}", f"{GATHERED}:{BLUE}"], at=cat).predicted == "blue"


def test_a_word_goes_to_another_place(model: VisionModel) -> None:
    """The source's dog, red at place 5, put in the place of the target's cat."""
    source = "name first blue cat red dog ?"
    found = sl.patch(model, source, TARGET, "model.embed", at={5: 3})
    assert found.predicted == "dog"


@pytest.mark.parametrize("place", [2, 4, 5])
def test_what_is_not_looked_at_has_no_effect(model: VisionModel, place: int) -> None:
    found = sl.patch(model, "paint second blue dog red cat ?", TARGET, GATHERED, at=place)
    assert torch.equal(found.patched, found.target)
    assert found.effect[WORDS.index("cat")] == 0


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_patching_all_of_a_layer_gives_the_source(name: str) -> None:
    """Of two texts of one length, if nothing passes beside the layer."""
    model = studied(name)
    layer = {"bert": "model.encoder.layer.1", "gpt2": "model.transformer.h.1", "llama": "model.model.layers.1"}[name]
    a, b = SENTENCES[0], SENTENCES[2] + " sea"
    assert len(a.split()) == len(b.split())
    site = [layer, f"{layer}@cls"] if name == "bert" else layer
    found = sl.patch(model, a, b, site)
    if name == "bert":  # whose output is a mean over [SEP] too, which no kind reads
        assert found.effect.median() == pytest.approx(1, abs=0.3)
    else:
        assert torch.allclose(found.patched, found.source, atol=1e-5)
    assert not torch.allclose(found.patched, found.target, atol=1e-2)
    same = sl.patch(model, b, b, site)
    assert torch.allclose(same.patched, same.target, atol=1e-6)


def test_steering_is_a_change_of_units(model: VisionModel) -> None:
    """With the instruction set to paint every text is answered with a colour, and after it as before."""
    change = Change(GATHERED, (NAME, PAINT), torch.tensor([0.0, 1.0]))
    with units_set(model.net, [change], model.example_input()):
        assert answer(model, TARGET) == "red"
        assert answer(model, "name second red cat blue dog ?") == "blue"
    assert answer(model, TARGET) == "cat"
    ((kind, _),) = parse_all(model.net, [f"{GATHERED}@channels:-1"], model.example_input())

    def towards(output: torch.Tensor) -> torch.Tensor:
        acts = kind.read(output).clone()
        acts[:, PAINT] += 1
        acts[:, NAME] -= 1
        return kind.write(output, acts)

    with sl.edit(model.net, kind.site, towards):
        assert answer(model, TARGET) == "red"


def test_images_are_patched_too() -> None:
    """A whole layer of the source's: what follows is the source's."""
    model = colours()
    a, b = (torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    found = sl.patch(model, a, b, "conv")
    assert torch.allclose(found.patched, found.source, atol=1e-6)
    assert not torch.allclose(found.source, found.target, atol=1e-3)


@pytest.mark.parametrize(
    ("site", "at", "said"),
    [
        (GATHERED, PLACES, "the source has nothing at place 7"), (f"{GATHERED}:90", 0, "has no unit 90"),
        ("model.blocks.9", None, "unknown layer"), ([], None, "no site is given"),
        ([GATHERED, f"{GATHERED}:3"], None, "patched whole and in part"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(model: VisionModel, site: str | list[str], at: int | None, said: str) -> None:
    with pytest.raises(SemlensError, match=said):
        sl.patch(model, TARGET, TARGET, site, at=at)


def test_texts_of_different_lengths_need_their_places() -> None:
    model = studied("gpt2")
    with pytest.raises(SemlensError, match="different numbers of tokens"):
        sl.patch(model, SENTENCES[0], SENTENCES[1], "model.transformer.h.0")
    with pytest.raises(SemlensError, match="the source has nothing at place 5"):
        sl.patch(model, SENTENCES[0], SENTENCES[1], "model.transformer.h.0", at={5: 1})
    with pytest.raises(SemlensError, match="'the' stands 2 times"):
        model.preprocess.places("the dog by the tree", "the")  # type: ignore[attr-defined]
