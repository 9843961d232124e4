"""From a model and images to an index: the steps in their order, resumable."""

from semlens.pipeline.build import build, build_shard
from semlens.pipeline.embed import embed
from semlens.pipeline.labelled import label_remarks

__all__ = ["build", "build_shard", "embed", "label_remarks"]
