# Every target does its own set-up. It needs only Python 3.11 with pip, make and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Use the certificates of this machine, not those inside uv: a company's proxy may have its own.
export UV_SYSTEM_CERTS = 1
export VIRTUAL_ENV = $(CURDIR)/.venv

.PHONY: help setup demo test test-all coverage test-lowest bench chaos fuzz model probes lint contracts lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/installed

.venv/installed: requirements/dev.txt requirements/uv.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	@test -x $(BIN)/uv || $(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt requirements/uv.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Send the events of an example day to the tables, on local servers
	@$(BIN)/botlive stack run -- $(BIN)/python -m examples.demo

# Tests start hundreds of processes, and each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
# Each process starts its own servers. There is one more than cores, because many tests wait.
# A process takes one module after the other, in the order of tests/conftest.py.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PYTEST := $(BIN)/pytest -n $(shell expr $(CORES) + 1) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup ## Run the tests on real servers (under 3 minutes)
	$(PYTEST) -m "not slow"

test-all: setup ## Run the slow tests too (under 15 minutes)
	$(PYTEST)

coverage: setup ## Show the lines of the product and the local stack that no test runs (the tests of make test; ALL=1: of make test-all)
	$(PYTEST) $(if $(ALL),,-m "not slow") --cov --cov-report=term

# Tests the chat's part with the lowest allowed versions of pydantic and redis, and with current test tools.
LOWEST := .venv-lowest
LOWEST_TESTS := $(addprefix tests/unit/test_,$(addsuffix .py,clock contracts dropin handlers key parsing privacy publisher texts))

test-lowest: $(LOWEST)/installed ## Test what the chat installs, with the lowest allowed versions
	$(LOWEST)/bin/python -m pytest --noconftest --hypothesis-profile=ci -p no:cacheprovider $(LOWEST_TESTS)

$(LOWEST)/installed: .venv/installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	@$(BIN)/uv pip compile --quiet --resolution lowest-direct --no-header --no-annotate pyproject.toml -o $(LOWEST)/lowest.txt
	@awk '/^(fakeredis|hypothesis|lupa|pytest|pytest-timeout)==/ { print $$1 }' requirements/dev.txt > $(LOWEST)/tools.txt
	@VIRTUAL_ENV=$(LOWEST) $(BIN)/uv pip install --quiet -r $(LOWEST)/lowest.txt -r $(LOWEST)/tools.txt
	@touch $@

# The other queues of `make bench`. They have their own venv, because they pin other versions.
PEERS := .venv-peers

bench: setup $(PEERS)/installed ## Compare the speed with other queues in one run (QUICK=1: smaller runs; BENCH_ROWS=10000000: large tables)
	@$(BIN)/python -m bench.run

$(PEERS)/installed: requirements/peers.txt .venv/installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PEERS)
	@VIRTUAL_ENV=$(PEERS) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/peers.txt
	@touch $@

chaos: setup ## Inject kills, restarts and network faults under load (SEED=1 EVENTS=10000; under 3 minutes; Error 1: wrong result, Error 3: a fault could not be injected)
	@$(BIN)/python -m tests.chaos

probes: setup ## Attack every table and function by HTTP, with real tokens (SEED=1 PROBES=10000; target: see docs/probes.md)
	@$(BIN)/python -m tests.probes

fuzz: setup ## Send malformed input of every kind (SEED=1 CASES=1000000; CASE=number repeats one; 15 minutes)
	@$(BIN)/python -m tests.fuzz

model: setup ## Explore the life of an event, one step at a time (SEED=1 STEPS=1000000 JOBS=processes; REDIS=valkey: a real server)
	@$(BIN)/python -m tests.model

lint: setup ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

contracts: setup ## Generate docs/schemas, docs/types and docs/events.md from the code
	@$(BIN)/python -m docs.generate

lock: setup ## Update requirements/ to the newest releases
	$(BIN)/python requirements/lock.py

clean: ## Delete what the targets created
	find . -name __pycache__ -not -path './.*' -prune -exec rm -rf {} +
	rm -rf .venv $(LOWEST) $(PEERS) bench/results .state .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*
