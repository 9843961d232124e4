"""Which part of the original image matters to a component: from a map on the model's input to a box in the image's own
pixels."""

from semlens.crop.around import AroundActivations, AroundRelevance, RelevanceMaps
from semlens.crop.boxes import ActivationCrop, Crop, RelevanceCrop, blur, input_boxes, region, square, tight_boxes
from semlens.crop.example_boxes import NoRelevanceWarning, example_boxes, located_stretches
from semlens.crop.geometry import Geometry, GeometryError, check_geometry, geometries, measure_geometry
from semlens.crop.kinds import CROPS, ChosenCrop, choose_crop
from semlens.crop.locate import UnplacedWarning, locate

__all__ = [
    "CROPS",
    "ActivationCrop",
    "AroundActivations",
    "AroundRelevance",
    "ChosenCrop",
    "Crop",
    "Geometry",
    "GeometryError",
    "NoRelevanceWarning",
    "RelevanceCrop",
    "RelevanceMaps",
    "UnplacedWarning",
    "blur",
    "check_geometry",
    "choose_crop",
    "example_boxes",
    "geometries",
    "input_boxes",
    "locate",
    "located_stretches",
    "measure_geometry",
    "region",
    "square",
    "tight_boxes",
]
