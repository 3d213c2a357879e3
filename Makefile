# Two commands to know: `make demo` and `make test`. Each sets up everything it needs, in .venv.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench weights browser torch dist clean

VENV ?= .venv
export VENV
BIN := $(VENV)/bin

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: ## .venv with the package and its tools (done again only when something changed)
	@scripts/setup

demo: setup ## the main job on a conversation of ours; FILE=export.json for your own
	@$(BIN)/engrams demo $(if $(FILE),"$(FILE)")

test: browser setup weights torch ## every check and every test
	@scripts/check all

check: setup ## the daily one: format, lint, types, floors, quick tests
	@scripts/check

format: setup ## rewrites the code in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup weights ## every number of the README's table anew, from the data in ENGRAMS_BENCH_DATA (else ./data): hours
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/engrams-bench run --vectors build/vectors.db $(ARGS)
	@$(BIN)/engrams-bench report
	@$(BIN)/engrams-bench plot
	@$(BIN)/engrams-bench gallery

weights: setup ## the embedder's weights, built and installed into .venv
	@scripts/weights

browser: ## a Chromium for the tests of the inspector
	@scripts/browser

torch: setup ## torch into .venv, and .venv-kvpress beside it, for the rooms kv and weights
	@scripts/torch

dist: setup ## every package of the repository, in dist/
	@scripts/dist

clean: ## removes .venv, caches and dist/
	@rm -rf $(VENV) .venv-kvpress dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
