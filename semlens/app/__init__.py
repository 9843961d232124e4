"""The local web app: what an index knows, as answers that a page, a folder of files or a notebook shows."""
