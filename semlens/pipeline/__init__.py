"""From a model and images to an index: the steps in their order, resumable."""

from semlens.pipeline.build import build
from semlens.pipeline.embed import embed
from semlens.pipeline.encode import ENCODED, encode
from semlens.pipeline.encoding import explained
from semlens.pipeline.labelled import label_remarks
from semlens.pipeline.partial import check_free, partial_folder
from semlens.pipeline.plan import BuildPlan, Stage, plan
from semlens.pipeline.shard import build_shard

__all__ = [
    "ENCODED", "BuildPlan", "Stage", "build", "build_shard", "check_free", "embed", "encode",
    "explained", "label_remarks", "partial_folder", "plan",
]  # fmt: skip
