# A fresh machine needs python3 (3.11 or newer), pip and make; each target makes the environment it needs.
PYTHON ?= python3
BIN := .venv/bin
IMAGES ?=
ARGS ?=
TESTS := $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

.PHONY: demo test fast lint format docs golden bench zoo page clean

demo: .venv/demo$(if $(IMAGES),-photos)
	$(BIN)/semlens demo $(if $(IMAGES),--images $(IMAGES))

# One BLAS thread a worker: two workers with two threads each take turns on two cores.
test fast: export OMP_NUM_THREADS ?= 1

# Where the environment forbids to keep bytecode, each worker would compile everything: a third of `make fast`.
test fast: export PYTHONDONTWRITEBYTECODE :=

test: .venv/dev
	$(TESTS)

# What a change to a function needs: no browser, no study of the testbed, no attacks, nothing that is marked as slow; and
# annotations unchecked, which is half of the time of what traces a network.
fast: .venv/dev
	$(TESTS) -o addopts="-q --strict-markers --no-loadscope-reorder -p no:logging" -m "not page and not benchmark and not hostile and not slow"

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy --config-file tests/mypy.ini

format: .venv/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The references that are made from the code: docs/cli.md and docs/api.md.
docs: .venv/dev
	$(BIN)/python docs/reference.py

# Writes what the format's tests compare with. Only for a new version of the format: see CONTRIBUTING.md.
golden: .venv/dev
	$(BIN)/python -m tests.tiny_index

# The truth about the testbed, and what questions cost; benchmarks/README.md has the others.
bench: .venv/dev
	$(BIN)/semlens demo --benchmark
	$(BIN)/python benchmarks/questions.py

# Every row of many architectures against plain hooks: half an hour. What zoo.jsonl holds already is not run again.
zoo: .venv/dev
	PYTHONPATH=. $(BIN)/python benchmarks/zoo.py --out benchmarks/zoo.md $(ARGS)

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
