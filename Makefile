# The commands of a user. Each target first sets up .venv from the lock file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NAME ?= default
PROFILE ?= default
DATA ?=

.DEFAULT_GOAL := help
.PHONY: help report test lab bench lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  DATA=path      folder with Kaggle's files, as archives or unpacked (default: synthetic chips)"
	@echo "  NAME=name      name of the report and its folder in reports/ (default: default)"
	@echo "  PROFILE=name   profile in config/: $(basename $(notdir $(wildcard config/*.yaml))) (default: default)"

report: $(VENV)/ready ## make the report, or update what has changed
	@$(BIN)/planet report --name '$(NAME)' --profile '$(PROFILE)' $(if $(DATA),--data '$(DATA)')

test: $(VENV)/ready ## run all tests; print how long they took
	@$(BIN)/python -m pytest -q

lab: $(VENV)/ready ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --notebook-dir=notebooks $(LAB_OPTIONS)

bench: $(VENV)/ready ## run the benchmarks
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock: pyproject.toml ## update requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
		--no-annotate --quiet --output-file requirements.lock

$(VENV)/ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON); install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
		echo "error: $$($(PYTHON) --version) cannot run this; install Python 3.11 to 3.13 and call make PYTHON=python3.11" >&2; exit 1; }
	@echo "setting up $(VENV), once: 1 to 2 minutes, 2.6 GB"
	@$(PYTHON) -m venv $(VENV) || { echo "error: no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
