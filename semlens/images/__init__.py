"""Raw images by id: the one data set that the studied model and the foundation model each preprocess for themselves.

What is named here needs no torch; `loader`, which brings it, is imported by those who feed a model.
"""

from semlens.images.cells import raw_of
from semlens.images.decode import MAX_PIXELS, decode, reason
from semlens.images.image_set import CHOICES, ImageSet, UnreadableImage, like, load_image, load_images, pixels_of
from semlens.images.labels import LabelWarning, Matches, match_labels
from semlens.images.listing import ImagesWarning
from semlens.images.tables import read_column, read_marks

__all__ = [
    "CHOICES",
    "MAX_PIXELS",
    "ImageSet",
    "ImagesWarning",
    "LabelWarning",
    "Matches",
    "UnreadableImage",
    "decode",
    "like",
    "load_image",
    "load_images",
    "match_labels",
    "pixels_of",
    "raw_of",
    "read_column",
    "read_marks",
    "reason",
]
