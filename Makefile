# The commands of a user. Each target first sets up .venv from the lock file.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The recipes read these from the environment, so that a path may hold quotes and spaces.
export NAME PROFILE DATA REPLACE SCENES CLUSTER

# A copied or moved checkout sets up its own .venv: the files in there name the folder they are in.
ifneq ($(shell cat $(VENV)/ready 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/ready
endif

$(foreach word,name profile data replace scenes cluster,$(if $(filter command,$(origin $(word))),$(error $(word)=$($(word)): write it in capital letters)))

.DEFAULT_GOAL := help
.PHONY: help report scenes test test-cluster lab bench picture lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  DATA=path      folder with Kaggle's files, as archives or unpacked (default: synthetic chips)"
	@echo "  DATA=mining-watch   real mines of Amazon Mining Watch, downloaded on first use (no account)"
	@echo "  NAME=name      name of the report and its folder in reports/ (default: of the data and profile)"
	@echo "  REPLACE=yes    replace a report of that name with another profile or other data"
	@echo "  PROFILE=name   profile in config/: $(basename $(notdir $(wildcard config/*.yaml))) (default: of the data)"
	@echo "  SCENES=path    scenes (a GeoTIFF or a folder of them) for make scenes, or as a page of the report"
	@echo "  CLUSTER=path   folder of a Snakemake profile: docs/cluster/slurm, docs/cluster/kubernetes (default: here)"
	@echo "  OPTIONS=...    further options of planet report or planet scenes, such as --scaling=reflectance"

report: $(VENV)/ready ## make the report, or update what has changed
	@$(BIN)/planet report $${PROFILE:+--profile="$$PROFILE"} $${NAME:+--name="$$NAME"} $${DATA:+--data="$$DATA"} \
		$${REPLACE:+--replace} $${SCENES:+--scenes="$$SCENES"} $${CLUSTER:+--cluster="$$CLUSTER"} $(OPTIONS)

scenes: $(VENV)/ready ## find mines in all scenes of the folder SCENES, one job a scene
	@test -n "$$SCENES" || { echo "error: make scenes needs SCENES=folder" >&2; exit 1; }
	@$(BIN)/planet scenes $${NAME:+--name="$$NAME"} $${CLUSTER:+--cluster="$$CLUSTER"} $(OPTIONS) -- "$$SCENES"

test: $(VENV)/ready ## run all tests on two cores; print how long they took
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-cluster: $(VENV)/ready ## search 20 scenes on a SLURM of one node, made for the test, and kill a worker
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[cluster]'
	@$(BIN)/python tests/cluster/check_slurm.py

lab: $(VENV)/ready ## open JupyterLab on the notebooks
	@test "$$(id -u)" -ne 0 || case "$(LAB_OPTIONS)" in *--allow-root*) ;; *) \
		echo "error: JupyterLab refuses to run as root; call: make lab LAB_OPTIONS=--allow-root" >&2; exit 1;; esac
	@$(BIN)/planet lab -- $(LAB_OPTIONS)

bench: $(VENV)/ready ## run the benchmarks, except those that train for hours
	@for file in $(filter-out benchmarks/detector.py benchmarks/mining_folds.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

picture: $(VENV)/ready ## check the default report in Chromium and make the README's picture of it anew
	@$(BIN)/python tests/browser.py reports/default --picture docs/front-page.png

lock: pyproject.toml ## update requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
		--no-annotate --quiet --output-file requirements.lock

$(VENV)/ready: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON); install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
		echo "error: $$($(PYTHON) --version) cannot run this; install Python 3.11 to 3.13 and call make PYTHON=python3.11" >&2; exit 1; }
	@echo "setting up $(VENV), once: 1 to 2 minutes, 2.6 GB"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "error: no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@echo '$(CURDIR)' > $@
