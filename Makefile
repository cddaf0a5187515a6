# Targets for development; `make help` lists them.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help run set-up check test bench bench-memory bench-stores bench-instructions profile soak

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: ## serve on 127.0.0.1:8080 with the built-in configuration
	$(CARGO) run --release

set-up: ## install missing programs that the tests need
	@bash scripts/set-up.sh

# `--examples`, of which there are none, gives the dependencies the features that the lints and tests use: none is built twice.
check: ## formatting, lints, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --lib --examples

# Sequential, even with `make -j`: both need cargo's lock, and the cheaper one should report first.
test: set-up ## check, then all tests; must pass before a merge
	$(MAKE) check
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --workspace && $(CARGO) test --workspace --doc; \
	else \
	    $(CARGO) test --workspace; \
	fi

bench: ## the load benchmark and the micro-benchmarks
	@bash scripts/set-up.sh redis-server:redis-server
	$(CARGO) bench --workspace --bench load --bench hot_path

bench-memory: ## store bytes per article, and resident memory
	@bash scripts/set-up.sh redis-server:redis-server
	$(CARGO) bench --bench load -- memory

bench-stores: ## what an article costs in each store: processor time, bytes, the time of a question
	@bash scripts/set-up.sh redis-server:redis-server
	$(CARGO) bench -p truycap-micro-benches --bench stores

bench-instructions: ## instructions of each step of a view, under valgrind
	@bash scripts/instructions.sh

profile: ## flame graphs of the service under load
	@bash scripts/profile.sh

soak: set-up ## the long tests: 100 000 simulated schedules, more power cuts, kills and restarts, a stalled log and a full disk twice for 15 minutes each, memory under load, every alert, other versions of Redis, the OpenAPI document, fuzzing
	TRUYCAP_SIM_SEEDS=100000 $(CARGO) test --release --test simulation
	TRUYCAP_SOAK=1 $(CARGO) test --release --test storage power_cuts
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system power_cuts
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system -- restarts_lose_no_request restarts_refuse
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system stalled_log
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system -- redis:: sentinel:: cluster::
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system memory:: -- --nocapture --test-threads 1
	TRUYCAP_SOAK=1 $(CARGO) test --release --test system rolling::
	$(CARGO) test --test system deploy:: -- --ignored
	bash scripts/redis-versions.sh
	bash scripts/openapi.sh
	bash scripts/fuzz.sh
