# Every target makes what it needs: an environment in .venv from the lock files, once.
.DEFAULT_GOAL := help
.PHONY: run demo clauses test check conformance bench docs lock clean help

run: .venv/.stamp-run ## Start the whole market on this machine, database and message server included
	@.venv/bin/allmende up $(ARGS)

demo: .venv/.stamp-run ## Play the demonstration: bookings, usage and a month's settlement
	@.venv/bin/allmende demo $(ARGS)

clauses: .venv/.stamp-dev ## Work out real cost clauses and compare; ARGS="FILE --inputs CASES" runs yours
	@.venv/bin/python -m allmende.tariffs.clauses $(ARGS)

test: .venv/.stamp-dev ## Run the tests; ARGS="-k money" picks some
	.venv/bin/pytest $(ARGS)

check: .venv/.stamp-dev ## Check format, style, types, import contracts and generated contracts
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy -p allmende
	.venv/bin/mypy tests bench deploy docs
	.venv/bin/lint-imports
	.venv/bin/python -m allmende.schemas.generate --check
	.venv/bin/python deploy/example/generate.py --check
	.venv/bin/python docs/generate.py --check

conformance: .venv/.stamp-dev ## Run the tests that need outside judges, naming those to install
	@deploy/conformance $(ARGS)

bench: .venv/.stamp-dev ## Measure throughput and latency
	@.venv/bin/python -m bench $(ARGS)

docs: .venv/.stamp-dev ## Write everything generated anew: contracts, pages, example hub
	.venv/bin/python -m allmende.schemas.generate
	.venv/bin/python deploy/example/generate.py
	.venv/bin/python docs/generate.py

lock: .venv/.stamp-dev ## Renew the lock files; ARGS=--upgrade takes the newest versions
	deploy/lock $(ARGS)

clean: ## Remove the environment and all caches; .allmende with the market's data stays
	rm -rf .venv .*_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo 'NAME=value after the target reaches the market as ALLMENDE_NAME: make run NATS_PORT=4333'

.venv/.stamp-run: requirements.txt pyproject.toml deploy/setup
	@deploy/setup run

.venv/.stamp-dev: requirements.txt requirements-dev.txt requirements-rules.txt pyproject.toml deploy/setup
	@deploy/setup dev

# A copied checkout or a vanished Python has an environment that only looks whole.
ifneq ($(shell test -x .venv/bin/python && cat .venv/.stamp-place 2>/dev/null),$(CURDIR))
.PHONY: .venv/.stamp-run .venv/.stamp-dev
endif
ifeq ($(wildcard .rules_cache),)
.PHONY: .venv/.stamp-dev
endif

$(foreach name,$(filter-out ARGS PYTHON ALLMENDE_% MAKE% -%,$(.VARIABLES)),\
    $(if $(filter command,$(origin $(name))),$(eval export ALLMENDE_$(name) := $$(value $(name)))))
