"""One pass over the images: the examples that excite every component most, and states that merge."""

from semlens.collection.collect import check_k, collect, origin_of, part_of, pooling
from semlens.collection.cpu import fast_cpu, tuned_allocator
from semlens.collection.encode import FIRST, KEPT, ToEncode, drawn
from semlens.collection.passes import (
    Checkpoint,
    Feed,
    UnreadableWarning,
    as_is,
    fill,
    first_input,
    image_batches,
    readable_items,
    shifted,
)
from semlens.collection.pictures import copies_told
from semlens.collection.relevance import RELEVANCE, Drawing, load_relevance, merge_relevance, no_rows, save_relevance
from semlens.collection.states import load_examples, merge, merge_all, missing_ranges, save_examples
from semlens.collection.sums import ACTIVATION_BITS, EMBEDDING_BITS, MOST_BITS
from semlens.collection.topk import TopK, decode

__all__ = [
    "ACTIVATION_BITS",
    "EMBEDDING_BITS",
    "FIRST",
    "KEPT",
    "MOST_BITS",
    "RELEVANCE",
    "Checkpoint",
    "Drawing",
    "Feed",
    "ToEncode",
    "TopK",
    "UnreadableWarning",
    "as_is",
    "check_k",
    "collect",
    "copies_told",
    "decode",
    "drawn",
    "fast_cpu",
    "fill",
    "first_input",
    "image_batches",
    "load_examples",
    "load_relevance",
    "merge",
    "merge_all",
    "merge_relevance",
    "missing_ranges",
    "no_rows",
    "origin_of",
    "part_of",
    "pooling",
    "readable_items",
    "save_examples",
    "save_relevance",
    "shifted",
    "tuned_allocator",
]
