# A fresh machine needs python3 (3.11 or newer), pip and make; each target makes the environment it needs.
PYTHON ?= python3
BIN := .venv/bin
IMAGES ?=

.PHONY: demo test lint page clean

demo: .venv/demo$(if $(IMAGES),-photos)
	$(BIN)/semlens demo $(if $(IMAGES),--images $(IMAGES))

test: .venv/dev
	$(BIN)/python -m pytest -n 2

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

# Only who changes the page needs Node: what is built is committed.
page: page/node_modules
	cd page && npm test && npm run build

page/node_modules: page/package-lock.json
	cd page && npm ci --no-fund --no-audit
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[app,fast,parquet,torch,umap]'
	touch $@

.venv/demo-photos: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[app,fast,offline,parquet,umap]'
	touch $@

# Exact versions, so that a package of others that changes under us turns no test red.
.venv/dev: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]' -c constraints.txt
	touch $@

clean:
	rm -rf .venv demo-out
