"""Which part of the original image matters to a component: from a map on the model's input to a box in the image's own
pixels."""

from semlens.crop.boxes import ActivationCrop, Crop, RelevanceCrop, blur, input_boxes, region, square, tight_boxes
from semlens.crop.geometry import Geometry, measure_geometry
from semlens.crop.kinds import check_crop, crop_id, example_boxes
from semlens.crop.locate import Boxes, Maps, activation_boxes, relevance_boxes

__all__ = [
    "ActivationCrop",
    "Boxes",
    "Crop",
    "Geometry",
    "Maps",
    "RelevanceCrop",
    "activation_boxes",
    "blur",
    "check_crop",
    "crop_id",
    "example_boxes",
    "input_boxes",
    "measure_geometry",
    "region",
    "relevance_boxes",
    "square",
    "tight_boxes",
]
