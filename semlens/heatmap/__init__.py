"""Heat maps as pictures: relevance laid over the photograph it belongs to, for a page or a notebook."""

from semlens.heatmap.overlay import Box, full_colour, outline, overlay
from semlens.heatmap.pages import HeatExample, HeatRow, figure, heat_sheet, heated

__all__ = ["Box", "HeatExample", "HeatRow", "figure", "full_colour", "heat_sheet", "heated", "outline", "overlay"]
