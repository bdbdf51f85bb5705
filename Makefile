# Every target does its own set-up: Python 3.11 with pip, make and git are all that must be there.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# The certificates of this machine, not those that uv brings: a company's proxy may have its own.
export UV_SYSTEM_CERTS = 1
export VIRTUAL_ENV = $(CURDIR)/.venv

.PHONY: help setup demo test test-all lint lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/installed

.venv/installed: requirements/dev.txt requirements/uv.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	@test -x $(BIN)/uv || $(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip sync --quiet --require-hashes requirements/dev.txt requirements/uv.txt
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run an example day through the whole pipe, on servers that it brings itself
	@$(BIN)/botlive stack run -- $(BIN)/python -m examples.demo

test: setup ## The tests, on real servers (under three minutes)
	$(BIN)/pytest -m "not slow"

test-all: setup ## The long ones too (under fifteen minutes)
	$(BIN)/pytest

lint: setup ## Style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: setup ## Write requirements/ anew, with the newest releases
	$(BIN)/python requirements/lock.py

clean: ## Throw away what the targets made
	rm -rf .venv .state .pytest_cache .mypy_cache .ruff_cache .hypothesis
