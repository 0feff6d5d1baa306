# The one door. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Outside the checkout, so that a fresh clone of a project that was built before starts warm.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/shoal/target
export SHOAL_VENV ?= $(HOME)/.cache/shoal/venv
export SHOAL_PEERS_VENV ?= $(HOME)/.cache/shoal/venv-peers
SHOAL := $(CARGO_TARGET_DIR)/debug/shoal

.PHONY: help
help: ## Lists the commands.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: demo
demo: setup ## Trains one regression per firm on two local workers and shows the models.
	cargo build --quiet --package shoal-cli
	$(SHOAL) run examples/grunfeld.yaml --workers 2 --state-dir target/demo/state

.PHONY: test
test: setup services test-python ## Runs every test that this machine can run.
	cargo build --quiet --package shoal-cli
	cargo test --workspace

.PHONY: test-python
test-python: setup ## Tests the Python package on the oldest and the newest Python that this machine has.
	cargo build --quiet --package shoal-cli
	@SHOAL_BIN=$(SHOAL) scripts/test-python

.PHONY: chaos
chaos: setup ## Real faults on real processes: RUNS=N runs with fresh seeds, or SEED=S again (as root).
	cargo build --quiet --package shoal-cli
	SHOAL_CHAOS_RUNS="$(RUNS)" SHOAL_CHAOS_SEED="$(SEED)" cargo test --quiet --workspace --test chaos

.PHONY: setup
setup: ## Installs what is missing: system packages, Python packages for the oracles.
	@scripts/setup

.PHONY: services
services: setup ## Builds what tests run beside Shoal: etcd, object stores (S3, Google, Azure).
	@scripts/services

.PHONY: services-kubernetes
services-kubernetes: ## Builds Kubernetes, helm, CoreDNS and kwok for tests: once, minutes of compiling.
	@scripts/setup kubernetes
	@scripts/services kubernetes

# RELEASE=1 for an image that is small and fast; without it the one that tests use, made of the build that they use.
IMAGE := target/image/shoal.tar
# Of the compressed layers of a release: what a node has to pull.
IMAGE_MB_MAX := 120

.PHONY: image
image: setup ## Builds Shoal's container image without a container engine; RELEASE=1 for one to publish.
	cargo build --quiet --package shoal-cli $(if $(RELEASE),--release)
	@scripts/image --program $(CARGO_TARGET_DIR)/$(if $(RELEASE),release,debug)/shoal --output $(IMAGE) \
	    $(if $(RELEASE),--small --max-mb $(IMAGE_MB_MAX))

PYTHON_IMAGE := target/image/shoal-python.tar
PYTHON_IMAGE_MB_MAX := 240

.PHONY: image-python
image-python: setup ## The same with Python, numpy, pandas and pyarrow: for a cluster's `image` or a group's `pythonImage`.
	cargo build --quiet --package shoal-cli $(if $(RELEASE),--release)
	@scripts/image --program $(CARGO_TARGET_DIR)/$(if $(RELEASE),release,debug)/shoal --python --output $(PYTHON_IMAGE) \
	    $(if $(RELEASE),--small --max-mb $(PYTHON_IMAGE_MB_MAX))

# An image as users bring it: Python, what examples/python imports, and nothing of Shoal.
FUNCTIONS_IMAGE := target/image/functions.tar
FUNCTIONS_REQUIREMENTS := tests/suites/kubernetes/python-requirements.txt

$(FUNCTIONS_IMAGE): scripts/image scripts/image_python.py $(FUNCTIONS_REQUIREMENTS)
	@scripts/image --python --requirements $(FUNCTIONS_REQUIREMENTS) --name functions --version 1 --output $@

# These tests wait for pods, leases and deadlines more than they work.
SIDE_BY_SIDE := 4

.PHONY: test-kubernetes
test-kubernetes: services-kubernetes image image-python $(FUNCTIONS_IMAGE) ## Tests on real Kubernetes clusters with real pods (as root); TESTS=examples:: for some.
	cargo test --workspace --test kubernetes -- --nocapture --test-threads=$(SIDE_BY_SIDE) $(TESTS)

# A node has namespaces of its own, and only root makes them.
COMMA := ,
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo --preserve-env=HOME$(COMMA)PATH$(COMMA)SHOAL_SERVICES$(COMMA)SHOAL_CLUSTER_DIR)

.PHONY: cluster-up
cluster-up: services-kubernetes image ## Starts a throw-away Kubernetes on this machine, with Shoal and S3; prints KUBECONFIG=...
	cargo build --quiet --workspace --bin cluster
	@$(AS_ROOT) $(CARGO_TARGET_DIR)/debug/cluster up $(IMAGE) $(wildcard $(PYTHON_IMAGE))

.PHONY: cluster-down
cluster-down: ## Ends it, and removes all of it.
	cargo build --quiet --workspace --bin cluster
	@$(AS_ROOT) $(CARGO_TARGET_DIR)/debug/cluster down

.PHONY: generate
generate: ## Writes crds/ and the API description anew from the code.
	cargo run --quiet --package shoal-cli -- operator generate --root .

.PHONY: check
check: setup ## Format, lints, documentation: what CI checks beside the tests.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings
	cargo clippy --workspace --test kubernetes --quiet -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --document-private-items --quiet

.PHONY: bench-grouped
bench-grouped: setup $(if $(PEERS),bench-peers) ## Models per group of 10 million rows beside DuckDB; PEERS=1 for polars-ds and Spark too.
	cargo build --release --quiet --package shoal-cli --package shoal-benches
	$(CARGO_TARGET_DIR)/release/bench-grouped $(if $(PEERS),--peers) $(if $(CASES),--case $(CASES))

.PHONY: bench-python
bench-python: setup $(if $(PEERS),bench-peers) ## Python functions per group beside plain loops in Python; PEERS=1 for Spark too.
	cargo build --release --quiet --package shoal-cli --package shoal-benches
	$(CARGO_TARGET_DIR)/release/bench-grouped --python $(if $(PEERS),--peers)

.PHONY: bench-growth
bench-growth: ## How time grows over four decades of rows and of groups; writes docs/grouped.json and docs/grouped.svg.
	cargo build --release --quiet --package shoal-cli --package shoal-benches
	$(CARGO_TARGET_DIR)/release/bench-grouped --growth docs

.PHONY: bench-exchange
bench-exchange: setup ## Rows from one process to another over Flight, beside a DoGet of pyarrow.
	cargo build --release --quiet --package shoal-cli --package shoal-benches
	$(CARGO_TARGET_DIR)/release/bench-exchange

.PHONY: bench-peers
bench-peers: setup ## Installs the peers that benches run beside Shoal: Spark, Ray.
	@scripts/bench-peers

.PHONY: bench-control
bench-control: services bench-peers ## Speed of the control plane beside Spark and Ray: completions, memory, latency, recovery.
	cargo build --release --quiet --package shoal-cli --package shoal-benches
	$(CARGO_TARGET_DIR)/release/bench-control

.PHONY: bench-operator
bench-operator: services-kubernetes ## The operator beside a bare client: pods per second, writes, memory, first tasks (as root).
	cargo build --release --quiet --package shoal-cli --package shoal-benches
	@$(MAKE) --no-print-directory image RELEASE=1
	$(CARGO_TARGET_DIR)/release/bench-operator

.PHONY: bench-autoscaler
bench-autoscaler: ## How long the operator takes to decide on 10,000 workers and a million tasks.
	cargo build --release --quiet --package shoal-cli --package shoal-benches
	$(CARGO_TARGET_DIR)/release/bench-autoscaler

# Seeds of `make simulate`; `make simulate SEED=7` tells the story of one.
SEEDS ?= 10000
FIRST ?= 0

.PHONY: simulate
simulate: ## Runs the control plane through SEEDS=10000 worlds of faults; SEED=7 replays one.
	cargo build --quiet --package shoal-simulation
	$(CARGO_TARGET_DIR)/debug/simulate $(if $(SEED),--seed $(SEED) --trace,--seeds $(SEEDS) --first $(FIRST))

.PHONY: bench-scale
bench-scale: ## The control plane with 10,000 workers and a million tasks; writes docs/scale.json and docs/scale.svg.
	cargo build --release --quiet --package shoal-simulation
	mkdir -p docs
	$(CARGO_TARGET_DIR)/release/simulate-scale --write docs

.PHONY: clean
clean: ## Removes what the demo and the benches wrote; leaves the build cache.
	rm -rf target
