# Targets are described by `make help`, which is the default.
# SUITE, SIZES, METHODS and TASKS cut a slice: make reproduce SUITE=released SIZES="1B 3B" METHODS=LoRA
# TASKS=all adds a suite's extra tasks; SEEDS=5 does five training runs per model (of suites that have them).
# Without a SUITE, `released`, `nano` and `conala-nano` are run; with SIZES, which are one suite's own, `released` alone.
# READ are the suites that take hours: the book shows them from the counts that ship.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The newest of these that runs here makes the environment (a version manager may list some that do not run);
# PYTHON=... names another one.
PYTHONS := python3.13 python3.12 python3.11
FITS    := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BOOK_READY := $(VENV)/.book-ready
SLICE  := $(foreach v,$(SIZES),--size '$(v)') $(foreach v,$(METHODS),--method '$(v)') $(foreach v,$(TASKS),--task '$(v)')
RUNS   := $(if $(SEEDS),--seeds '$(SEEDS)')
READ   := $(if $(SUITE)$(SIZES),,smol zoo)
SUITE  ?= released $(if $(SIZES),,nano conala-nano)
TESTERS ?= $(shell getconf _NPROCESSORS_ONLN | awk '{print ($$1 < 8 ? $$1 : 7) + 1}')
# Modules are compiled once, and not again in each of the hundreds of processes that the tests start.
export PYTHONDONTWRITEBYTECODE :=
TORCH  := $(shell grep -m1 '^torch==' requirements.lock)

.PHONY: help setup lab reproduce test lint bench report book nano-base links clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# torch goes first and alone: a later range is then satisfied by it, and no second build is fetched.
$(READY): requirements.lock pyproject.toml
	@for python in $(or $(PYTHON),$(PYTHONS) python3); do \
	    if $$python -c '$(FITS)' 2>/dev/null; then \
	        echo "using $$($$python --version) ($$python)"; $$python -m venv $(VENV); exit 0; \
	    fi; \
	done; \
	echo "error: $(or $(PYTHON),no interpreter here) is not Python 3.11, 3.12 or 3.13 with venv; install one (Debian: apt-get install python3 python3-venv) or name it: make PYTHON=..." >&2; exit 2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY) ## make the virtual environment from requirements.lock, then say what this machine can run
	@$(BIN)/astraios doctor

lab: $(READY) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

reproduce: $(READY) ## make every table and figure of SUITE (default: released, nano, conala-nano)
	@$(foreach suite,$(SUITE),$(BIN)/astraios run --suite $(suite) $(SLICE) $(RUNS);)

# A process more than cores: tests of limits and of networks wait much of their time.
test: $(READY) ## run the tests, in TESTERS processes (PYTEST_ARGS=--slow=all: the slow ones, too)
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(READY) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## time our scoring against the usual harness's way, side by side in one run
	$(BIN)/python benchmarks/scoring.py $(BENCH_ARGS)

report: $(READY) ## write one self-contained HTML page of each SUITE's tables and figures
	@$(foreach suite,$(SUITE),$(BIN)/astraios report --suite $(suite);)

# The book's packages are many and only it needs them, so that `make setup` stays small.
$(BOOK_READY): requirements-book.lock $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock -r requirements-book.lock
	@touch $@

book: $(BOOK_READY) ## run each SUITE (finished work is skipped), then write the static site build/book/html; READ are not run
	@$(foreach suite,$(SUITE),$(BIN)/astraios run --suite $(suite) $(SLICE);)
	@$(BIN)/astraios book $(foreach suite,$(SUITE) $(READ),--suite $(suite)) $(BOOK_ARGS)

nano-base: $(READY) ## train the nano suite's base models again (SIZES cuts; about an hour on two cores), checksummed
	$(BIN)/python -m astraios_utils.nano base $(addprefix --size ,$(SIZES))

links: $(READY) ## point badges, bootstrap cells and CITATION.cff to REPO=owner/name
	@test -n "$(REPO)" || { echo "error: say where: make links REPO=owner/name" >&2; exit 2; }
	$(BIN)/python -m astraios_utils.running.links '$(REPO)'

clean: ## remove the virtual environment and everything runs have written (not figures/)
	rm -rf build $(VENV)
