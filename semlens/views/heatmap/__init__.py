"""Heat maps as pictures: relevance laid over the photograph it belongs to, for a page or a notebook."""

from semlens.views.heatmap.overlay import Box, full_colour, outline, overlay
from semlens.views.heatmap.pages import HeatExample, HeatRow, blank_page, faint_lines, figure, heat_sheet, heated

__all__ = [
    "Box",
    "HeatExample",
    "HeatRow",
    "blank_page",
    "faint_lines",
    "figure",
    "full_colour",
    "heat_sheet",
    "heated",
    "outline",
    "overlay",
]
