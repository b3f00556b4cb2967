# Each target makes .venv first where it is missing or where its declaration changed.
#
#   make demo     from nothing to trained networks, a table and a page
#   make test     every test, those on a local Ray cluster included
#   make check    lint, format, types, import direction
#   make bench    hot paths against their peers
#
# PYTHON=python3.12 chooses an interpreter. PIP_ARGS is passed to pip, e.g. on Linux without an NVIDIA GPU:
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

SHELL := /bin/sh
CANDIDATES := python3 python3.13 python3.12 python3.11
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
PIP_ARGS ?=
PYTEST_ARGS ?=

.PHONY: demo test check bench install

demo: $(STAMP)
	$(BIN)/shapesys demo $(ARGS)

test: $(STAMP)
	$(BIN)/python -m pytest tests -m "not cluster" -n 2 --dist worksteal $(PYTEST_ARGS)
	$(BIN)/python -m pytest tests -m cluster -n 2 --dist loadfile $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py -q

bench: $(STAMP)
	$(BIN)/shapesys bench $(ARGS)

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "shapesys needs Python 3.11 or newer; none of: $(CANDIDATES)." \
		"Name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "shapesys needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) --version 2>&1`"; exit 1; }
	@echo "installing shapesys into .venv (about 3 GB, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment; install its 'venv' package"; exit 1; }
	$(BIN)/python -m pip install --no-input --quiet --disable-pip-version-check $(PIP_ARGS) \
		-c constraints.txt -e ".[dev]"
	@touch $(STAMP)
