"""Raw images by id: the one data set that the studied model and the foundation model each preprocess for themselves."""

from semlens.images.image_set import ImageSet, UnreadableImage, load_image, load_images
from semlens.images.loader import Batch, batches, default_workers

__all__ = ["Batch", "ImageSet", "UnreadableImage", "batches", "default_workers", "load_image", "load_images"]
