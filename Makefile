# One place for every command; CI calls the same targets.
.DEFAULT_GOAL := help
.PHONY: help setup lock demo serve test lint format dashboards try-clis simulate chaos bench bench-fleet bench-fanout bench-routing system

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
TESTS ?=

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "agent-gateway needs Python 3.11 or later; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

setup: $(STAMP) ## Make .venv with the pinned dependencies and the gateway command

lock: $(STAMP) ## Rewrite the hashed requirement files from requirements/*.in
	@cd requirements && for name in dev build runtime demo; do \
	  case $$name in dev) in="dev.in";; build) in="-c dev.txt build.in";; runtime) in="-c dev.txt runtime.in";; demo) in="-c dev.txt runtime.in demo.in";; esac; \
	  ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-header --no-annotate $$in -o $$name.txt; done

demo: $(STAMP) ## Run a fleet straight at simulated providers, then through the gateway
	$(BIN)/gateway demo

serve: $(STAMP) ## Run the gateway (provider keys from the environment or gateway.yaml)
	$(BIN)/gateway serve

test: $(STAMP) ## Run all tests (or TESTS="tests/core tests/store")
	@sh tests/system_packages.sh
	$(BIN)/pytest -n 2 --dist loadfile $(TESTS) || { echo "Once more, alone, what failed:"; $(BIN)/pytest --last-failed --last-failed-no-failures none; }

lint: $(STAMP) ## Ruff, format check, strict types, layer contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## Format and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

dashboards: $(STAMP) ## Write the Grafana dashboards anew, from the metric declarations
	$(BIN)/python -m dashboards

try-clis: $(STAMP) ## Real Claude Code, Codex and Gemini CLI through the gateway (needs npm)
	@bash tests/clients/try_clis.sh

simulate: $(STAMP) ## Admission on a simulated clock, network and store (SEEDS=1-50)
	$(BIN)/python -m tests.simulation $(or $(SEEDS),1-50)

chaos: $(STAMP) ## Kill and cut off real processes under load (SEEDS=1-20)
	$(BIN)/python -m tests.chaos $(or $(SEEDS),1-3)

bench: $(STAMP) ## CPU per proxied call beside nginx and a bare uvicorn + httpx2 proxy
	$(BIN)/python -m tests.bench.proxy_cpu

bench-fleet: $(STAMP) ## Fleets of agents straight at a provider, through one gateway and through three
	$(BIN)/python -m tests.bench.fleet

bench-fanout: $(STAMP) ## Twenty sub-agents at once on one prefix, with and without cache assistance
	$(BIN)/python -m tests.bench.fanout

bench-routing: $(STAMP) ## What routing is worth on public data, its costs over sessions, decision time
	$(BIN)/python -m tests.bench.routing
