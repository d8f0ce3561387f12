# Everything a contributor does has a word here. `make help` lists them.
# ARGS goes through to the program where there is one: make run ARGS="--listen 127.0.0.1:9000"

SHELL := /bin/bash
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test lint bench soak dist clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build the relay quickly and start it (ARGS go to `sluicegate serve`)
	cargo run --profile quick -p sluicegate -- serve $(ARGS)

test: ## every short proof: Rust tests, doc tests, official clients, real servers; installs what they need
	@scripts/test.sh $(ARGS)

lint: ## format, clippy, licences and bans, no ring, shell syntax
	@scripts/lint.sh

bench: ## the relay beside nginx on this machine (ARGS: --write --quick --only WORDS --rounds N)
	@scripts/bench.sh $(ARGS)

soak: ## the long proofs: fuzzing and hammers (MINUTES=3 for each)
	@scripts/soak.sh

dist: ## the binary we ship: built twice, laid out by how calls go (PROFILE=no: once, in half the time)
	@scripts/dist.sh

clean: ## remove what the targets above made, installed clients included
	cargo clean
	rm -rf fuzz/target fuzz/corpus fuzz/artifacts tests/clients/.venv tests/clients/node_modules \
	       tests/real/.venv tests/real/node_modules
