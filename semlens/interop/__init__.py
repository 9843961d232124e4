"""Doors to other toolboxes: each file speaks one toolbox's language, and loads it only where it cannot do without."""
