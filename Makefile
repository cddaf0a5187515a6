# What a checkout is worked with; `make help` lists it.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help run set-up check test bench bench-memory bench-instructions profile soak

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: ## serve on 127.0.0.1:8080 with the built-in configuration
	$(CARGO) run --release

set-up: ## install what the tests need beyond Rust, where it is missing
	@bash scripts/set-up.sh

check: ## formatting, lints, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

# One after the other, under `make -j` too: they share cargo's lock, and the cheaper one speaks first.
test: set-up ## everything that must pass before a merge
	$(MAKE) check
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --workspace && $(CARGO) test --workspace --doc; \
	else \
	    $(CARGO) test --workspace; \
	fi

bench: ## the load benchmark and the micro-benchmarks
	@bash scripts/set-up.sh redis-server:redis-server
	$(CARGO) bench --workspace --bench load --bench hot_path

bench-memory: ## what articles take in the stores, and the process in memory
	@bash scripts/set-up.sh redis-server:redis-server
	$(CARGO) bench --bench load -- memory

bench-instructions: ## how many instructions a view takes, under valgrind
	@bash scripts/instructions.sh

profile: ## where the time goes under load, as flame graphs
	@bash scripts/profile.sh

soak: set-up ## what takes long: the simulation over a hundred thousand schedules, many more kills, what memory is taken by crowds, every alert, the interface against its document, a fuzzer on what comes from outside
	TRUYCAP_SIM_SEEDS=100000 $(CARGO) test --release --test simulation
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system redis::
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system memory:: -- --nocapture --test-threads 1
	$(CARGO) test --test system deploy:: -- --ignored
	bash scripts/openapi.sh
	bash scripts/fuzz.sh
