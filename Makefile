# Two commands: `make paper` trades on paper, `make test` runs every check. Both set up .venv once.
# Options go through ARGS:  make paper ARGS="--seed 7 --speed 20"     make test ARGS="-k gate"
PYTHON ?= python3
ARGS ?=

.PHONY: help paper test proofs setup setup-all docs lock clean

help:
	@echo "make paper [ARGS=...]   set up once, then: steadyhand paper ARGS"
	@echo "make test  [ARGS=...]   set up everything once, then lint, types, import contracts, tests (ARGS to pytest)"
	@echo "make setup              only set up .venv for paper trading;  make setup-all: for the tests too"
	@echo "make proofs             an hour: every way of risk/, each control taken away, small faults (decision 30)"
	@echo "make docs               write the generated pages and the dashboard again"
	@echo "make lock               write requirements/*.lock again (needs uv)"
	@echo "make clean              remove .venv and what tools left behind"

paper: setup
	@exec .venv/bin/steadyhand paper $(ARGS)

test: setup-all
	@exec .venv/bin/python deploy/setup/checks.py $(ARGS)

proofs: setup-all
	@.venv/bin/python deploy/setup/branches.py risk tests/risk tests/daemon/test_close_pct.py
	@.venv/bin/python deploy/setup/ablation.py --write
	@.venv/bin/python deploy/setup/mutation.py

setup setup-all:
	@command -v $(PYTHON) >/dev/null || { echo "set-up: $(PYTHON) is missing; on Debian: apt install python3 python3-venv" >&2; exit 2; }
	@$(PYTHON) deploy/setup/bootstrap.py $(if $(filter setup,$@),base,all)

docs: setup-all
	@.venv/bin/python deploy/setup/bounds.py
	@.venv/bin/python deploy/setup/states.py
	@.venv/bin/python deploy/setup/scenarios.py
	@.venv/bin/python deploy/setup/traceability.py
	@.venv/bin/python deploy/grafana/desk_overview.py

lock:
	@deploy/setup/lock.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
