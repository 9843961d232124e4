"""`python -m semlens` is `semlens`."""

from semlens.cli import main

main()
