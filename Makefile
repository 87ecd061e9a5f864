# One folder, .venv, holds everything; `make demo` and `make test` set it up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check docs bench cluster cluster-down clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

demo: install
	$(BIN)/rolloutlab compare quickstart --to runs/quickstart

# on all cores; then what measures time, on a cluster above all, with the machine to itself
test: install
	@failed=0; \
	$(BIN)/python -m pytest --durations=15 -m 'not alone' --numprocesses=auto --dist=worksteal || failed=1; \
	$(BIN)/python -m pytest --durations=15 -m alone || failed=1; \
	exit $$failed

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the language reference from the models, and what commands print into the pages that show it
docs: install
	$(BIN)/rolloutlab schema -o markdown > docs/language.md
	$(BIN)/python tests/docs/console.py $$(grep -l '^```console' README.md docs/*.md docs/*/*.md)

bench: install
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/scale.py

# a one-node Kubernetes with ingress-nginx to try live mode on (Linux, root, Go); tests/cluster/README.md
cluster:
	$(PYTHON) tests/cluster/cluster.py up

cluster-down:
	$(PYTHON) tests/cluster/cluster.py down

clean:
	rm -rf $(VENV) runs build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
