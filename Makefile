# porter: `make demo` shows what it does, `make test` proves that it works.
# Needs make and Python 3.10 or newer (with venv); everything else goes into .venv.

VENV  := .venv
BIN   := $(VENV)/bin
DEMO  := build/demo
CODE  := porter tests

# The first of these that is new enough. Run, not just found: a version manager's shim may be an empty promise.
PYTHON ?= $(shell for python in python3.11 python3 python3.14 python3.13 python3.12 python3.10; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$python && break; done)

# Shows a command, then runs it.
show = @printf '\n$$ %s\n\n' '$(1)'; PATH="$(abspath $(BIN)):$$PATH" $(1)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test lint format catalogue docs ecosystem bench fuzz examples integrations programs slow opdb huggingface xla clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/verify  ## port a CUDA training program and prove it: scan, rewrite, run, verify
	@rm -rf $(DEMO) && mkdir -p $(DEMO) && cp -r examples/image-classifier/original examples/image-classifier/porter_cases.py $(DEMO)
	@cp -r $(DEMO)/original $(DEMO)/port
	$(call show,porter scan $(DEMO)/original)
	$(call show,porter rewrite $(DEMO)/port --diff)
	$(call show,porter rewrite $(DEMO)/port --write --quiet)
	$(call show,porter run $(DEMO)/port/train.py --steps 10 --train-size 640 --workers 0 --log-every 1 --checkpoint $(DEMO)/best.pt)
	$(call show,porter verify $(DEMO) --backend sim --case model --case training --quiet)

test: lint $(VENV)/verify  ## everything CI runs: ruff, mypy, pytest
	$(BIN)/pytest -rfEs --numprocesses auto --dist loadfile

lint: $(VENV)/dev  ## ruff and mypy
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

format: $(VENV)/dev  ## let ruff repair what it can
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

catalogue: $(VENV)/dev  ## compile the catalogue's TOML files into what porter loads
	$(BIN)/python -m porter.catalog.compile

docs: $(VENV)/dev  ## make the pages of rules and catalogue in docs/ again
	$(BIN)/python -m tests.pages

ecosystem: $(VENV)/dev  ## recall and safety on real packages, fetched at need, against the committed state; UPDATE=1 writes it
	$(BIN)/python -m tests.ecosystem $(if $(UPDATE),--update)

bench: $(VENV)/dev  ## what porter and the simulated device cost, beside ruff, ast-grep, git grep, TorchFix and the CPU; UPDATE=1 writes the page
	$(BIN)/python -m tests.benchmarks $(if $(UPDATE),--update)
	$(BIN)/python -m tests.benchmarks.simulate $(if $(UPDATE),--update)

fuzz: $(VENV)/dev  ## arbitrary programs and damaged files, for ten minutes: TIME=3600 CORPUS="folder folder"
	$(BIN)/python -m tests.fuzz --seconds $(or $(TIME),600) --seed $(or $(SEED),$(shell date +%j)) --corpus $(CORPUS)

examples: $(VENV)/samples  ## every sample model from end to end, for minutes; UPDATE=1 writes the figures into their pages
	$(BIN)/pytest -rfEs -m examples tests/examples

programs: $(VENV)/samples  ## whole programs of many kinds: run before and after, on every target's stand-in
	$(BIN)/pytest -rfEs -m programs tests/programs

integrations: $(VENV)/dev  ## hooks and action, installed as their users install them
	$(BIN)/pytest -rfEs -m "installs or not installs" tests/integrations

slow: $(VENV)/dev  ## the tests that take long and show more of the same
	$(BIN)/pytest -rfEs -m slow tests/launch

opdb: $(VENV)/dev $(VENV)/verify  ## PyTorch's own operator samples on the simulated device, for ten minutes
	$(BIN)/python -m tests.simulate.opdb

huggingface: $(VENV)/dev $(VENV)/samples  ## Transformers and Accelerate on the simulated device
	$(BIN)/pytest -rfEs tests/simulate/test_hugging_face.py

xla: $(VENV)/dev $(VENV)/verify  ## XLA on the CPU: build its environment (2.2 GB in the user's cache), then its tests
	$(BIN)/porter verify --setup xla-cpu
	$(BIN)/pytest -rfEs tests/verify/test_xla.py

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

# PyTorch's own index has builds for CPUs; the one on PyPI brings gigabytes of CUDA along on Linux. Where that index cannot
# be reached, the second line takes what there is.
$(VENV)/verify: $(BIN)/porter
	@echo "installing PyTorch into $(VENV)"
	@$(BIN)/python -m pip install -qq --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu 'torch==2.13.*' 2>/dev/null || true
	@$(BIN)/python -m pip install -qq --editable '.[verify]'
	@touch $@

$(VENV)/samples: $(VENV)/verify $(VENV)/dev
	@echo "installing transformers and accelerate into $(VENV)"
	@$(BIN)/python -m pip install -qq transformers accelerate
	@touch $@
