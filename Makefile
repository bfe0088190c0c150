# The commands people type. `make help` lists them.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/nostr-fleet/target
# Variables given on the command line or in the environment reach the scripts:
# EVENTS         a file of events, one JSON object a line: the demo imports it, the tests read it back; without it events are generated
# E2E_KUBECONFIG an existing cluster instead of the local one; then RELAY_IMAGE and OPERATOR_IMAGE name images that it can pull

.DEFAULT_GOAL := help
.PHONY: help demo test e2e bench crds lint images cluster-up cluster-down

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: EVENTS=FILE  E2E_KUBECONFIG=FILE with RELAY_IMAGE= and OPERATOR_IMAGE=  CARGO_TARGET_DIR=DIR"

demo: ## From nothing to a relay on Kubernetes that keeps its events when its pod is killed; leaves the cluster up
	e2e/demo.sh

test: ## All tests: units, the operator against a real API server, real pods
	e2e/test.sh

e2e: ## The tests with real pods only
	e2e/test.sh pods

bench: ## Figures of a relay on this machine (relay bench, a few minutes)
	e2e/bench.sh

crds: ## Write crds/ anew from the Rust types
	e2e/crds.sh

lint: ## Format, clippy, generated files, licences and sources, shell
	e2e/lint.sh

images: ## Build both Dockerfiles (docker, else buildah) and load the images into the local cluster
	e2e/images/build.sh

cluster-up: ## Start the local Kubernetes (builds its binaries the first time, about 9 minutes)
	e2e/cluster/ensure.sh

cluster-down: ## Stop the local Kubernetes; its state stays (PURGE=1 forgets it)
	e2e/cluster/down.sh $(if $(PURGE),--purge)
