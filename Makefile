# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make help` lists everything. The targets need Python, git and make; each makes the environment that it uses.
# The checks are sessions of nox: see noxfile.py and antsibull-nox.toml. This file only starts them.

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
# antsibull-nox finds ansible-galaxy there.
export PATH := $(CURDIR)/$(BUILD)/venv-nox/bin:$(PATH)

.PHONY: help
help: ## List all targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' Makefile
	@awk -f tools/sessions.awk noxfile.py | awk -F '\t' '{printf "  make %-20s %s\n", $$1, $$2}'
	@echo "  make form                 Check the form as all Ansible collections do: antsibull-nox.toml"

.PHONY: dev
dev: ## Make the environment for development, .venv: then run .venv/bin/pytest tests/unit
	@tools/make_environment.sh .venv '' -r requirements-dev.txt

.PHONY: nox
nox:
	@tools/make_environment.sh $(BUILD)/venv-nox '' 'antsibull-nox>=1.10,<2' 'ansible-core<2.22'

# --- Checks ---

.PHONY: test
test: nox ## Run every check, a real vLLM included, in order of cost
	@mkdir -p $(BUILD)/log
	@if [ -z "$${VLLM_EXTERNAL_URL:-}" ]; then \
	    $(MAKE) real-vllm >$(BUILD)/log/real-vllm.log 2>&1 & \
	    trap "kill $$! 2>/dev/null || true" EXIT; \
	fi; \
	tools/run_steps.sh $(NOX)

.PHONY: real-vllm
real-vllm: nox ## Install vLLM's CPU build once (minutes, and a few GB in ~/.cache/sovereign-vllm)
	@$(BUILD)/venv-nox/bin/python tests/real_vllm/server.py artifacts

# `make unit` is `nox -s unit`. ARGUMENTS go to the tool: `make bench ARGUMENTS=--quick`.
OURS := $(shell awk -f tools/sessions.awk noxfile.py | cut -f 1)
FORM := formatters codeqa yamllint docs-check license-check extra-checks build-import-check ansible-lint
SESSIONS := $(filter-out conformance random-run,$(OURS)) $(FORM)
.PHONY: $(SESSIONS)
$(SESSIONS): nox
	@$(NOX) -s $@ $(if $(ARGUMENTS),-- $(ARGUMENTS))

.PHONY: form
form: nox
	@CI=true $(NOX) -s $(FORM)

.PHONY: conformance
conformance: nox
	@$(NOX) -s $@ $(if $(VLLM)$(ARGUMENTS),-- $(VLLM:%=--vllm %) $(ARGUMENTS))

.PHONY: random-run
random-run: nox
	@$(NOX) -s $@ -- $(or $(STEPS),10000) $(or $(SEED),1) $(EPISODE)

# --- To look at ---

.PHONY: demo demo-server demo-environment build
demo-environment:
	@tools/make_environment.sh $(DEMO) '' ansible-core -r requirements.txt

build: demo-environment ## Build the tarball that users install: .build/dist
	@$(DEMO)/bin/python tools/copy_collection.py $(COLLECTION)
	@PATH=$(DEMO)/bin:$$PATH python tools/build_tarball.py $(COLLECTION) $(BUILD)/dist

demo: demo-environment ## Show the main job: converge, drift, audit, heal. VLLM=cpu or VLLM_URL=http://node:8000 for a real server
	@$(DEMO)/bin/python tools/copy_collection.py $(COLLECTION)
	@ANSIBLE_COLLECTIONS_PATH=$(COLLECTIONS) PATH=$(DEMO)/bin:$$PATH \
	    python -m tools.demo $(if $(VLLM_URL),--url $(VLLM_URL) --adapters '$(VLLM_ADAPTERS)',--vllm $(or $(VLLM),stand-in))

demo-server: demo-environment ## Run the server of the README's quickstart on PORT (8000) until Ctrl-C
	@$(DEMO)/bin/python -m tools.demo --serve $(or $(PORT),8000)

.PHONY: clean
clean: ## Remove everything that was made here, but not the installed vLLM
	rm -rf $(BUILD) .venv .nox .ansible .pytest_cache .ruff_cache .mypy_cache .hypothesis
