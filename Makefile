# Every target prepares what it needs by itself: see .ci/prepare.
#
#   PYTHON=/path/to/python   another interpreter (3.11 or later) than the first one found
#   VENV=.venv               where the virtual environment is made
#   ARGS="-k chat -x"        further arguments for pytest
#   HOST=127.0.0.1 PORT=8000 where the demo listens

VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
PY = $(VENV)/bin/python
SERVE_CHAT = $(PY) -m actorws serve examples.chat:app --host $(HOST) --port $(PORT)

export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test tests lint format types clean demo-ready ready

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: demo-ready ## Serve the chat page (PORT=8000); Ctrl-C ends it
	@# At a terminal, Ctrl-C is for the server alone (set -m): make would turn its exit status 0 into 130.
	@if [ -t 0 ]; then set -m; $(SERVE_CHAT); else exec $(SERVE_CHAT); fi

test: ready ## Run the whole suite (ARGS="-k chat")
	@.ci/prepare chromium
	@$(PY) -m pytest $(ARGS)

tests: test # There is a folder of that name, so make would say that nothing is to be done.

lint: ready ## Check style and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: ready ## Format the code
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

types: ready ## Check types
	@$(PY) -m mypy

clean: ## Remove what the other targets made
	rm -rf .venv* $(VENV) build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

demo-ready:
	@.ci/prepare python $(VENV)

ready:
	@.ci/prepare python $(VENV) test
