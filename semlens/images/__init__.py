"""Raw images by id: the one data set that the studied model and the foundation model each preprocess for themselves.

What is named here needs no torch; `loader`, which brings it, is imported by those who feed a model.
"""

from semlens.images.cells import raw_of
from semlens.images.columns import LABEL_COLUMNS, named, usual
from semlens.images.decode import MAX_PIXELS, decode, reason
from semlens.images.image_set import CHOICES, ImageSet, UnreadableImage, like, load_image, load_images, pixels_of
from semlens.images.labels import LabelWarning, Matches, label_texts, match_labels
from semlens.images.listing import ImagesWarning
from semlens.images.tables import is_table, read_cells, read_column, read_marks

__all__ = [
    "CHOICES",
    "LABEL_COLUMNS",
    "MAX_PIXELS",
    "ImageSet",
    "ImagesWarning",
    "LabelWarning",
    "Matches",
    "UnreadableImage",
    "decode",
    "is_table",
    "label_texts",
    "like",
    "load_image",
    "load_images",
    "match_labels",
    "named",
    "pixels_of",
    "raw_of",
    "read_cells",
    "read_column",
    "read_marks",
    "reason",
    "usual",
]
