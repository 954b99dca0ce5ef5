PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo study bench proofs test test-slow mutants figures constraints clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/ready  ## make .venv with the pinned packages; every other target uses it

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"jnmf needs Python 3.11 or later, this is {v[0]}.{v[1]}: try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup  ## fit the demonstration data with every algorithm; figures go to results/
	$(BIN)/python -m experiments.compare

proofs: setup  ## check every statement and print the table
	$(BIN)/python -m proofs

study: setup  ## ranks 1 to 10 of the exercise data: scree, similarity, cross-validation, heatmaps
	$(BIN)/python -m experiments.williams

bench: setup  ## time whole studies against loops of scikit-learn and SciPy fits
	$(BIN)/python -m experiments.sweep_race
	$(BIN)/python -m experiments.sweep_race --dtype float32

figures: demo study  ## renew the figures that the README shows
	mkdir -p docs
	cp results/compare-convergence.png docs/convergence.png
	for name in scree similarity heatmaps; do cp results/williams-$$name.png docs/$$name.png; done

mutants: setup  ## break the formulas of jnmf one by one and count which breaks go unnoticed (many minutes)
	$(BIN)/python -m tests.mutants

test: setup  ## ruff, pyright and the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: setup  ## the studies that take minutes
	$(BIN)/python -m pytest -m slow

constraints: setup  ## pin what is installed now
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:  ## remove what the other targets made
	rm -rf .venv results
