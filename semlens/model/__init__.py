"""The model under study: what a component is, how a layer is read and edited, how a model is loaded."""

from semlens.model.components import POOLS, Components, Pooled, put_tensor, tensor_in
from semlens.model.hooks import Site, edit, follow, record, still
from semlens.model.layers import parse_all, unit_names
from semlens.model.loading import Preprocess, VisionModel, describe, load_model
from semlens.model.offline import (
    check_files,
    imagenet_class_names,
    imagenet_lemmas,
    load_efficientnet_lite,
    package_folder,
    preprocess_efficientnet_lite,
    weights_file,
)

__all__ = [
    "POOLS",
    "Components",
    "Pooled",
    "Preprocess",
    "Site",
    "VisionModel",
    "check_files",
    "describe",
    "edit",
    "follow",
    "imagenet_class_names",
    "imagenet_lemmas",
    "load_efficientnet_lite",
    "load_model",
    "package_folder",
    "parse_all",
    "preprocess_efficientnet_lite",
    "put_tensor",
    "record",
    "still",
    "tensor_in",
    "unit_names",
    "weights_file",
]
