# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make help` lists the targets. None needs anything but Python, git and make, nor an activated environment.
# The checks and their environments are nox's sessions, see noxfile.py; here is what starts them.

BUILD := .build
NOX := $(BUILD)/venv-nox/bin/nox
DEMO := $(CURDIR)/$(BUILD)/venv-demo
COLLECTIONS := $(CURDIR)/$(BUILD)/collections
COLLECTION := $(COLLECTIONS)/ansible_collections/sovereign/vllm

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# tools/make_environment.sh leaves compiling to the first import.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: nox ## List the targets and the sessions
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@$(NOX) --list

.PHONY: nox
nox: # An environment of nox's own
	@tools/make_environment.sh $(BUILD)/venv-nox '' 'nox>=2025.2'

# --- Checks ---

.PHONY: test
test: nox ## Every check, in order of cost
	@mkdir -p $(BUILD)/log
	@if [ -z "$${VLLM_EXTERNAL_URL:-}" ]; then \
	    $(MAKE) real-vllm >$(BUILD)/log/real-vllm.log 2>&1 & \
	    trap "kill $$! 2>/dev/null || true" EXIT; \
	fi; \
	tools/run_steps.sh $(NOX)

.PHONY: real-vllm
# By the Python that runs nox: it needs no other, and goes on while the sessions make theirs.
real-vllm: nox ## Install vLLM's CPU build (once: minutes, and a few GB in ~/.cache/sovereign-vllm)
	@$(BUILD)/venv-nox/bin/python tests/real_vllm/server.py artifacts

# `make unit` is `nox -s unit`. ARGUMENTS go to the tool: `make bench ARGUMENTS=--quick`.
SESSIONS := lint unit stand-in integration release faults coverage mutations documentation molecule eda browser examples sanity contract \
    peft environments format docs bench performance-page faults-table
.PHONY: $(SESSIONS)
$(SESSIONS): nox
	@$(NOX) -s $@ $(if $(ARGUMENTS),-- $(ARGUMENTS))

.PHONY: conformance
conformance: nox ## Playbooks on a real server, of any release that has a CPU build: VLLM=0.14.1
	@$(NOX) -s $@ $(if $(VLLM)$(ARGUMENTS),-- $(VLLM:%=--vllm %) $(ARGUMENTS))

.PHONY: random-run
random-run: nox ## Random declarations, faults and kills: STEPS=10000 SEED=1, and EPISODE=42 to replay one
	@$(NOX) -s $@ -- $(or $(STEPS),10000) $(or $(SEED),1) $(EPISODE)

# --- To look at ---

.PHONY: demo demo-server demo-environment build
# It is there in seconds, and holds what a user has, nothing else.
demo-environment:
	@tools/make_environment.sh $(DEMO) '' ansible-core -r requirements.txt

build: demo-environment ## Build the tarball that users install: .build/dist
	@$(DEMO)/bin/python tools/copy_collection.py $(COLLECTION)
	@PATH=$(DEMO)/bin:$$PATH python tools/build_tarball.py $(COLLECTION) $(BUILD)/dist

demo: demo-environment ## Declare, audit, heal: on the stand-in, or VLLM=cpu, or VLLM_URL=http://node:8000
	@$(DEMO)/bin/python tools/copy_collection.py $(COLLECTION)
	@ANSIBLE_COLLECTIONS_PATH=$(COLLECTIONS) PATH=$(DEMO)/bin:$$PATH \
	    python -m tests.demo $(if $(VLLM_URL),--url $(VLLM_URL) --adapters '$(VLLM_ADAPTERS)',--vllm $(or $(VLLM),stand-in))

demo-server: demo-environment ## The server of the README's quickstart, on PORT (8000), until Ctrl-C
	@$(DEMO)/bin/python -m tests.demo --serve $(or $(PORT),8000)

.PHONY: clean
clean: ## Remove everything that was made here, but not the installed vLLM
	rm -rf $(BUILD) .venv .ansible .pytest_cache .ruff_cache .hypothesis
