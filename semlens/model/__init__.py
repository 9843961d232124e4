"""The model under study: what a component is, how a layer is read and edited, how a model is loaded."""

from semlens.model.changes import Change, Changes, Condition, Head, Pool, change_for_good, changed, vectors_of
from semlens.model.changes_file import SavedChanges, load_changes, save_changes
from semlens.model.components import POOLS, ROWS, Components, OnAxes, Pooled, Rows, Vectors, put_tensor, tensor_in
from semlens.model.dictionary import (
    DICTIONARY,
    BatchTopK,
    Dictionary,
    JumpRelu,
    Linear,
    Relu,
    Sparsity,
    TopK,
    kth_largest,
    moved,
)
from semlens.model.dictionary_file import load_dictionary, save_dictionary
from semlens.model.hooks import Site, edit, follow, modules_of, record, still, survey
from semlens.model.latents import Latents
from semlens.model.layers import (
    Layer,
    as_layers,
    check_dictionaries,
    dictionaries_of,
    layer_text,
    one_of_each,
    parse_all,
    refuse_hidden,
    unit_names,
)
from semlens.model.loading import Preprocess, VisionModel, as_model, check_device, describe, load_model
from semlens.model.outputs import logits_of, output_number
from semlens.model.tensors import write_tensors
from semlens.model.untrained import untrained
from semlens.model.weights import CheckpointWarning, load_weights

__all__ = [
    "DICTIONARY",
    "POOLS",
    "ROWS",
    "BatchTopK",
    "Change",
    "Changes",
    "CheckpointWarning",
    "Components",
    "Condition",
    "Dictionary",
    "Head",
    "JumpRelu",
    "Latents",
    "Layer",
    "Linear",
    "OnAxes",
    "Pool",
    "Pooled",
    "Preprocess",
    "Relu",
    "Rows",
    "SavedChanges",
    "Site",
    "Sparsity",
    "TopK",
    "Vectors",
    "VisionModel",
    "as_layers",
    "as_model",
    "change_for_good",
    "changed",
    "check_device",
    "check_dictionaries",
    "describe",
    "dictionaries_of",
    "edit",
    "follow",
    "kth_largest",
    "layer_text",
    "load_changes",
    "load_dictionary",
    "load_model",
    "load_weights",
    "logits_of",
    "modules_of",
    "moved",
    "one_of_each",
    "output_number",
    "parse_all",
    "put_tensor",
    "record",
    "refuse_hidden",
    "save_changes",
    "save_dictionary",
    "still",
    "survey",
    "tensor_in",
    "unit_names",
    "untrained",
    "vectors_of",
    "write_tensors",
]
