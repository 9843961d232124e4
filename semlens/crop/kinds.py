"""The kinds of crop by name: what each goes around, by which recipe, and what an index remembers of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

from semlens.attribution import Composite, parameters_of, rules_for
from semlens.crop.boxes import ActivationCrop, Crop, RelevanceCrop
from semlens.crop.geometry import check_geometry
from semlens.errors import unknown
from semlens.index import CropId
from semlens.model import VisionModel


@dataclass(frozen=True)
class CropKind:
    """What a crop goes around: where the component is "active", or what is "relevant" to its activation."""

    around: str
    recipe: Crop


CROPS: Mapping[str, CropKind | None] = MappingProxyType(
    {
        "none": None,
        "activation": CropKind("active", ActivationCrop()),
        "relevance": CropKind("relevant", RelevanceCrop()),
        "relevance-paper": CropKind("relevant", RelevanceCrop.paper()),
        "tokens-paper": CropKind("active", RelevanceCrop.paper()),
    }
)
"""The crops by name. Of the paper's two, one is for convolutional networks and one for transformers, which it gives no
heat maps: the up-sampled activations of their tokens stand in."""


@dataclass(frozen=True)
class ChosenCrop:
    """A kind of crop for one model."""

    id: CropId  # what an index remembers it by: everything that determines its boxes
    kind: CropKind | None  # None embeds whole images
    rules: Composite | None = None  # of the relevance that it goes around, if it does


def choose_crop(crop: str, model: VisionModel | None, method: str | Composite) -> ChosenCrop:
    """The kind of crop of that name.

    Raises:
        SemlensError: there is no such kind, the method has no relevance that it could go around, or boxes cannot be
            mapped back through the model's preprocessing.
    """
    if crop not in CROPS:
        raise unknown("crop", crop, CROPS)
    kind = CROPS[crop]
    if kind is None:
        return ChosenCrop(CropId(crop, {}), None)
    if model is not None:
        check_geometry(model.preprocess)
    parameters = asdict(kind.recipe)  # type: ignore[call-overload]
    if kind.around == "active" or model is None:
        return ChosenCrop(CropId(crop, parameters), kind)
    rules = rules_for(method, model, "crops around relevance")
    parameters |= {"method": rules.name, "position": "max"} | parameters_of(rules)
    return ChosenCrop(CropId(crop, parameters), kind, rules)
