# Every target does its own set-up: Python 3.11 with pip, make and git are all that must be there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The certificates of this machine, not those that uv brings: a company's proxy may have its own.
export UV_SYSTEM_CERTS = 1
export VIRTUAL_ENV = $(CURDIR)/.venv

.PHONY: help setup demo test test-all test-lowest bench chaos fuzz probes lint contracts lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/installed

.venv/installed: requirements/dev.txt requirements/uv.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	@test -x $(BIN)/uv || $(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/dev.txt requirements/uv.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run an example day through the whole pipe, on servers that it brings itself
	@$(BIN)/botlive stack run -- $(BIN)/python -m examples.demo

# Each process brings servers of its own.
PYTEST := $(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal

test: setup ## The tests, on real servers (under five minutes)
	$(PYTEST) -m "not slow"

test-all: setup ## The long ones too (under twenty-five minutes)
	$(PYTEST)

# The chat's part, with pydantic and redis as old as we say that they may be, and today's test tools.
LOWEST := .venv-lowest
LOWEST_TESTS := $(addprefix tests/unit/test_,$(addsuffix .py,clock contracts dropin handlers key parsing privacy publisher texts))

test-lowest: $(LOWEST)/installed ## What the chat installs, at the lowest versions
	$(LOWEST)/bin/python -m pytest --noconftest --hypothesis-profile=ci -p no:cacheprovider $(LOWEST_TESTS)

$(LOWEST)/installed: .venv/installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	@$(BIN)/uv pip compile --quiet --resolution lowest-direct --no-header --no-annotate pyproject.toml -o $(LOWEST)/lowest.txt
	@awk '/^(fakeredis|hypothesis|lupa|pytest|pytest-timeout)==/ { print $$1 }' requirements/dev.txt > $(LOWEST)/tools.txt
	@VIRTUAL_ENV=$(LOWEST) $(BIN)/uv pip install --quiet -r $(LOWEST)/lowest.txt -r $(LOWEST)/tools.txt
	@touch $@

# The queues that we are measured against: they have a venv of their own, for their pins are theirs.
PEERS := .venv-peers

bench: setup $(PEERS)/installed ## Ratios of speed, side by side in one run (QUICK=1: smaller runs)
	@$(BIN)/python -m bench.run

$(PEERS)/installed: requirements/peers.txt .venv/installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(PEERS)
	@VIRTUAL_ENV=$(PEERS) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements/peers.txt
	@touch $@

chaos: setup ## Kills, restarts and a faulty path under load (SEED=1 EVENTS=10000; under three minutes; Error 1: wrong, Error 3: a fault did not come about)
	@$(BIN)/python -m tests.chaos

probes: setup ## Attack every table and function by HTTP, with real tokens (SEED=1 PROBES=10000; aimed as the contract suite is)
	@$(BIN)/python -m tests.probes

fuzz: setup ## Spoilt input of every kind (SEED=1 CASES=1000000; CASE=number makes one again; a quarter of an hour)
	@$(BIN)/python -m tests.fuzz

lint: setup ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

contracts: setup ## Write docs/schemas, docs/types and docs/events.md anew, from the events and their rows
	@$(BIN)/python -m docs.generate

lock: setup ## Write requirements/ anew, with the newest releases
	$(BIN)/python requirements/lock.py

clean: ## Throw away what the targets made
	rm -rf .venv $(LOWEST) $(PEERS) bench/results .state .pytest_cache .mypy_cache .ruff_cache .hypothesis
