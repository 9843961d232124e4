"""Raw images by id: the one data set that the studied model and the foundation model each preprocess for themselves.

What is named here needs no torch; `loader`, which brings it, is imported by those who feed a model.
"""

from semlens.images.decode import decode, reason
from semlens.images.image_set import ImageSet, UnreadableImage, load_image, load_images

__all__ = ["ImageSet", "UnreadableImage", "decode", "load_image", "load_images", "reason"]
