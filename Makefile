# The everyday commands. `make help` lists them.

.PHONY: help run test lint bench
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 8

run: ## build and run the grocery demo; ARGS="--orders 2000 --kill" is passed on
	@command -v cargo >/dev/null || { echo "cargo is missing; install it with: sudo apt-get install rustup && rustup default stable"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing; install it with: sudo apt-get install build-essential"; exit 1; }
	cargo build --release --locked --package rivulet-cli
	target/release/rivulet demo grocery $(ARGS)

test: ## install the real clients the tests need, then run every test
	tests/setup
	cargo build --release --locked --package rivulet-cli
	cargo test --locked --workspace

lint: ## formatting, and clippy with warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings

bench: ## print start-up time and memory of the release binary
	cargo build --release --locked --package rivulet-cli --package rivulet-bench
	target/release/rivulet-bench
