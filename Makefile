# A fresh machine needs python3 (3.11 or newer), pip and make; each target makes the environment it needs.
PYTHON ?= python3
BIN := .venv/bin
IMAGES ?=

.PHONY: demo test lint clean

demo: .venv/demo$(if $(IMAGES),-photos)
	$(BIN)/semlens demo $(if $(IMAGES),--images $(IMAGES))

test: .venv/dev
	$(BIN)/python -m pytest -n 2

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[torch]'
	touch $@

.venv/demo-photos: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[offline]'
	touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]'
	touch $@

clean:
	rm -rf .venv demo-out
