# Everything runs inside .venv/, made from the locks by the first target that needs it. Try `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= $(firstword $(shell command -v python3.11 python3 python))
BIN := .venv/bin
READY := .venv/.ready
LOCKS := requirements-dev.lock requirements-bootstrap.lock requirements-build.txt

# The tests of a file share what they set up. In the order of the folders the longest files come first.
SIDE_BY_SIDE := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# No tool that a recipe starts may phone home.
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export GX_ANALYTICS_ENABLED := false
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-strip-extras \
	--generate-hashes --no-emit-index-url --build-constraints requirements-build.txt \
	--custom-compile-command 'make lock' $(UPGRADE)

.PHONY: setup demo test lint format bench slow faults docs lock clean help

setup: $(READY)  ## make .venv/ from the locks (again only when they change)

# uv installs in seconds; pip is the way out where only pip's configuration knows the package index.
# pip names the file of build constraints differently before and after 25.3, so it is told both.
$(READY): $(LOCKS) pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python found; install Python 3.11 or say PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "make: $(PYTHON) is not Python 3.11, which Baton needs; say PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setup: installing requirements-dev.lock into .venv/"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 UV_SYSTEM_CERTS=1; \
	pip="$(BIN)/python -m pip install --quiet"; uv="$(BIN)/uv pip"; \
	index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}}; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	if $$pip --require-hashes -r requirements-bootstrap.lock \
		&& $$uv sync --quiet --python $(BIN)/python --require-hashes --build-constraints requirements-build.txt requirements-dev.lock; \
	then \
		$$uv install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .; \
	else \
		echo "setup: uv could not install the lock, so pip does it (a minute or two)" >&2; \
		PIP_CONSTRAINT=requirements-build.txt PIP_BUILD_CONSTRAINT=requirements-build.txt \
			$$pip --require-hashes -r requirements-dev.lock; \
		$$pip --no-deps --no-build-isolation --editable .; \
	fi
	@touch $@

demo: setup  ## the sandbox, a Prefect server and two syncs on loopback (DEMO_EXIT=1 stops afterwards)
	@$(BIN)/baton demo $(if $(filter-out 0,$(DEMO_EXIT)),--exit)

test: setup  ## the default suite: no network beyond loopback
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

lint: setup  ## ruff, mypy --strict, sqlfmt, codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict flows
	$(BIN)/sqlfmt --check --no-progressbar dbt_project
	$(BIN)/codespell

format: setup  ## rewrite Python and SQL the way `make lint` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfmt --no-progressbar dbt_project

bench: setup  ## measure; prints figures
	@$(BIN)/python -m tests.bench $(ARGS)

slow: setup  ## whole demos, the deployment, rebuilds by dbt alone, a load of real history
	@$(BIN)/python -m pytest -m slow $(SIDE_BY_SIDE) $(ARGS)

faults: setup  ## the suite in which the outside world throttles, drops and lies
	@$(BIN)/python -m pytest -m faults $(SIDE_BY_SIDE) $(ARGS)

docs: setup  ## write docs/tables.md and docs/ownership.md again from dbt's YAML and the policy
	@$(BIN)/python docs/generate_tables.py

lock: setup  ## resolve pyproject.toml into the locks again (UPGRADE=--upgrade moves every version)
	$(COMPILE) --group pyproject.toml:bootstrap -o requirements-bootstrap.lock
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group dev pyproject.toml -o requirements-dev.lock

clean:  ## remove .venv/, caches and dbt's output; .baton/ stays, because the ledger cannot be rebuilt
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dbt_project/target dbt_project/logs logs
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name text; do printf '  make %-8s %s\n' "$$name" "$$text"; done
