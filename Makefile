# Every target prepares what it needs by itself: see .ci/prepare.
#
#   PYTHON=/path/to/python   another interpreter (3.11 or later) than the first one found
#   VENV=.venv               where the virtual environment is made
#   ARGS="-k chat -x"        further arguments for pytest, or for what the target runs
#   WIRES="tcp poll"         over what the behaviour suite runs; by default everything (see tests/support/stage.py)
#   HOST=127.0.0.1 PORT=8000 where the demo listens
#   SECONDS=300 CLIENTS=100  how long a soak takes, and how many clients there are at a time
#   SEED=17                  what they do; by default something else each time
#   MESSAGES=1000000         for make chaos: instead of faults for SECONDS, so many messages between nodes, with kills
#   TARGET=head              what is fuzzed, for SECONDS; by default everything, for 60 seconds each
#   ROUNDS=3                 how often Autobahn's testsuite is run
#   AUTOBAHN_HOME=.autobahn  where it is kept, AUTOBAHN_PYTHON= the CPython 2.7 that it runs on

VENV ?= .venv
HOST ?= 127.0.0.1
PORT ?= 8000
ROUNDS ?= 1
SECONDS ?= 300
CLIENTS ?= 100
PY = $(VENV)/bin/python
SERVE_CHAT = $(PY) -m actorws serve examples.chat:app --host $(HOST) --port $(PORT)

export PYTHON

.DEFAULT_GOAL := help
.PHONY: help demo test autobahn coverage untraced soak chaos fuzz bench bench-full tests lint format types clean \
	bench-ready demo-ready ready

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: demo-ready ## Serve the chat page (PORT=8000); Ctrl-C ends it
	@# At a terminal, Ctrl-C is for the server alone (set -m): make would turn its exit status 0 into 130.
	@if [ -t 0 ]; then set -m; $(SERVE_CHAT); else exec $(SERVE_CHAT); fi

test: ready ## Run the whole suite (ARGS="-k chat")
	@.ci/prepare chromium
	@.ci/prepare redis
	@.ci/prepare autobahn $(VENV)
	@$(PY) -m pytest $(ARGS)

autobahn: ready ## Run Autobahn's testsuite, both its ends (ARGS="6.4 12-13 --messages 1000 --role script")
	@.ci/prepare autobahn $(VENV)
	@$(PY) -m tests.autobahn --rounds $(ROUNDS) $(ARGS)

# Not run under coverage: what judges times and memory, which a tracer changes, and what drives other programs, or an
# oracle, for long.
UNTRACED = $(addprefix tests/,autobahn benchmarks chaos cluster/faults cluster/test_end_to_end.py examples faults fuzz \
	protocol/test_codec_oracle.py robustness soak)
# What has to be covered branch by branch; of the rest a few lines may be missing.
COVERED = actorws/protocol/*,actorws/actor/*,actorws/registry/*

coverage: ready ## Run the suite under coverage: 100 % of the core, 95 % in all
	@.ci/prepare redis
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m pytest $(addprefix --ignore=,tests/browser $(UNTRACED)) $(ARGS)
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report --fail-under=95
	@$(PY) -m coverage report --fail-under=100 --include='$(COVERED)'

untraced: ready # What `coverage` leaves out, without the browser.
	@.ci/prepare autobahn $(VENV)
	@$(PY) -m pytest $(UNTRACED) $(ARGS)

soak: ready ## Good and bad clients for minutes, then nothing may be left (SECONDS=300)
	@$(PY) -m tests.soak --seconds $(SECONDS) --clients $(CLIENTS) $(if $(SEED),--seed $(SEED)) $(ARGS)

chaos: SECONDS = 120
chaos: ready ## A cluster under faults; nothing may be lost unseen (SECONDS=120, or MESSAGES=1000000)
	@.ci/prepare redis
	@$(PY) -m tests.chaos --seconds $(SECONDS) $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

fuzz: SECONDS = 60
fuzz: ready ## Fuzz the parsers, guided by coverage (SECONDS=60 each, TARGET=head)
	@.ci/prepare python $(VENV) fuzz || echo "actorws: no atheris here, so hypothesis does it, which nothing guides" >&2
	@$(PY) -m tests.fuzz --seconds $(SECONDS) $(TARGET) $(ARGS)

bench: bench-ready ## Measure it beside its peers, in five minutes (ARGS="--only echo --contenders actorws,picows")
	@$(PY) -m benchmarks $(ARGS)

bench-full: bench-ready ## The same with every question, for the results that the project keeps
	@$(PY) -m benchmarks --full $(ARGS)

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
	rm -rf .venv* $(VENV) .autobahn benchmarks/.cache actorws/*/*.so build dist *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

bench-ready:
	@.ci/prepare python $(VENV) bench

demo-ready:
	@.ci/prepare python $(VENV)

ready:
	@.ci/prepare python $(VENV) test
