# Two commands do everything on a fresh machine with Python 3.11 and make:
#   make run     set up, then the bank hub end to end
#   make test    set up, then lint, types, layers and all tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# what `make tools` unpacked is found where the machine does not have it
export PATH := $(PATH):$(CURDIR)/.tools/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test tools reference lint types layers unit kill bench lock clean fuzz

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

run: setup ## the bank hub end to end: 50,000 transactions, then 500 changes
	@$(BIN)/python scripts/run_bank_hub.py

test: setup tools ## everything that is checked: lint, types, layers, all tests
	@$(BIN)/python scripts/check_all.py

tools: setup ## programs that tests and benchmarks use, from Debian and npm, into .tools/, without root
	@$(BIN)/python scripts/unpack_tools.py
	@$(BIN)/python scripts/node_tools.py

reference: setup ## docs/reference and schemas/project.json, from schemas, codes and commands
	@$(BIN)/python -m scripts.reference

lint: setup ## ruff: mistakes and format
	@$(BIN)/python scripts/check_all.py lint

types: setup ## mypy, strict
	@$(BIN)/python scripts/check_all.py types

layers: setup ## who may import whom
	@$(BIN)/python scripts/check_all.py layers

unit: setup ## the quick tests
	@$(BIN)/pytest tests/unit tests/architecture -n auto

kill: setup ## kill -9 and reloads at random moments: 100 kills of 100,000 accepted webhooks, 500 reloads under load
	@KILLS=$${KILLS:-20} WEBHOOK_KILLS=100 WEBHOOK_ACCEPTED=100000 RELOADS=500 $(BIN)/pytest tests/acceptance -k "kill or reload" -v -s

fuzz: setup ## changed definitions and random expressions, for MINUTES=10; what breaks is made small and saved
	@MINUTES=$${MINUTES:-10} PYTHONPATH=$(CURDIR) $(BIN)/python scripts/fuzz.py

bench: setup tools ## speed, as ratios against baselines measured in the same run
	@code=0; for bench in benchmarks/bench_*.py; do PYTHONPATH=$(CURDIR) $(BIN)/python $$bench || code=1; done; exit $$code

setup: $(VENV)/.ready secrets/.gitignore ## .venv with everything, pinned by hash

# engine.yaml of this repository's own project names callers; their secrets are made for this machine alone
secrets/.gitignore: | $(VENV)/.ready
	@$(BIN)/python scripts/banban_demo.py secrets

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || { echo "setting up $(VENV) (about a minute, once)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## after a change of dependencies; needs uv
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 --quiet --output-file requirements.lock

clean: ## remove what was made: .venv, .tools, runs, caches
	rm -rf $(VENV) .tools .run .bench data build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
