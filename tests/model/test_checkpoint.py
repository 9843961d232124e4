"""Checkpoints as people have them: wrapped, prefixed, averaged, sharded, fine-tuned; and what is none at all."""

import argparse
import json
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from semlens.errors import SemlensError
from semlens.model.loading import load_model
from semlens.model.weights import CheckpointWarning, load_weights


def net(classes: int = 2, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), fc=nn.Linear(4, classes)))


STATE = dict(net().state_dict())


def prefixed(prefix: str, state: dict[str, Any] = STATE) -> dict[str, Any]:
    return {f"{prefix}{key}": value for key, value in state.items()}


def loads(checkpoint: Any, file: Path, name: str = "") -> list[str]:
    """What is said while the checkpoint is put into a net of other weights, which must then have those of `net()`."""
    torch.save(checkpoint, file)
    other = net(seed=1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_weights(other, f"{file}{name}")
    for key, value in other.state_dict().items():
        assert key.endswith("num_batches_tracked") or torch.equal(value, STATE[key]), key
    assert all(issubclass(warning.category, CheckpointWarning) for warning in said)
    return [str(warning.message) for warning in said]


def refused(checkpoint: Any, file: Path, name: str = "") -> str:
    torch.save(checkpoint, file)
    with pytest.raises(SemlensError) as error:
        load_weights(net(seed=1), f"{file}{name}")
    assert "\x1b" not in str(error.value)
    return str(error.value).replace(str(file), "FILE")


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [
        (STATE, []),
        (prefixed("module."), ["without the prefix 'module.'"]),
        (prefixed("_orig_mod."), []),  # torch's own wrapper, which changes nothing
        (prefixed("module._orig_mod.model."), ["without the prefix 'module.model.'"]),
        (prefixed("any.thing.at.all."), ["without the prefix 'any.thing.at.all.'"]),
        ({"state_dict": STATE}, ["inside of 'state_dict'"]),
        ({"model": prefixed("net.")}, ["inside of 'model'", "without the prefix 'net.'"]),
        (
            {"epoch": 3, "model_state_dict": STATE, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}},
            ["model_st"],
        ),
        ({"checkpoint": {"params": STATE}, "args": argparse.Namespace(lr=0.1)}, ["inside of 'checkpoint.params'"]),
        ({"epoch": 3, "best": 0.5, **STATE}, ["left out, as no part of the model: epoch, best"]),
        (prefixed("module.") | {"n_averaged": torch.tensor(7)}, ["without the prefix 'module.'", "out.*n_averaged"]),
        (prefixed("model.") | {"criterion.weight": torch.ones(2)}, ["left out.*criterion.weight"]),
        ({k: v for k, v in STATE.items() if "num_batches" not in k}, []),
        ({"conv._orig_mod.weight" if k == "conv.weight" else k: v for k, v in STATE.items()}, []),
    ],
)
def test_what_wraps_weights_is_taken_off_and_said(checkpoint: Any, said: list[str], tmp_path: Path) -> None:
    messages = loads(checkpoint, tmp_path / "w.pt")
    assert len(messages) == bool(said)
    for words in said:
        assert re.search(words, messages[0]), messages


def test_a_network_that_is_wrapped_takes_weights_of_what_is_inside(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pt")
    outer = nn.ModuleDict({"model": net(seed=1)})
    load_weights(outer, tmp_path / "w.pt")
    assert torch.equal(outer.state_dict()["model.fc.weight"], STATE["fc.weight"])
    torch.save(prefixed("module.model."), tmp_path / "w.pt")
    other = nn.ModuleDict({"model": net(seed=2)})
    with pytest.warns(CheckpointWarning, match=r"prefix 'module\.'"):
        load_weights(other, tmp_path / "w.pt")
    assert torch.equal(other.state_dict()["model.fc.weight"], STATE["fc.weight"])


def test_of_several_the_plain_one_is_taken_and_the_average_can_be_asked_for(tmp_path: Path) -> None:
    averaged = {key: value + 1 for key, value in STATE.items()}
    (said,) = loads({"model_ema": averaged, "model": STATE}, tmp_path / "w.pt")
    assert "model_ema would fit too: FILE#model_ema takes it" in said
    (said,) = loads({"model_ema": STATE, "model": averaged}, tmp_path / "w.pt", "#model_ema")
    assert "inside of 'model_ema'" in said
    two = prefixed("student.") | prefixed("teacher.", averaged)
    assert "holds several weights that fit, student and teacher: say which, as w.pt#teacher" in refused(
        two, tmp_path / "w.pt"
    )
    loads(two, tmp_path / "w.pt", "#student")
    assert "FILE has no weights 'tutor'; it has: student, teacher" in refused(two, tmp_path / "w.pt", "#tutor")
    assert len(loads({"model": STATE, "state_dict": STATE}, tmp_path / "w.pt")) == 1  # the same tensors twice


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fc.weight": None}, "missing 1: fc.weight"),
        ({"fc.scale": torch.ones(2)}, "unexpected 1: fc.scale"),
        ({"conv.weight": torch.ones(4, 1, 3, 3)}, "of another shape 1: conv.weight (4, 1, 3, 3), here (4, 3, 3, 3)"),
        ({"fc.weight": torch.ones(2, 4, dtype=torch.int8)}, "fc.weight (2, 4) of int8, here (2, 4)"),
        (
            {"fc.weight": torch.ones(7, 4), "fc.bias": torch.ones(7)},
            "Its classifier has 7 classes: write NAME?num_classes=7@FILE",
        ),
        ({"fc.lora_A.weight": torch.ones(2)}, "weights of a LoRA/PEFT adapter: merge it first"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_does_not_fit_is_named_key_by_key(
    change: dict[str, Any], said: str, wrapped: bool, tmp_path: Path
) -> None:
    state = {key: value for key, value in {**STATE, **change}.items() if value is not None}
    checkpoint = {"state_dict": prefixed("module.", state), "scaler": {"scale": torch.ones(1)}} if wrapped else state
    message = refused(checkpoint, tmp_path / "w.pt")
    assert message.startswith("FILE does not fit this model")
    assert said in message
    assert ("(inside of 'state_dict.module')" in message) is wrapped


def test_the_second_name_of_a_shared_tensor_may_be_missing(tmp_path: Path) -> None:
    def tied(seed: int) -> nn.ModuleDict:
        torch.manual_seed(seed)
        inside = nn.Linear(3, 3)
        outside = nn.Linear(3, 3, bias=False)
        outside.weight = inside.weight
        return nn.ModuleDict({"inside": inside, "outside": outside})

    state = dict(tied(0).state_dict())
    del state["outside.weight"]
    save_file(state, tmp_path / "w.safetensors")
    other = tied(1)
    load_weights(other, tmp_path / "w.safetensors")
    assert torch.equal(other.state_dict()["outside.weight"], state["inside.weight"])
    del state["inside.weight"]
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(SemlensError, match=r"missing 2: inside\.weight, outside\.weight"):
        load_weights(tied(1), tmp_path / "w.safetensors")


def test_a_sharded_checkpoint_is_read_by_its_index(tmp_path: Path) -> None:
    names = list(STATE)
    parts = {f"model-0000{i + 1}-of-00002.safetensors": names[i::2] for i in range(2)}
    for file, keys in parts.items():
        save_file({key: STATE[key] for key in keys}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {key: file for file, keys in parts.items() for key in keys}}))
    other = net(seed=1)
    load_weights(other, index)
    assert torch.equal(other.state_dict()["fc.weight"], STATE["fc.weight"])
    with pytest.raises(SemlensError, match=r"missing .*It is one part of several: give their index"):
        load_weights(other, tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(SemlensError, match=r"is a folder: give the file in it, one of model-00001"):
        load_weights(other, tmp_path)
    index.write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    with pytest.raises(SemlensError, match=r"names '\.\./secret\.safetensors', which is no file beside it"):
        load_weights(other, index)
    index.write_text("[1]")
    with pytest.raises(SemlensError, match="it has no weight_map"):
        load_weights(other, index)


def test_safetensors_are_known_by_what_they_hold(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "w.bin")
    other = net(seed=1)
    load_weights(other, tmp_path / "w.bin")
    assert torch.equal(other.state_dict()["conv.weight"], STATE["conv.weight"])
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "w.bin").read_bytes()[:700])
    with pytest.raises(SemlensError, match="damaged or was cut off"):
        load_weights(other, tmp_path / "cut.safetensors")


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("code from a checkpoint ran",))


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (2, r"holds Python objects beside the tensors \(.*print\)"),
        (4, r"no file of plain weights \(Unsupported operand 149\)"),
    ],
)
def test_a_checkpoint_that_holds_code_is_refused_and_not_run(
    protocol: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"w": torch.ones(1)}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "evil.pt", "w") as evil:
        for name in plain.namelist():
            evil.writestr(name, pickle.dumps(Evil(), protocol) if name.endswith("data.pkl") else plain.read(name))
    with pytest.raises(SemlensError, match=said):
        load_weights(net(), tmp_path / "evil.pt")
    assert "code from a checkpoint ran" not in capsys.readouterr().out


def test_a_whole_model_and_a_lightning_file_say_how_to_get_their_tensors(tmp_path: Path) -> None:
    assert refused(net(), tmp_path / "w.pt").startswith(
        "FILE holds a whole pickled model (torch.nn.modules.batchnorm.BatchNorm2d) and not plain weights"
    )
    lightning = {"state_dict": prefixed("model."), "pytorch-lightning_version": "2.5", "hyper_parameters": Evil()}
    message = refused(lightning, tmp_path / "w.ckpt")
    assert "is a Lightning checkpoint that holds Python objects beside the tensors" in message
    assert 'torch.save(torch.load("w.ckpt", weights_only=False)["state_dict"], "weights.pt")' in message
    plain = lightning | {"hyper_parameters": {"lr": 0.1}}
    assert "inside of 'state_dict' and without the prefix 'model.'" in loads(plain, tmp_path / "w.ckpt")[0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("w.pt", b"", "is empty"),
        ("w.pt", b"no checkpoint", "is no checkpoint of PyTorch or safetensors"),
        ("w.pt", b"\x80\x02garbage", "is damaged, or no file of plain weights"),
        ("w.pt", b"\n<!DOCTYPE html><html>", "is a web page"),
        ("w.pt", b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        ("w.pt", b"PK\x03\x04" + bytes(100), "was cut off"),
        ("w.pt", b"\x1f\x8b\x08" + bytes(100), "is compressed"),
        ("w.safetensors", b"\x80\x02", "is no safetensors file"),
        ("w.npz", b"PK\x03\x04" + bytes(100), "holds weights of JAX or numpy"),
        ("w.onnx", b"\x08\x07", "holds weights of ONNX"),
    ],
)
def test_files_that_are_no_checkpoint(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SemlensError, match=said):
        load_weights(net(), tmp_path / name)


def test_archives_and_adapters_are_told_apart(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("script/data.pkl", b"")
        archive.writestr("script/constants.pkl", b"")
    with pytest.raises(SemlensError, match="holds a TorchScript program"):
        load_weights(net(), tmp_path / "script.pt")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("readme.txt", "weights")
    with pytest.raises(SemlensError, match="is an archive, but no checkpoint"):
        load_weights(net(), tmp_path / "a.zip")
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(SemlensError, match="holds a LoRA/PEFT adapter"):
        load_model(f"hf:{tmp_path}")


@pytest.mark.slow
def test_fine_tuned_models_by_spec(tmp_path: Path) -> None:
    import timm
    from torchvision.models import resnet18

    torch.manual_seed(0)
    file = tmp_path / "best.pt"
    torch.save(prefixed("module.", timm.create_model("resnet10t", num_classes=2).state_dict()), file)
    with pytest.warns(CheckpointWarning, match="module"):
        model = load_model(f"timm:resnet10t?classes=benign, malignant@{file}")
    assert model.class_names == ("benign", "malignant")
    assert torch.equal(model.net.state_dict()["fc.bias"], torch.load(file, weights_only=True)["module.fc.bias"])
    assert model.name == f"timm:resnet10t?classes=benign, malignant@{file}"
    with pytest.raises(SemlensError, match=r"has 2 classes: write NAME\?num_classes=2@FILE"):
        load_model(f"timm:resnet10t@{file}")
    torch.save(resnet18(num_classes=3).state_dict(), file)
    model = load_model(f"torchvision:resnet18?num_classes=3@{file}")
    assert model.class_names == ()
    assert model.net.fc.out_features == 3


def test_a_fine_tuned_model_of_transformers_by_spec(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, image_size=16, patch_size=8
    )
    ViTForImageClassification(config).save_pretrained(tmp_path / "base")
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path / "base")
    torch.manual_seed(3)
    config.num_labels = 5
    tuned = ViTForImageClassification(config)
    torch.save({"state_dict": tuned.state_dict()}, tmp_path / "tuned.pt")
    with pytest.warns(CheckpointWarning, match="state_dict"):
        model = load_model(f"hf:{tmp_path / 'base'}?num_classes=5@{tmp_path / 'tuned.pt'}")
    assert torch.equal(model.net.state_dict()["classifier.weight"], tuned.state_dict()["classifier.weight"])
    assert model.class_names == ()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("timm:resnet10t?num_classes=2", "has random weights until its own are given"),
        ("timm:resnet10t?num_classes@w.pt", "'num_classes' is no option here"),
        ("timm:resnet10t?pretrained_cfg=x@w.pt", "'pretrained_cfg' is no option here"),
        ("timm:resnet10t?num_classes=3&classes=a,b@w.pt", "2 names of classes for 3 classes"),
        ("timm:resnet10t?colour=red@w.pt", "cannot be made with colour=red: .*unexpected keyword"),
        ("torchvision:resnet18?colour=red@w.pt", "cannot be made with colour=red: .*unexpected keyword"),
    ],
)
def test_options_that_cannot_be(spec: str, said: str) -> None:
    with pytest.raises(SemlensError, match=said):
        load_model(spec)
