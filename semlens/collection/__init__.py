"""One pass over the images: the examples that excite every component most, and states that merge."""

from semlens.collection.collect import check_k, collect, first_input, origin_of, part_of, pooling, stack
from semlens.collection.cpu import fast_cpu, tuned_allocator
from semlens.collection.passes import earlier, join, load_examples, merge, merge_all, missing_ranges, save_examples
from semlens.collection.relevance import load_relevance, merge_relevance, save_relevance
from semlens.collection.topk import TopK, decode

__all__ = [
    "TopK",
    "check_k",
    "collect",
    "decode",
    "earlier",
    "fast_cpu",
    "first_input",
    "join",
    "load_examples",
    "load_relevance",
    "merge",
    "merge_all",
    "merge_relevance",
    "missing_ranges",
    "origin_of",
    "part_of",
    "pooling",
    "save_examples",
    "save_relevance",
    "stack",
    "tuned_allocator",
]
