"""A dictionary as data, as a file, and bound to layers of every kind."""

import gc
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from semlens.errors import SemlensError
from semlens.model.components import Components
from semlens.model.dictionary import BatchTopK, Dictionary, JumpRelu, Linear, Relu, Sparsity, TopK, moved
from semlens.model.dictionary_file import load_dictionary, save_dictionary
from semlens.model.kinds import Channels, Heads, Tokens
from semlens.model.latents import Latents, check_dictionaries
from semlens.model.layers import parse, parse_all, unit_names
from semlens.types import LayerAxis

RULES: list[Sparsity] = [
    Linear(),
    Relu(),
    TopK(5),
    TopK(5, rectified=False),
    BatchTopK(0.4),
    JumpRelu(torch.linspace(-0.5, 1, 40)),
]
BASES: list[tuple[Components, tuple[int, ...]]] = [
    (Channels("a"), (3, 16, 4, 5)),
    (Channels("a", dim=-1), (3, 7, 16)),
    (Channels("a"), (3, 16)),
    (Tokens("a", "patch", 1, 2), (3, 12, 16)),
    (Tokens("a", "cls", 1, 2), (3, 12, 16)),
    (Heads("a", "a.proj", 4, special=1), (3, 12, 16)),
]


def dictionary(
    sparsity: Sparsity, width: int = 16, units: int = 40, *, layer: str = "a", seed: int = 0, standardised: bool = False
) -> Dictionary:
    draw = torch.Generator().manual_seed(seed)
    return Dictionary(
        layer, torch.randn(width, units, generator=draw) / width**0.5, torch.randn(units, generator=draw) / 10,
        nn.functional.normalize(torch.randn(units, width, generator=draw)), torch.randn(width, generator=draw),
        sparsity, standardised=standardised,
    )  # fmt: skip


def bound(base: Components, given: Dictionary, dtype: torch.dtype = torch.float32) -> Latents:
    return Latents(given.text, base, given, moved(given, torch.device("cpu"), dtype))


def random(shape: tuple[int, ...], seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def slow(given: Dictionary, x: np.ndarray) -> np.ndarray:
    """The activations of one vector, by the formula, in float64."""
    x = x.astype(np.float64)
    if given.standardised:
        x = (x - x.mean()) / (x.std(ddof=1) + 1e-5)
    a = (x - given.centre.double().numpy()) @ given.encoder.double().numpy() + given.bias.double().numpy()
    match given.sparsity:
        case TopK(k, rectified):
            kept = np.zeros_like(a)
            best = sorted(range(len(a)), key=lambda i: (-a[i], i))[:k]
            kept[best] = a[best]
            return np.maximum(kept, 0) if rectified else kept
        case BatchTopK(theta):
            return np.where((a > theta) & (a > 0), a, 0)
        case JumpRelu(theta):
            return np.where((a > theta.numpy()) & (a > 0), a, 0)
        case Relu():
            return np.maximum(a, 0)
    return a


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(("base", "shape"), BASES, ids=str)
@pytest.mark.parametrize("standardised", [False, True])
def test_laws_of_kinds_hold_for_dictionaries(
    base: Components, shape: tuple[int, ...], rule: Sparsity, standardised: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, x = bound(base, dictionary(rule, standardised=standardised)), random(shape)
    acts = kind.read(x)
    assert torch.equal(kind.write(x, acts), x)
    vectors = base.vectors(x)  # type: ignore[attr-defined]
    assert acts.shape == (3, 40, vectors.shape[1])
    expected = slow(kind.dictionary, vectors[1, -1].numpy())
    np.testing.assert_allclose(acts[1, :, -1].numpy(), expected, atol=1e-5)
    changed = acts.clone()
    changed[:, 7] += 2
    moved_by = base.vectors(kind.write(x, changed)) - vectors  # type: ignore[attr-defined]
    scale = vectors.std(-1, keepdim=True) + 1e-5 if standardised else 1
    torch.testing.assert_close(moved_by, (2 * kind.dictionary.decoder[7] * scale).expand_as(vectors), atol=1e-5, rtol=0)
    rows, units = torch.tensor([2, 0, 2]), torch.tensor([7, 39, 0])
    torch.testing.assert_close(kind.at(x, rows, units), acts[rows, units])
    monkeypatch.setattr("semlens.model.latents.BLOCK", 40 * 3)  # positions, images and units in several blocks
    monkeypatch.setattr("semlens.model.latents._LEAST", 7)
    for how in ("max", "mean"):
        pooled = kind.pool(x, how)
        torch.testing.assert_close(pooled.activations, acts.amax(2) if how == "max" else acts.mean(2))
        if pooled.positions is not None:
            assert torch.equal(pooled.positions.long(), acts.argmax(2))


def test_the_identity_as_a_dictionary_reads_and_writes_as_channels_do() -> None:
    eye = Dictionary("a", torch.eye(6), torch.zeros(6), torch.eye(6), torch.zeros(6), Linear())
    kind, x = bound(Channels("a"), eye), random((2, 6, 3, 3))
    assert torch.equal(kind.read(x), Channels("a").read(x))
    acts = random((2, 6, 9), 5)
    torch.testing.assert_close(kind.write(x, acts), Channels("a").write(x, acts))


def test_of_equal_products_the_lower_unit_is_kept_and_no_more_than_k() -> None:
    tied = torch.tensor([[1.0, 3, 3, 3, 0], [2, 2, 2, 2, 2], [-1, -1, -2, -1, -1], [math.nan] * 5])
    assert TopK(2).keeps(tied).int().tolist() == [[0, 1, 1, 0, 0], [1, 1, 0, 0, 0], [0] * 5, [1] * 5]
    assert TopK(2, rectified=False).keeps(tied)[2].int().tolist() == [1, 1, 0, 0, 0]
    assert TopK(9).keeps(tied)[0].int().tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("rule", [TopK(3), TopK(40), TopK(3, rectified=False)], ids=str)
def test_the_highest_of_a_few_kept_are_those_of_all_at_their_first_position(rule: TopK, tied: bool) -> None:
    given = dictionary(rule)
    if tied:  # each unit twice, so that at every position some are equal to the last that is kept
        given = replace(
            given, **{key: getattr(given, key)[..., :20].repeat_interleave(2, -1) for key in ("encoder", "bias")}
        )
    kind, x = bound(Channels("a"), given), random((3, 16, 4, 5)) * torch.tensor([1.0, 0.0, 1.0])[:, None, None, None]
    x[2] = x[2, :, :1, :1]  # the same at all positions: the first is meant
    acts, pooled = kind.read(x), kind.pool(x, "max")
    torch.testing.assert_close(pooled.activations, acts.amax(2))
    assert pooled.positions is not None
    assert torch.equal(pooled.positions.long(), acts.argmax(2))
    assert (rule.largest(random((4, 40))) is None) == (rule != TopK(3))


def test_numbers_that_are_none_and_ties_are_looked_at_whole() -> None:
    rule, products = TopK(2), random((3, 9))
    assert rule.largest(products) is not None
    assert rule.largest(products.index_fill(0, torch.tensor(1), math.nan)) is None
    products[2, :5] = 7
    assert rule.largest(products) is None
    assert rule.largest(-products.abs()) is not None  # what is not positive is not kept, equal or not


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_an_image_that_gives_no_numbers_is_not_silent(rule: Sparsity) -> None:
    x = random((2, 16))
    x[1] = math.nan
    assert bound(Channels("a"), dictionary(rule)).pool(x, "mean").activations[1].isnan().all()


def test_weights_of_half_precision_and_layers_of_half_precision() -> None:
    given = dictionary(Relu())
    half = replace(given, encoder=given.encoder.bfloat16(), decoder=given.decoder.bfloat16())
    assert half.encoder.dtype == torch.float32
    assert torch.equal(half.encoder, given.encoder.bfloat16().float())
    kind, x = bound(Channels("a"), half, torch.bfloat16), random((2, 16, 3, 3)).bfloat16()
    acts = kind.read(x)
    assert acts.dtype == torch.float32
    assert torch.equal(kind.write(x, acts), x)
    with torch.autocast("cpu", torch.bfloat16):  # a build in bfloat16
        assert torch.equal(kind.read(x), acts)


def test_two_units_with_one_decoder_are_both_read_and_each_written() -> None:
    given = dictionary(Relu())
    decoder = given.decoder.clone()
    decoder[1] = decoder[0]
    kind, x = bound(Channels("a"), replace(given, decoder=decoder)), random((2, 16))
    acts = kind.read(x)
    assert torch.equal(kind.write(x, acts), x)
    one, other = acts.clone(), acts.clone()
    one[:, 0] += 1
    other[:, 1] += 1
    torch.testing.assert_close(kind.write(x, one), kind.write(x, other))


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("test_vit", num_classes=2).eval()


X = random((1, 3, 160, 160))


def test_a_dictionary_is_bound_by_name_by_file_and_as_it_is(net: nn.Module, tmp_path: Path) -> None:
    made = dictionary(TopK(3), width=64, layer="blocks.1@cls")
    saved = save_dictionary(
        replace(made, names=tuple(f"unit {i}" for i in range(40)), fvu=0.25), tmp_path / "d.safetensors"
    )
    by_file = parse(net, f"blocks.1@dictionary:{tmp_path / 'd.safetensors'}", X)
    assert isinstance(by_file, Latents)
    assert by_file.part == "cls"
    assert by_file.kind == saved.kind == f"dictionary {saved.digest[:16]}, FVU 0.250"
    assert by_file.unit_name(3, 40) == "unit 3"
    ((in_memory, count),) = parse_all(net, [made], X)
    assert count == 40
    assert in_memory.layer == f"blocks.1@cls@dictionary:{made.digest[:16]}"
    assert parse(net, in_memory.layer, X).kind == made.kind
    assert parse_all(net, [in_memory], X) == [(in_memory, 40)]
    name = in_memory.layer
    del made, in_memory
    gc.collect()
    with pytest.raises(SemlensError, match="there is no dictionary"):
        parse(net, name, X)


def test_patch_dictionaries_do_not_see_the_class_token(net: nn.Module) -> None:
    patch, cls = parse_all(
        net,
        [dictionary(Relu(), width=64, layer="blocks.1"), dictionary(Relu(), width=64, layer="blocks.1@cls", seed=1)],
        X,
    )
    x = random((2, 101, 64))
    other = x.clone()
    other[:, 0] = 9
    assert torch.equal(patch[0].read(x), patch[0].read(other))
    assert not torch.equal(cls[0].read(x), cls[0].read(other))
    assert patch[0].grid(x) == (10, 10)
    assert [kind.part for kind in patch[0].beside] == ["cls"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            dictionary(Relu(), width=8, layer="patch_embed.proj"),
            "vectors of 8 entries and layer 'patch_embed.proj' has 64",
        ),
        (dictionary(Relu(), layer="nothing"), "unknown layer 'nothing'"),
        (dictionary(Relu(), layer=""), "does not say its layer"),
    ],
)
def test_a_dictionary_that_does_not_fit_is_refused(net: nn.Module, given: Dictionary, said: str) -> None:
    with pytest.raises(SemlensError, match=said):
        parse(net, given, X)


def test_a_dictionary_for_another_layer_is_refused(net: nn.Module, tmp_path: Path) -> None:
    file = save_dictionary(dictionary(Relu(), width=64, layer="blocks.1@cls"), tmp_path / "d.safetensors").name
    with pytest.raises(SemlensError, match=r"is one of layer 'blocks.1@cls'; write blocks.1@cls@dictionary:"):
        parse(net, f"patch_embed.proj@dictionary:{file}", X)
    with pytest.raises(SemlensError, match="is one of layer 'blocks.1@cls', not of 'patch_embed.proj'"):
        load_dictionary(file, "patch_embed.proj")


def test_an_output_of_two_classes_does_not_name_two_directions_on_it(net: nn.Module) -> None:
    two = Dictionary("head", torch.eye(2), torch.zeros(2), torch.eye(2), torch.zeros(2), Linear())
    parsed = parse_all(net, ["head", two], X)
    assert unit_names(net, parsed, ("mole", "melanoma"), X) == ("mole", "melanoma", None, None)


def test_another_dictionary_in_the_same_file_is_noticed(net: nn.Module, tmp_path: Path) -> None:
    file = tmp_path / "d.safetensors"
    saved = save_dictionary(dictionary(Relu(), width=64, layer="patch_embed.proj"), file)
    axes = [
        LayerAxis("patch_embed.proj", "channels", 0, 64),
        LayerAxis(f"patch_embed.proj@dictionary:{file}", saved.kind, 64, 104),
    ]
    check_dictionaries(axes)
    save_dictionary(dictionary(Relu(), width=64, layer="patch_embed.proj", seed=1), file)
    with pytest.raises(SemlensError, match="is not the dictionary that was used then"):
        check_dictionaries(axes)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_file_gives_back_what_was_saved(rule: Sparsity, tmp_path: Path) -> None:
    made = replace(dictionary(rule, standardised=True), names=tuple(map(str, range(40))), fvu=0.1)
    saved = save_dictionary(made, tmp_path / "deep" / "d.safetensors")
    again = load_dictionary(tmp_path / "deep" / "d.safetensors")
    assert (again.digest, again.kind, again.name) == (made.digest, made.kind, saved.name)
    assert again.text == f"a@dictionary:{tmp_path / 'deep' / 'd.safetensors'}"
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "d.safetensors"]


def test_what_makes_another_dictionary_makes_another_digest() -> None:
    made = dictionary(JumpRelu(torch.zeros(40)))
    others = [
        replace(made, sparsity=JumpRelu(torch.full((40,), 1e-3))),
        replace(made, sparsity=Relu()),
        replace(made, layer="b"),
        replace(made, names=tuple(map(str, range(40)))),
        replace(made, fvu=0.5),
        replace(made, standardised=True),
        replace(made, centre=made.centre + 1),
    ]
    assert len({made.digest, *(other.digest for other in others)}) == 8
    assert replace(made, name="elsewhere").digest == made.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bias": torch.zeros(3)}, "do not fit each other"),
        ({"names": ("one",)}, "1 names for 40 units"),
        ({"sparsity": JumpRelu(torch.zeros(3))}, "3 thresholds for 40 units"),
        ({"centre": torch.full((16,), math.nan)}, "not all finite"),
    ],
)
def test_no_half_made_dictionary(change: dict[str, object], said: str) -> None:
    with pytest.raises(SemlensError, match=said):
        replace(dictionary(Relu()), **change)  # type: ignore[arg-type]


def test_a_file_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    (plain := tmp_path / "plain").write_text("")
    save_dictionary(dictionary(Relu()), tmp_path / "d.safetensors")
    assert (tmp_path / "d.safetensors").stat().st_mode == plain.stat().st_mode
