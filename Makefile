# The commands of the README. Each installs what it needs into .venv, with uv if it is there.

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)

ifdef UV
  MAKE_VENV = $(UV) venv --quiet --allow-existing --seed --python $(PYTHON) .venv
  INSTALL = $(UV) pip install --quiet --python $(BIN)/python
else
  MAKE_VENV = $(PYTHON) -m venv .venv
  INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: help demo lab test check browser bench faults clis docs release clean

help:  ## show these lines
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 8

demo: .venv/.lab  ## run an agent on the embedded service, print what it did, write demo.html
	$(BIN)/aod-notebook demo
	@echo "The same in JupyterLab, and notebooks of your own: make lab"

lab: .venv/.notebooks  ## open JupyterLab on copies of the notebooks; ARGS='--no-browser' and the like go to it
	@mkdir -p build/lab
	@for one in notebooks/*.ipynb; do [ -e build/lab/$${one##*/} ] || cp $$one build/lab/; done
	$(BIN)/python -m jupyterlab --notebook-dir build/lab $(ARGS)

test: .venv/.test check browser  ## run every check and every test
	$(BIN)/python tests/tools/install_clis.py
	$(BIN)/python tests/tools/agentos_sdks.py
	$(BIN)/python tests/tools/older_kernels.py
	$(BIN)/python tests/tools/hub.py
	bash tests/js/run
	@# Four workers on two cores: many tests wait for a process, a deadline or a kernel.
	$(BIN)/python -m pytest -n 4 --ignore=tests/e2e
	@# A click can get lost on a busy machine: what failed in the browser is tried once more, alone.
	$(BIN)/python -m pytest tests/e2e || $(BIN)/python -m pytest tests/e2e --last-failed --last-failed-no-failures none

# The tests of the live view need a Chromium; on Debian, as root, it is installed.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    apt-get update -q && apt-get install -y -q chromium; } || \
	  { echo "No Chromium here. Run: sudo apt-get install -y chromium" >&2; exit 1; }

check: .venv/.test  ## lint, types, floors, generated code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/tools/unasync.py --check
	$(BIN)/python tests/tools/frame_tables.py --check
	$(BIN)/codespell aod_notebook docs notebooks tests README.md CHANGELOG.md

bench: .venv/.test  ## run the benchmarks, ours and the rival in one run
	$(BIN)/python tests/benchmarks/run.py

faults: .venv/.test  ## soak and kill the service; kill, cut and starve both SDKs' reporting
	$(BIN)/python -m pytest -m faults
	$(BIN)/python tests/tools/agentos_sdks.py
	$(BIN)/python tests/faults/agentos_faults.py

clis: .venv/.test  ## run the real agent CLIs in all their situations, and show the counts
	$(BIN)/python tests/tools/install_clis.py
	$(BIN)/python -m pytest -m clis -n 2 tests/clis --page docs/clis.md

docs: .venv/.docs  ## build the documentation into docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

release: .venv/.test  ## build sdist and wheel, and try them in fresh environments on each Python
	$(BIN)/python tests/tools/release.py $(ARGS)

clean:  ## remove what was built and installed
	rm -rf .venv .venv-agentos .venv-hub .venv-kernels .venv-release build dist docs/_build docs/_generated docs/notebooks demo.html

.venv/.lab: pyproject.toml
	$(MAKE_VENV)
	$(INSTALL) -e '.[lab,viz]'
	@touch $@

.venv/.notebooks: pyproject.toml
	$(MAKE_VENV)
	$(INSTALL) -e '.[notebooks]'
	@touch $@ .venv/.lab

.venv/.docs: pyproject.toml
	$(MAKE_VENV)
	$(INSTALL) -e '.[docs]'
	@touch $@ .venv/.lab .venv/.notebooks

.venv/.test: pyproject.toml
	$(MAKE_VENV)
	$(INSTALL) -e '.[test]'
	@touch $@ .venv/.docs .venv/.lab .venv/.notebooks
