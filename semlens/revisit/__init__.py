"""Questions about an index that need the model or the images again."""
