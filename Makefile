# What can be done here. `make demo` and `make test` set up all they need.
.PHONY: help deps build demo test check soak bench

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

deps:  ## system packages, and RocksDB compiled once per machine into a cache outside the checkout
	@.ci/deps

build: deps  ## the release binary, target/release/inventory-store
	cargo build --locked --release

demo: build  ## the service on the embedded log with a generated warehouse day; Ctrl-C stops, a second start goes on
	@.ci/demo

test:  ## every test this machine can run, a real Kafka broker included where there is one
	@.ci/test

check:  ## format, clippy with warnings as errors, tests, docs, dependency advisories
	@.ci/check

soak: deps  ## the long runs: a million events with kill -9 on the way, faults for minutes
	@INVENTORY_STORE_SOAK=1 .ci/test --release --test it -- million kill disturbed --nocapture

bench: deps  ## decode, evolve, replay beside a bare reader, commands, growth; FULL=1 for the long form with peers
	@.ci/bench
