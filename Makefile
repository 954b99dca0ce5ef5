PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo page bench proofs test test-slow sklearn mutants dist versions docs figures constraints clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: .venv/ready  ## make .venv with the pinned packages; every other target uses it

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"jnmf needs Python 3.11 or later, this is {v[0]}.{v[1]}: try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup  ## every study at its quick size; the page is results/index.html
	$(BIN)/python -m experiments all

proofs: setup  ## check every statement and print the table
	$(BIN)/python -m proofs

bench: setup  ## race against other packages (an hour); missing ones are named, pip install '.[bench]' has them all
	$(BIN)/python -m experiments.race

figures: demo  ## renew the pictures that the README and the site show
	mkdir -p docs
	for name in scree similarity heatmaps; do cp results/williams-$$name.png docs/$$name.png; done
	cp results/faces-lee_seung.png docs/faces.png
	$(BIN)/python -m docs.parts results/faces.npz docs/parts.png

page: demo  ## open the page in a headless browser (Debian: apt-get install chromium) and photograph it
	chromium --headless --no-sandbox --disable-gpu --disable-background-networking --window-size=1100,30000 \
		--user-data-dir=$$(mktemp -d) --screenshot=results/page.png file://$(CURDIR)/results/index.html

mutants: setup  ## break the formulas of jnmf one by one and count which breaks go unnoticed (hours)
	$(BIN)/python -m tests.mutants

test: setup  ## ruff, pyright and the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright & types=$$!; $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder; tests=$$?; wait $$types && exit $$tests

test-slow: setup  ## the studies that take minutes
	$(BIN)/python -m pytest -m slow

sklearn: setup  ## scikit-learn's own tests of NMF, on the estimators
	$(BIN)/python -m tests.sklearn_suite

dist:  ## wheel and sdist in dist/; some tests on the installed wheel
	$(PYTHON) -m tools.clean_room dist

versions:  ## some tests with the oldest packages that pyproject.toml allows, and with the newest
	$(PYTHON) -m tools.clean_room versions

docs: setup .venv/docs  ## the site, docs/_build/html/index.html; a warning or a dead link is an error
	$(BIN)/python -m docs.pages docs/_build/source
	$(BIN)/python -m sphinx -W --keep-going -q -b html -c docs docs/_build/source docs/_build/html
	$(BIN)/python -m docs.links docs/_build/html

.venv/docs: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	touch $@

constraints: setup  ## pin what is installed now
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt

clean:  ## remove what the other targets made
	rm -rf .venv results .cache dist docs/_build
