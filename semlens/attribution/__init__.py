"""Relevance: which components and which pixels moved an output, by how much, in which direction."""
