# What a checkout is worked with; `make help` lists it.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help run set-up check test bench soak

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: ## serve on 127.0.0.1:8080 with the built-in configuration
	$(CARGO) run --release

set-up: ## install what the tests need beyond Rust, where it is missing
	@bash scripts/set-up.sh

check: ## formatting, lints, documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

# One after the other, under `make -j` too: they share cargo's lock, and the cheaper one speaks first.
test: set-up ## everything that must pass before a merge
	$(MAKE) check
	$(CARGO) test

bench: ## the load benchmark and the micro-benchmarks
	$(CARGO) bench

soak: set-up ## what takes long: the simulation over a hundred thousand schedules, many more kills, every alert, the interface against its document, a fuzzer on what comes from outside
	TRUYCAP_SIM_SEEDS=100000 $(CARGO) test --release --test simulation
	TRUYCAP_SOAK=1 $(CARGO) test --release --test redis
	$(CARGO) test --test deploy -- --ignored
	bash scripts/openapi.sh
	bash scripts/fuzz.sh
