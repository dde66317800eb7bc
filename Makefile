# What one does with this repository; `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BINARIES := headwater-processor headwater hello-service headwater-bench
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# Arguments for run-service, run-processor, run-client, bench, bench-peers and crash, as in: make run-service ARGS='--delay 2s'
ARGS ?=

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Show the main job from an empty machine: run, inspect, kill -9, recover
	@demo/run.sh

.PHONY: test
test: ## Run all tests, those on a real NATS server too (fetched if missing)
	@set -eu; HEADWATER_NATS_SERVER="$$(nats/nats-server.sh)"; export HEADWATER_NATS_SERVER; \
	echo "Running documentation tests: cargo test --workspace --doc"; \
	cargo test --workspace --doc; \
	$(MAKE) sim; \
	if cargo nextest --version >/dev/null 2>&1; then \
		echo "Running tests: cargo nextest run --workspace"; \
		cargo nextest run --workspace; \
	else \
		echo "Running tests: cargo test --workspace --lib --bins --tests --examples (cargo-nextest is not installed)"; \
		cargo test --workspace --lib --bins --tests --examples; \
	fi

.PHONY: lint
lint: ## Check formatting, clippy and the documentation's links, all without a warning
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace

.PHONY: build
build: ## Build the binaries for use into bin/
	cargo build --release $(addprefix --bin ,$(BINARIES))
	@mkdir -p bin
	@for binary in $(BINARIES); do install -m 755 "$(TARGET_DIR)/release/$$binary" bin/; done
	@echo "Built bin/: $(BINARIES)"

.PHONY: bench
bench: ## Measure, and say which targets are met (ten minutes); JSON=1 prints one JSON object a line
	@$(MAKE) build >&2
	@set -eu; HEADWATER_NATS_SERVER="$$(nats/nats-server.sh)"; export HEADWATER_NATS_SERVER; \
	bin/headwater-bench $(if $(JSON),--json) $(ARGS)

.PHONY: bench-peers
bench-peers: ## Restate and duroxide on the same workloads, beside Headwater; JSON=1 as in bench
	@bench-peers/run.sh $(if $(JSON),--json) $(ARGS)

.PHONY: sim
sim: ## Simulate with faults, 300 seeds; SEED=s one with its timeline, SEEDS=n FROM=s many (optimised)
	@echo "Running the simulation: headwater-sim"; \
	cargo run --quiet --package headwater-sim $(if $(SEEDS),--release) -- $(if $(SEED),--seed $(SEED)) \
		$(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) $(ARGS)

.PHONY: sim-mutants
sim-mutants: ## Break each rule of the design and tell how many seeds it takes to notice
	cargo run --quiet --release --package headwater-sim --features mutants -- \
		--mutants --seeds $(or $(SEEDS),20000) $(ARGS)

.PHONY: crash
crash: ## Kill, pause and cut off real processes for two minutes, on one server and on three; SEED=n repeats
	cargo build --release --package headwater-crash
	@set -eu; HEADWATER_NATS_SERVER="$$(nats/nats-server.sh)"; export HEADWATER_NATS_SERVER; \
	for servers in 1 3; do \
		"$(TARGET_DIR)/release/headwater-crash" --servers "$$servers" $(if $(SEED),--seed $(SEED)) $(ARGS); \
	done

.PHONY: doc
doc: ## Build the API documentation into target/doc
	cargo doc --no-deps --workspace

.PHONY: clean
clean: ## Remove bin/ and everything that cargo built; the NATS data in .nats/ stays
	rm -rf bin
	cargo clean

.PHONY: docker-up
docker-up: ## Start a three-node NATS cluster in Docker
	@nats/docker.sh up

.PHONY: docker-down
docker-down: ## Remove the Docker cluster and its data
	@nats/docker.sh down

.PHONY: cluster-up
cluster-up: ## Start the same cluster as local processes
	@nats/local.sh up cluster

.PHONY: cluster-down
cluster-down: ## Stop the local cluster; its data stays in .nats/
	@nats/local.sh down cluster

.PHONY: nats-up
nats-up: ## Start one NATS server as a local process
	@nats/local.sh up single

.PHONY: nats-down
nats-down: ## Stop the local server; its data stays in .nats/
	@nats/local.sh down single

.PHONY: nats-server
nats-server: ## Find or fetch the NATS server for local use and print its path
	@nats/nats-server.sh

.PHONY: run-service
run-service: ## Run HelloService on :9090
	@echo "Running HelloService..."
	@cargo run --quiet --bin hello-service -- $(ARGS)

.PHONY: run-processor
run-processor: ## Run a processor (NATS_URL, HELLO_SERVICE_ADDR)
	@echo "Running processor..."
	@cargo run --quiet --bin headwater-processor -- $(ARGS)

.PHONY: run-client
run-client: ## Submit a workflow (HANDLER, PARTITION_KEY, NATS_URL)
	@echo "Running client..."
	@cargo run --quiet --bin headwater -- start $(ARGS)
