# The everyday commands. `make help` lists them.

.PHONY: help run test lint bench torture kafka-diff registry-diff
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## build and run the grocery demo; ARGS="--orders 2000 --kill" is passed on
	@command -v cargo >/dev/null || { echo "cargo is missing; install it with: sudo apt-get install rustup && rustup default stable"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing; install it with: sudo apt-get install build-essential"; exit 1; }
	cargo build --release --locked --package rivulet-cli
	target/release/rivulet demo grocery $(ARGS)

test: ## install the real clients the tests need, then run every test
	tests/setup
	tests/setup-kafka
	tests/setup-registry
	cargo build --release --locked --package rivulet-cli
	cargo test --locked --workspace

lint: ## formatting, and clippy with warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings

bench: ## Rivulet and Apache Kafka side by side; ARGS="--no-kafka --quick" or "--registry" and others are passed on
	tests/setup
	tests/setup-kafka
	bench/setup-registry
	cargo build --release --locked --package rivulet-cli --package rivulet-bench
	target/release/rivulet-bench $(ARGS)

torture: ## ten minutes of kills, pauses, a hostile network, full disks and power cuts; needs root for the last two
	cargo build --release --locked --package rivulet-cli --package rivulet-tests
	target/release/rivulet-torture $(ARGS)

kafka-diff: ## record Apache Kafka's answers anew and print where Rivulet's differ
	tests/setup
	tests/setup-kafka
	cargo build --release --locked --package rivulet-cli --package rivulet-tests
	target/release/kafka-diff $(ARGS)

registry-diff: ## print where the registry's answers differ from Confluent's; ARGS="SCENARIO" plays only one
	cargo build --release --locked --package rivulet-cli --package rivulet-tests
	target/release/registry-diff $(ARGS)
