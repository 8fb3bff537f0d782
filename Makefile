# The only things assumed: git, make, and a Python 3.11 or newer with venv and pip.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test soak lint check bench lock clean
help:
	@echo "make demo   sync four simulated exchanges into an embedded Postgres and show what BI would see"
	@echo "make test   run the tests"
	@echo "make soak   play 2,000 random sequences of changes, faults, kills and syncs"
	@echo "make check  format, lint, types and tests: what a change must leave green"
	@echo "make bench  measure pace, plan and load"
	@echo "make lock   renew requirements.lock from pyproject.toml"

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)
	$(BIN)/etl demo

test: $(READY)
	$(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal

soak: $(READY)
	ETL_SOAK=$${ETL_SOAK:-2000} $(BIN)/pytest -n logical --maxprocesses 4 tests/soak/test_sequences.py

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

bench: $(READY)
	$(BIN)/python -m benchmarks

lock:
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --upgrade \
		--python-version 3.11 --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
