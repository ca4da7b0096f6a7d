# Commands for users and developers. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export AMZSEG_DATA ?= $(CURDIR)/data
export AMZSEG_REAL_DATA ?= $(abspath ../shared/data)
export AMZSEG_LOCAL ?= $(CURDIR)/data
IN_STORE = $(findstring ://,$(AMZSEG_DATA))
export DAGSTER_HOME = $(if $(IN_STORE),$(AMZSEG_LOCAL),$(AMZSEG_DATA))/dagster
PORT ?= 3000
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run erase test soak check ui app audit sbom contract lock clean instance

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.run instance ## segment the users of the exports in data/landing/
	@$(BIN)/python -m amzseg_pipeline run $(ARGS)

erase: export USER_ID = $(value ID)
erase: $(VENV)/.run ## erase a user who is no longer in any export: make erase ID=...
	@$(BIN)/python -m amzseg_pipeline erase -- "$$USER_ID"

# One thread per worker: more would wait for each other on the cores of the other workers.
test: $(VENV)/.test ## run the tests, except the slow ones
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" \
		-n $${WORKERS:-2} --dist loadfile --no-loadscope-reorder $(ARGS)

soak: $(VENV)/.test ## run the slow tests
	@$(BIN)/python -m pytest -m slow $(ARGS)

check: $(VENV)/.test ## check style, format and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

ui: $(VENV)/.run instance ## start the Dagster UI on http://127.0.0.1:3000 (make ui PORT=...)
	@$(BIN)/python -c 'import socket; socket.socket().bind(("127.0.0.1", $(PORT)))' 2>/dev/null || \
		{ echo "port $(PORT) is in use: stop what uses it, or choose another one: make ui PORT=3001" >&2; exit 1; }
	@$(BIN)/dg dev --host 127.0.0.1 --port $(PORT)

app: $(VENV)/.run ## start the app on http://127.0.0.1:8501
	@$(BIN)/python -m streamlit run amzseg_pipeline/app/server.py --server.port $${APP_PORT:-8501}

audit: $(VENV)/.test ## check the locked packages for known vulnerabilities
	@$(BIN)/pip-audit -r requirements-dev.lock --disable-pip --no-deps --strict

sbom: $(VENV)/.test ## write sbom.cdx.json (CycloneDX) and docs/licences.md for the locked packages
	@$(BIN)/python deploy/sbom.py

contract: $(VENV)/.run ## generate docs/contract.md
	@$(BIN)/python -m amzseg_pipeline.cli.contract_page

lock: $(VENV)/.test ## update the lock files from pyproject.toml
	@$(BIN)/uv pip compile $(LOCK) -o requirements.lock pyproject.toml
	@$(BIN)/uv pip compile $(LOCK) -c requirements.lock --extra dev --extra s3 --extra postgres --extra dask \
		-o requirements-dev.lock pyproject.toml
	@$(BIN)/uv pip compile $(LOCK) -c requirements-dev.lock --extra s3 --extra postgres --extra dask \
		-o requirements-deploy.lock pyproject.toml
	@$(BIN)/uv pip compile $(LOCK) -c requirements-dev.lock --extra s3 --extra postgres --extra ray \
		-o requirements-ray.lock pyproject.toml

LOCK := --quiet --generate-hashes --no-strip-extras --no-annotate --no-header --python-version 3.11

clean: ## delete the environment and all caches; data stays
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "setting up the environment (some minutes, once)"
	@$(PIP) install --require-hashes -r requirements.lock && $(PIP) install --no-deps -e . && touch $@

$(VENV)/.test: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "setting up the test environment (some minutes, once)"
	@$(PIP) install --require-hashes -r requirements-dev.lock && $(PIP) install --no-deps -e . && touch $@ $(VENV)/.run

instance:
	@test -n '$(IN_STORE)' -o -d '$(AMZSEG_DATA)/landing' || { printf '%s\n' \
		"$(AMZSEG_DATA)/landing: there is no such folder." "  If AMZSEG_DATA is mistyped, correct it." \
		"  For a new data root create the folder and put exports into it: mkdir -p '$(AMZSEG_DATA)/landing'" >&2; exit 1; }
	@mkdir -p $(DAGSTER_HOME) && cat dagster.yaml $(if $(AMZSEG_POSTGRES_URL),deploy/postgres.yaml) $(if $(IN_STORE),deploy/queue.yaml) > $(DAGSTER_HOME)/dagster.yaml
