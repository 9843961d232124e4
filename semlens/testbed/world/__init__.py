"""Pictures whose every concept is drawn by code, decided before anything is drawn. numpy and Pillow only."""

from semlens.testbed.world.artefacts import band_aid_color
from semlens.testbed.world.caption import NOTHING, PLAIN, Description, caption, closeup, describe, split, vocabulary
from semlens.testbed.world.concepts import ARTEFACTS, CONCEPTS, NAMES, Concept, concept
from semlens.testbed.world.files import picture_path, write_world
from semlens.testbed.world.population import World, in_parts
from semlens.testbed.world.render import SEEN, SIDE, Picture, draw
from semlens.testbed.world.scenario import CLEAN, PLANTED, SHORTCUT, Scenario, scenario
from semlens.testbed.world.scene import CLASSES, NOISE, Scene

__all__ = [
    "ARTEFACTS",
    "CLASSES",
    "CLEAN",
    "CONCEPTS",
    "NAMES",
    "NOISE",
    "NOTHING",
    "PLAIN",
    "PLANTED",
    "SEEN",
    "SHORTCUT",
    "SIDE",
    "Concept",
    "Description",
    "Picture",
    "Scenario",
    "Scene",
    "World",
    "band_aid_color",
    "caption",
    "closeup",
    "concept",
    "describe",
    "draw",
    "in_parts",
    "picture_path",
    "scenario",
    "split",
    "vocabulary",
    "write_world",
]
