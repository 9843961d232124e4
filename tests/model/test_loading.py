from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from semlens.errors import SemlensError
from semlens.model.loading import load_model
from semlens.model.vision_model import VisionModel, describe
from semlens.model.weights import CheckpointWarning
from tests.toy import Colours, colours, to_tensor

FACTORY = """
from helper import make
from semlens import VisionModel

def build():
    return make(VisionModel)

def wrong():
    return 3
"""
HELPER = """
import sys
sys.path.insert(0, {root!r})
from tests.toy import Colours, to_tensor

def make(model):
    return model(Colours(), to_tensor, ("a", "b", "c", "d"))
"""


@pytest.mark.slow
def test_offline_efficientnet_knows_a_cat() -> None:
    from skimage import data

    model = load_model("offline:efficientnet_lite0")
    with torch.no_grad():
        logits = model.net(model.preprocess(Image.fromarray(data.chelsea()))[None])
    assert model.class_names[int(logits.argmax())] in {"tabby", "tiger cat", "Egyptian cat"}
    assert model.name == "offline:efficientnet_lite0"
    assert not model.net.training
    assert len(model.layers()) > 200


@pytest.mark.slow
def test_timm_with_local_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = timm.create_model("resnet18", pretrained=False)
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    torch.save({"state_dict": net.state_dict()}, tmp_path / "w.pt")
    one = load_model(f"timm:resnet18@{tmp_path / 'w.safetensors'}")
    with pytest.warns(CheckpointWarning, match="taken inside of 'state_dict'"):
        two = load_model(f"timm:resnet18@{tmp_path / 'w.pt'}")
    assert one.fingerprint() == two.fingerprint()
    assert one.class_names[207] == "golden retriever"
    assert one.preprocess(Image.new("RGB", (300, 200))).shape == (3, 224, 224)
    x = one.example_input()
    net.eval()
    with torch.no_grad():
        torch.testing.assert_close(one.net(x), net(x))


def test_torchvision_with_local_weights(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    net = resnet18(weights=None)
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    model = load_model(f"torchvision:resnet18@{tmp_path / 'w.safetensors'}")
    assert torch.equal(model.net.get_parameter("fc.weight"), net.fc.weight)
    assert model.class_names[0] == "tench"
    assert model.preprocess(Image.new("RGB", (300, 200))).shape == (3, 224, 224)


@pytest.mark.parametrize("head", [True, False])
def test_hf_from_a_folder(tmp_path: Path, head: bool) -> None:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor, ViTModel

    sizes: dict[str, Any] = {
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "image_size": 16,
        "patch_size": 8,
    }
    config = ViTConfig(**sizes, id2label={0: "benign", 1: "malignant"}, label2id={"benign": 0, "malignant": 1})
    torch.manual_seed(0)
    net = (ViTForImageClassification if head else ViTModel)(config)
    net.save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(tmp_path)
    model = load_model(f"hf:{tmp_path}")
    assert model.class_names == (("benign", "malignant") if head else ())
    assert model.preprocess(Image.new("RGB", (30, 20))).shape == (3, 16, 16)
    layer = "vit.layers.0" if head else "layers.0"
    rows = {row.layer: (row.kind, row.components) for row in model.layers()}
    assert any(kind == "tokens" and size == 16 for kind, size in rows.values()), (layer, rows)
    assert any(kind == "heads" and size == 2 for kind, size in [(r.kind, r.components) for r in model.layers()])


def test_a_file_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FACTORY)
    (tmp_path / "helper.py").write_text(HELPER.format(root=str(Path(__file__).parents[2])))
    model = load_model(f"file:{tmp_path / 'mine.py'}:build")
    assert isinstance(model.net, Colours)
    assert model.fingerprint() == VisionModel(Colours(), to_tensor).fingerprint()
    with pytest.raises(SemlensError, match=r"gives a int; let it return semlens\.VisionModel"):
        load_model(f"file:{tmp_path / 'mine.py'}:wrong")
    with pytest.raises(SemlensError, match="unknown factory.*'biuld'.*build"):
        load_model(f"file:{tmp_path / 'mine.py'}:biuld")
    with pytest.raises(SemlensError, match=r"unknown model file.*mine\.py"):
        load_model(f"file:{tmp_path / 'mime.py'}:build")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet18", "unknown model 'resnet18'.*FAMILY:NAME"),
        ("tim:resnet18", "nearest: timm:"),
        ("timm:resnet19", "unknown timm model 'resnet19'; nearest: resnet"),
        ("torchvision:resnet19", "unknown torchvision model 'resnet19'; nearest: resnet"),
        ("torchvision:resnet18/IMAGENET1K_V3", "nearest: IMAGENET1K_V1"),
        ("offline:resnet18", "unknown offline model 'resnet18'"),
        ("timm:resnet18@/nowhere/w.safetensors", "unknown weights file"),
        ("hf:/nowhere/at-all", "cannot be loaded.*Without a network"),
        ("timm:resnet18", "cannot be loaded.*Without a network"),
    ],
)
def test_mistakes(spec: str, message: str) -> None:
    with pytest.raises(SemlensError, match=message):
        load_model(spec)


def test_the_fingerprint_covers_weights_and_preprocessing() -> None:
    one, two = colours(), colours()
    assert one.fingerprint() == two.fingerprint()
    with torch.no_grad():
        two.net.get_parameter("fc.weight")[0, 0] += 2**-20
    assert one.fingerprint() != two.fingerprint()
    assert one.fingerprint() != VisionModel(one.net, lambda image: to_tensor(image)).fingerprint()
    half = VisionModel(Colours().half(), to_tensor)
    assert half.dtype == torch.float16
    assert half.fingerprint() != one.fingerprint()


def test_a_preprocessing_is_described_without_addresses() -> None:
    from torchvision import transforms as T

    assert "Resize(size=3" in describe(T.Compose([T.Resize(3), T.ToTensor()]))
    assert describe(to_tensor) == "to_tensor"
    assert " at 0x" not in describe(lambda image: to_tensor(image))
