# The commands of the README. Each installs what it needs into .venv, with uv if it is there.

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)

ifdef UV
  MAKE_VENV = $(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
  INSTALL = $(UV) pip install --quiet --python $(BIN)/python
else
  MAKE_VENV = $(PYTHON) -m venv .venv
  INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: help demo lab test check bench docs clean

help:  ## show these lines
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 8

demo: .venv/.lab  ## run an agent on the embedded service, print what it did, write demo.html
	$(BIN)/aod-notebook demo

lab: .venv/.lab  ## open JupyterLab on the notebooks
	$(BIN)/python -m jupyterlab --notebook-dir notebooks

test: .venv/.test check  ## run every check and every test
	$(BIN)/python -m pytest -n 2

check: .venv/.test  ## lint, types, floors, generated code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/unasync.py --check
	$(BIN)/codespell aod_notebook docs notebooks scripts tests README.md CHANGELOG.md

bench: .venv/.test  ## run the benchmarks, ours and the rival in one run
	$(BIN)/python tests/benchmarks/run.py

docs: .venv/.test  ## build the documentation into docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:  ## remove what was built and installed
	rm -rf .venv docs/_build docs/_generated docs/notebooks demo.html

.venv/.lab: pyproject.toml
	$(MAKE_VENV)
	$(INSTALL) -e '.[lab,viz]'
	@touch $@

.venv/.test: pyproject.toml
	$(MAKE_VENV)
	$(INSTALL) -e '.[test]'
	@touch $@ .venv/.lab
