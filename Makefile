# porter: `make demo` shows what it does, `make test` proves that it works.
# Needs make and Python 3.10 or newer (with venv); everything else goes into .venv.

VENV  := .venv
BIN   := $(VENV)/bin
DEMO  := examples/language-model/original
CODE  := porter tests

# The first of these that is new enough. Run, not just found: a version manager's shim may be an empty promise.
PYTHON ?= $(shell for python in python3.11 python3 python3.14 python3.13 python3.12 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$python && break; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test lint format catalogue ecosystem slow clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(BIN)/porter  ## scan and rewrite a CUDA training program: report, then patch
	@printf '\n$$ porter scan $(DEMO)\n\n'
	@$(BIN)/porter scan $(DEMO)
	@printf '\n$$ porter rewrite $(DEMO) --diff\n\n'
	@$(BIN)/porter rewrite $(DEMO) --diff

test: lint  ## everything CI runs: ruff, mypy, pytest
	$(BIN)/pytest -rfEs

lint: $(VENV)/dev  ## ruff and mypy
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

format: $(VENV)/dev  ## let ruff repair what it can
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

catalogue: $(VENV)/dev  ## compile the catalogue's TOML files into what porter loads
	$(BIN)/python -m porter.catalog.compile

ecosystem: $(VENV)/dev  ## recall and safety on real packages (downloads their sources)
	$(BIN)/python -m tests.ecosystem

slow: $(VENV)/dev  ## the tests that take long and show more of the same
	$(BIN)/pytest -rfEs -m slow tests/launch

clean:  ## remove everything that make created
	rm -rf $(VENV) build dist .mypy_cache .porter_cache .pytest_cache .ruff_cache .hypothesis

# A stamp per kind of installation, made again when the dependencies change. `-e` installs share one .venv.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "porter needs Python 3.10 or newer, and found none: apt install python3 python3-venv" >&2; exit 2; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

$(BIN)/porter: pyproject.toml | $(BIN)/python
	@echo "installing porter into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable .
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/python
	@echo "installing porter and its development tools into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable '.[dev]'
	@touch $@
