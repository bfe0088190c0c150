# The commands people type. `make help` lists them.

# Variables given on the command line or in the environment reach the scripts:
# EVENTS         a file of events, one JSON object a line: the demo imports it, the tests read it back; without it events are generated
# E2E_KUBECONFIG an existing cluster instead of the local one; then RELAY_IMAGE and OPERATOR_IMAGE name images that it can pull
# FULL=1         the benchmark also fills a store to a million events
# NOSTR_FLEET_CACHE, CLUSTER_DIR, CARGO_TARGET_DIR  where things are kept: e2e/cluster/env.sh is the one place that says where by default

.DEFAULT_GOAL := help
.PHONY: help demo test e2e bench bench-operator crds lint images cluster-up cluster-down

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: EVENTS=FILE  E2E_KUBECONFIG=FILE with RELAY_IMAGE= and OPERATOR_IMAGE=  FULL=1  CARGO_TARGET_DIR=DIR"

demo: ## From nothing to a relay on Kubernetes: events, a killed pod, TLS, a list that rotates; leaves the cluster up
	e2e/demo.sh

test: ## All tests: units, the operator against a real API server, real pods
	e2e/test.sh

e2e: ## The tests with real pods only
	e2e/test.sh pods

bench: ## Figures of a relay on this machine (two minutes; FULL=1: on a million events too, some more)
	e2e/bench.sh

bench-operator: ## Figures of the operator with 300 resources on the real API server
	e2e/bench-operator.sh

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
