"""The concept index, in memory and on disk: the border between torch and numpy. docs/index-format.md is its norm."""

from semlens.index.cache import cached, digest_of, kept_in
from semlens.index.encodings import LEVELS, TRANSFORMS, Encodings, EncodingsId
from semlens.index.files import Arrays, pack
from semlens.index.folder import MANIFEST, check_target
from semlens.index.index import ConceptIndex, given, load_index
from semlens.index.kept import (
    DRAWINGS,
    SCORES,
    AtlasId,
    LabelsId,
    ScoresId,
    StoredAtlas,
    StoredLabels,
    StoredMeanings,
    StoredScores,
    Summaries,
    VocabularyId,
)
from semlens.index.records import CropId, ImagesId, ImageTable, ModelId, Recipe, Thumbnails
from semlens.index.relevance import ClassRelevance, RelevanceVectors
from semlens.index.remarks import IndexWarning, encoding_remarks, remarks

__all__ = [
    "DRAWINGS",
    "LEVELS",
    "MANIFEST",
    "SCORES",
    "TRANSFORMS",
    "Arrays",
    "AtlasId",
    "ClassRelevance",
    "ConceptIndex",
    "CropId",
    "Encodings",
    "EncodingsId",
    "ImageTable",
    "ImagesId",
    "IndexWarning",
    "LabelsId",
    "ModelId",
    "Recipe",
    "RelevanceVectors",
    "ScoresId",
    "StoredAtlas",
    "StoredLabels",
    "StoredMeanings",
    "StoredScores",
    "Summaries",
    "Thumbnails",
    "VocabularyId",
    "cached",
    "check_target",
    "digest_of",
    "encoding_remarks",
    "given",
    "kept_in",
    "load_index",
    "pack",
    "remarks",
]
