# Sets itself up: a virtual environment with pinned packages, made once and kept until a pin changes.
# GNU make 3.81 or later and a POSIX shell (on Windows the one of Git).
#   make test PYTHON=python3.13 VENV=/tmp/venv313      another interpreter, another place
#   make test ARGS="-k history"                        further arguments for what the target runs

VENV ?= .venv
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := $(VENV)/Scripts
else
PYTHON ?= python3
BIN := $(VENV)/bin
endif
ARGS ?=

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
RUN_PINS := requirements/local.txt requirements/build.txt
SPARK_PINS := requirements/spark.txt
DASHBOARD_PINS := requirements/dashboard.txt
DEV_PINS := requirements/dev.txt
HAS_VENV := $(VENV)/.has-venv
HAS_RUN := $(VENV)/.has-run
HAS_DEV := $(VENV)/.has-dev
HAS_SPARK := $(VENV)/.has-spark
# Spark's tests run where Java is.
WITH_SPARK := $(if $(shell command -v java 2>/dev/null),$(HAS_SPARK))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test test-ci test-all test-spark test-spark-4.0 check bundle-check bench browser docs-shots docs-svg spark-setup spark-cluster clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(HAS_RUN) ## set up, generate a small shop, run it, show what came out
	@$(BIN)/cartlake demo $(ARGS)

test: check $(WITH_SPARK) ## set up, then what has to pass before a commit: lint, types, layers, tests
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "not slow" $(ARGS)

test-ci: $(HAS_DEV) ## what CI runs besides `make test`: the slow tests that it has time for
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "slow and ci" $(ARGS)

test-all: check $(WITH_SPARK) ## the same with the slow tests, fresh random examples, and on Spark 4.0
	$(BIN)/python -m pytest -n auto --dist loadgroup --hypothesis-profile=search $(ARGS)
	$(if $(WITH_SPARK),$(MAKE) test-spark-4.0)

test-spark-4.0: ## Spark's tests on the oldest Spark that cartlake works with, in an environment of its own
	$(MAKE) VENV=$(VENV)-spark-4.0 SPARK_PINS=requirements/spark-4.0.txt test-spark

test-spark: $(HAS_DEV) $(HAS_SPARK)
	$(BIN)/python -m pytest -n auto --dist loadgroup -m "spark and not slow" $(ARGS)

check: $(HAS_DEV) ## lint, format, types and layers only
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo

bundle-check: $(HAS_DEV) ## ask Databricks' own package (see its licence) about the bundle
	@$(PIP) install -r requirements/databricks.txt
	$(BIN)/python -m pytest tests/test_bundle.py $(ARGS)

bench: $(HAS_RUN) ## measure the flow against the floor, task by task
	$(BIN)/python -m bench $(ARGS)

spark-cluster: $(HAS_DEV) $(HAS_SPARK) ## run two batches on a Spark cluster of two workers, on this machine
	@$(BIN)/python -m pytest -m slow tests/cluster $(ARGS)

spark-setup: $(HAS_SPARK) ## install PySpark, and fetch the JARs of Delta Lake once into the user's cache

docs-svg: $(HAS_RUN) ## draw the summary of the demo for the README
	$(BIN)/python docs/demo_svg.py

docs-shots: $(HAS_DEV) ## photograph the dashboard for its document (needs a browser)
	$(BIN)/python docs/dashboard_shots.py

browser: ## install Debian's Chromium, for the tests of the dashboard in a browser (as root)
	apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium

clean: ## remove everything that was generated, the environment too
	rm -rf build dist cartlake-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests bench docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	for made in "$(VENV)" "$(VENV)-spark-4.0"; do if [ -f "$$made/pyvenv.cfg" ]; then rm -rf "$$made"; fi; done

$(HAS_VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cartlake needs Python 3.11 or later, and '$(PYTHON)' is not that: $$($(PYTHON) --version 2>&1)"; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; } >&2
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv "$(VENV)"
	@echo '*' > "$(VENV)/.gitignore"
	@touch $@

# The package is installed in place, so that a change of its source needs no new installation.
$(HAS_RUN): pyproject.toml $(RUN_PINS) | $(HAS_VENV)
	@echo "Installing the pinned packages"
	@$(PIP) install $(RUN_PINS:%=-r %)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(HAS_DEV): $(HAS_RUN) $(DEV_PINS) $(DASHBOARD_PINS)
	@echo "Installing the pinned tools"
	@$(PIP) install $(DEV_PINS:%=-r %)
	@touch $@

$(HAS_SPARK): $(HAS_RUN) $(SPARK_PINS)
	@echo "Installing PySpark"
	@$(PIP) install $(SPARK_PINS:%=-r %)
	@$(BIN)/python -m cartlake.engines.spark.setup
	@touch $@
