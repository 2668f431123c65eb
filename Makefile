# Two commands do everything on a fresh machine with Python 3.11 and make:
#   make run     set up, then the bank hub end to end
#   make test    set up, then lint, types, layers and all tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -x $(BIN)/python || { echo "setting up $(VENV) (about a minute, once)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lock: ## after a change of dependencies; needs uv
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --python-version 3.11 --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) .tools .run .bench data build dist
