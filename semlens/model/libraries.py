"""Models that libraries make: timm, torchvision, transformers, open_clip. What they fetch is told before, soon over
where nothing answers, and one sentence if it fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn

from semlens.errors import SemlensError, missing_extra, unknown
from semlens.hub import can_fetch, hugging_face, quiet
from semlens.model.checkpoint import first_line, read_checkpoint
from semlens.model.offline import imagenet_class_names
from semlens.model.spec import ModelSpec, read_model_spec
from semlens.model.texts import text_model
from semlens.model.vision_model import Preprocess, VisionModel
from semlens.model.weights import load_weights
from semlens.progress import watched

HF_WEIGHTS = ("model.safetensors", "model-*.safetensors")


def _loaded(named: ModelSpec, net: nn.Module, preprocess: Preprocess, class_names: tuple[str, ...]) -> VisionModel:
    """The model, once its weights are in it; the user's names of the classes go before the library's."""
    if named.file:
        load_weights(net, named.file)
    return VisionModel(net, preprocess, named.class_names or class_names)


def from_timm(text: str) -> VisionModel:
    """The model that `timm:TEXT` names."""
    try:
        import timm  # an extra
    except ImportError:
        raise missing_extra("timm", "torch") from None
    named = read_model_spec("timm", text)
    if not timm.is_model(named.name) and not named.name.startswith("hf"):
        raise unknown("timm model", named.name, timm.list_models())
    with making(named), fetched_by_timm(named):
        net = timm.create_model(named.name, pretrained=not named.file, **named.options)
        transform = timm.data.create_transform(**timm.data.resolve_data_config(model=net))
    return _loaded(named, net, transform, imagenet_class_names() if _outputs(net) == 1000 else ())


def _outputs(net: nn.Module) -> int:
    return int(getattr(net, "num_classes", 0) or 0)


def from_torchvision(text: str) -> VisionModel:
    """The model that `torchvision:TEXT` names."""
    try:
        from torchvision import models  # an extra
    except ImportError:
        raise missing_extra("torchvision", "torch") from None
    named = read_model_spec("torchvision", text)
    name, _, tag = named.name.partition("/")
    if name not in models.list_models(module=models):
        raise unknown(
            "torchvision model",
            name,
            models.list_models(module=models),
            "Write torchvision:NAME or torchvision:NAME/WEIGHTS",
        )
    known = models.get_model_weights(name)
    if tag and tag not in known.__members__:
        raise unknown(f"weights of torchvision:{name}", tag, known.__members__)
    weights = known[tag] if tag else known.DEFAULT
    with making(named):
        if not named.file:
            check_url(named.spec, weights.url)
        net = models.get_model(name, weights=None if named.file else weights, progress=watched(), **named.options)
    names = tuple(weights.meta.get("categories", ()))
    kept = named.options.get("num_classes", len(names)) == len(names)
    return _loaded(named, net, weights.transforms(), names if kept else ())


@dataclass(frozen=True)
class _HfPreprocess:
    """A transformers image processor as a function of one image."""

    processor: Any

    def __call__(self, image: Image) -> Tensor:
        pixels: Tensor = self.processor(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    def __repr__(self) -> str:
        return str(self.processor.to_json_string())


def from_transformers(text: str) -> VisionModel:
    """The model that `hf:TEXT` names: a repository or a folder."""
    try:
        from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification  # an extra
    except ImportError:
        raise missing_extra("transformers", "transformers") from None
    named = ModelSpec("hf", text, {}, (), "") if Path(text).is_dir() else read_model_spec("hf", text)
    if Path(named.name, "adapter_config.json").is_file() and not named.file:
        read_checkpoint(Path(named.name))  # says what to do with a folder that holds an adapter only
    hub = quiet() if Path(named.name).is_dir() else hugging_face(named.name, () if named.file else HF_WEIGHTS)
    with making(named), hub:
        if not named.file and reads_texts(named.name):
            return _text_model(named)
        processor = AutoImageProcessor.from_pretrained(named.name)
        if named.file:
            options = dict(named.options)
            labels = {"num_labels": options.pop("num_classes")} if "num_classes" in options else {}
            config = AutoConfig.from_pretrained(named.name, **labels, **options)
            net = AutoModelForImageClassification.from_config(config)
        else:
            net = _pretrained(named)
    return _loaded(named, net, _HfPreprocess(processor), () if "num_classes" in named.options else _labels(net))


def reads_texts(name: str) -> bool:
    """Whether a repository or folder holds a model of transformers that reads texts and no images."""
    from transformers import AutoConfig
    from transformers.models.auto import modeling_auto as kinds

    own = type(AutoConfig.from_pretrained(name, trust_remote_code=False))
    images = (kinds.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING, kinds.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING)
    texts = (
        kinds.MODEL_FOR_CAUSAL_LM_MAPPING, kinds.MODEL_FOR_MASKED_LM_MAPPING,
        kinds.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    )  # fmt: skip
    return any(own in kind for kind in texts) and not any(own in kind for kind in images)


def _text_model(named: ModelSpec) -> VisionModel:
    """A model of texts: a classifier or decoder where that is what was saved, else the encoder.

    Raises:
        SemlensError: an option that it does not have, or weights that are lacking.
    """
    import transformers

    options = dict(named.options)
    length, outputs = options.pop("tokens", None), str(options.pop("outputs", ""))
    if options:
        raise unknown("option of a model of texts", next(iter(options)), ["tokens", "outputs"])
    config = transformers.AutoConfig.from_pretrained(named.name)
    saved = next(iter(getattr(config, "architectures", None) or []), "")
    ours = saved.endswith(("ForSequenceClassification", "ForCausalLM", "LMHeadModel"))
    kind = getattr(transformers, saved, None) if ours else transformers.AutoModel
    net, report = (kind or transformers.AutoModel).from_pretrained(named.name, output_loading_info=True)
    lacking = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if lacking:
        raise SemlensError(f"{named.spec} lacks weights for {lacking[0]}; a partly random model is not analysed")
    tokenizer = transformers.AutoTokenizer.from_pretrained(named.name)
    wanted = [text for text in outputs.split(",") if text]
    return text_model(net, tokenizer, length=length, outputs=wanted, class_names=named.class_names)


def _pretrained(named: ModelSpec) -> Any:
    """A model of transformers as its repository or folder has it: with its classifier, where that was trained."""
    from transformers import AutoModel, AutoModelForImageClassification

    for kind in (AutoModelForImageClassification, AutoModel):  # where there is no classifier, the bare network
        net, report = kind.from_pretrained(named.name, output_loading_info=True, **named.options)
        if not report["missing_keys"]:
            return net
    lacking = sorted(report["missing_keys"])[0]
    raise SemlensError(f"{named.spec} lacks weights for {lacking}; a partly random model is not analysed")


def from_open_clip(name: str) -> VisionModel:
    """The image tower of the model that `open_clip:NAME` names."""
    try:
        from semlens.model.open_clip import open_clip_files
    except ImportError:
        raise missing_extra("open_clip", "clip") from None
    net, preprocess = open_clip_files(name).towers()
    return VisionModel(net.visual, preprocess)


def _labels(net: Any) -> tuple[str, ...]:
    """The names of a classifier's outputs."""
    labels = getattr(net.config, "id2label", {}) if "ImageClassification" in type(net).__name__ else {}
    return tuple(labels[i] for i in sorted(labels))


@contextmanager
def making(named: ModelSpec) -> Iterator[None]:
    """Turns whatever a library raises of a user's options, or of a hub, into one sentence."""
    try:
        yield
    except SemlensError:
        raise
    except Exception as error:  # dozens of kinds from as many packages
        if named.options and isinstance(error, TypeError | AttributeError):
            options = ", ".join(f"{key}={value}" for key, value in named.options.items())
            raise SemlensError(f"{named.spec} cannot be made with {options}: {first_line(error)}") from error
        raise _out_of_reach(named.spec, first_line(error)) from error


@contextmanager
def fetched_by_timm(named: ModelSpec) -> Iterator[None]:
    """All that timm asks a server for a model's weights.

    Raises:
        SemlensError: none can be reached, and the weights are not here.
    """
    import timm

    known = None if named.name.startswith("hf") else timm.get_pretrained_cfg(named.name)
    if known is None or (known.hf_hub_id and not named.file):
        repository = known.hf_hub_id if known else named.name.partition(":")[2].partition("@")[0]
        with hugging_face(repository, () if named.file else ("model.safetensors",)):
            yield
    else:
        if known.url and not named.file:
            check_url(named.spec, known.url)
        yield


def check_url(spec: str, url: str) -> None:
    """Returns if weights that lie at an address are in torch's cache, or can be fetched.

    Raises:
        SemlensError: if not.
    """
    if not can_fetch(url, Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])):
        raise _out_of_reach(spec, f"{url} cannot be reached")


def _out_of_reach(what: str, why: str) -> SemlensError:
    return SemlensError(
        f"{what} cannot be loaded: {why.rstrip('.')}. Without a network, give local weights (timm:NAME@FILE, "
        "torchvision:NAME@FILE, hf:FOLDER) or use offline:efficientnet_lite0"
    )
