"""The model under study: what a component is, how a layer is read and edited, how a model is loaded."""

from semlens.model.components import POOLS, ROWS, Components, Pooled, Rows, put_tensor, tensor_in
from semlens.model.hooks import Site, edit, follow, record, still
from semlens.model.layers import parse_all, refuse_hidden, unit_names
from semlens.model.loading import Preprocess, VisionModel, as_model, check_device, describe, load_model
from semlens.model.outputs import logits_of
from semlens.model.untrained import untrained
from semlens.model.weights import CheckpointWarning, load_weights

__all__ = [
    "POOLS",
    "ROWS",
    "CheckpointWarning",
    "Components",
    "Pooled",
    "Preprocess",
    "Rows",
    "Site",
    "VisionModel",
    "as_model",
    "check_device",
    "describe",
    "edit",
    "follow",
    "load_model",
    "load_weights",
    "logits_of",
    "parse_all",
    "put_tensor",
    "record",
    "refuse_hidden",
    "still",
    "tensor_in",
    "unit_names",
    "untrained",
]
