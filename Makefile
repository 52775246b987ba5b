# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Everything that contributors and the CI run. `make help` lists the targets; none needs an activated environment.

# ansible-core and Python of the environments beside .venv, which has the newest ansible-core and every tool.
OLDEST := 2.16-py3.10
MATRIX := $(OLDEST) 2.18-py3.11 2.21-py3.13
# Managed hosts may be older than any controller: the newest ansible-core that runs on their oldest Python.
OLDEST_HOST := 2.13-py3.8

BUILD := .build
TREE := $(BUILD)/collections/ansible_collections/sovereign/vllm
INSTALLED := $(CURDIR)/$(BUILD)/installed
VENV := .venv/.complete
OLDEST_VENV := $(BUILD)/venv-core-$(OLDEST)/.complete

# From cheap to dear; `make real-vllm` goes on in the background meanwhile.
STEPS := lint unit unit-matrix unit-oldest-host stand-in integration documentation molecule eda browser examples sanity contract conformance

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##### Environments

# $(call new_venv,DIRECTORY,PYTHONS BY PREFERENCE,WHAT TO INSTALL)
define new_venv
	@echo "Making $1 ..."
	@rm -rf $1
	@"$$(tools/find_python.sh $2)" -m venv $1
	@$1/bin/pip install -qq $3
	@touch $1/.complete
endef

.PHONY: venv environments
venv: $(VENV) ## Make .venv with the newest ansible-core and every tool
environments: $(VENV) $(patsubst %,$(BUILD)/venv-core-%/.complete,$(MATRIX) $(OLDEST_HOST)) ## Make all environments

$(VENV): requirements-dev.txt requirements-test.txt requirements.txt
	$(call new_venv,$(@D),3.12 3.13 3.14 3.11 3.10,-r requirements-dev.txt)

core_of = $(firstword $(subst -py, ,$1))
python_of = $(lastword $(subst -py, ,$1))
$(BUILD)/venv-core-%/.complete: requirements-test.txt requirements.txt
	$(call new_venv,$(@D),$(call python_of,$*),'ansible-core~=$(call core_of,$*).0' -r requirements-test.txt)

##### The collection as Ansible sees it

.PHONY: tree build
tree: $(VENV) # Copy the project to where ansible-test wants it
	@python tools/copy_collection.py $(TREE)

# What may be in the tarball; build_ignore only says what may not, and forgets every new file.
FOR_USERS := ^(changelogs|docs|extensions|LICENSES|meta|playbooks|plugins|roles)/
FOR_USERS := $(FOR_USERS)|^(CHANGELOG.rst|COPYING|FILES.json|MANIFEST.json|README.md|requirements.txt|REUSE.toml)$$
build: tree ## Build the tarball that users install (.build/dist) and install it (.build/installed)
	@rm -rf $(BUILD)/dist $(INSTALLED)
	@ansible-galaxy collection build --output-path $(BUILD)/dist $(TREE)
	@if tar -tzf $(BUILD)/dist/*.tar.gz | grep -vE '$(FOR_USERS)'; then \
	    echo "These are not for users: name them in galaxy.yml's build_ignore."; exit 1; \
	fi
	@ANSIBLE_COLLECTIONS_PATH=$(INSTALLED) ansible-galaxy collection install --offline -p $(INSTALLED) $(BUILD)/dist/*.tar.gz

##### Form

.PHONY: format lint sanity sanity-newest sanity-oldest
format: $(VENV) ## Format the code and apply safe fixes
	ruff check --fix --quiet || true
	ruff format

lint: tree ## Formatting, ruff, yamllint, ansible-lint, changelog, documentation, licences
	ruff format --check
	ruff check
	yamllint --strict .
	ANSIBLE_COLLECTIONS_PATH=$(abspath $(BUILD)/collections) ansible-lint --offline --strict
	antsibull-changelog lint
	cd $(TREE) && antsibull-docs lint-collection-docs \
	    --plugin-docs --validate-collection-refs=all --disallow-unknown-collection-refs .
	reuse lint --lines
	@for suite in $$(git ls-files -co --exclude-standard 'tests/**/test_*.py' | cut -d / -f 2 | sort -u); do \
	    grep -q "pytest.* tests/$$suite" Makefile || { echo "No target runs tests/$$suite."; exit 1; }; \
	done

# ansible-test uses every Python that it finds in PATH, and stops at a pyenv shim that does not run.
PYTHONS := $(BUILD)/pythons
$(PYTHONS): tools/find_python.sh
	@rm -rf $@ && mkdir -p $@
	@for version in 3.8 3.9 3.10 3.11 3.12 3.13 3.14; do \
	    if python=$$(tools/find_python.sh $$version 2>/dev/null); then ln -s $$python $@/python$$version; fi; \
	done

sanity: sanity-newest sanity-oldest ## ansible-test sanity on the newest and the oldest ansible-core
sanity-newest: ENVIRONMENT := .venv
sanity-oldest: ENVIRONMENT := $(dir $(OLDEST_VENV))
sanity-oldest: $(OLDEST_VENV)
# What pip says goes to the log alone. No line left to show means that nothing was tested, and grep fails.
sanity-newest sanity-oldest: tree $(PYTHONS)
	cd $(TREE) && PATH=$(abspath $(ENVIRONMENT))/bin:$(abspath $(PYTHONS)):/usr/bin:/bin \
	    ansible-test sanity --local --color no 2>&1 | tee $(abspath $(BUILD))/$@.log | grep -E '^(Running|ERROR|FATAL|See)'

##### Tests

.PHONY: unit unit-matrix unit-oldest-host stand-in integration
unit: $(VENV) ## Unit tests on the newest ansible-core
	pytest -n auto tests/unit

unit-matrix: $(MATRIX:%=$(BUILD)/venv-core-%/.complete) ## Unit tests on other versions of ansible-core and Python
	$(foreach core,$(MATRIX),$(BUILD)/venv-core-$(core)/bin/pytest -n auto tests/unit &&) true

unit-oldest-host: $(BUILD)/venv-core-$(OLDEST_HOST)/.complete ## Unit tests on the oldest Python of a managed host
	$(<D)/bin/pytest -n auto tests/unit

stand-in: $(VENV) ## Hold the stand-in server against recorded answers of real ones
	pytest tests/stand_in

integration: export SOVEREIGN_VLLM_COLLECTIONS_PATH := $(INSTALLED)
integration: build $(OLDEST_VENV) ## Playbooks on the stand-in, with the newest and the oldest ansible-core
	pytest -n auto tests/integration
	$(dir $(OLDEST_VENV))bin/pytest -n auto tests/integration

.PHONY: documentation
documentation: export SOVEREIGN_VLLM_COLLECTIONS_PATH := $(INSTALLED)
documentation: build docs ## What the guides and the plugins' documentation show is run; the site has no dead links
	pytest --timeout 300 -n auto tests/documentation

.PHONY: molecule eda browser
molecule: build ## The roles' scenarios, on the stand-in and without containers
	ANSIBLE_COLLECTIONS_PATH=$(INSTALLED) molecule test --all

EDA_VENV := $(BUILD)/venv-eda/.complete
$(EDA_VENV): requirements-test.txt requirements.txt
	$(call new_venv,$(@D),3.12 3.13 3.11 3.10,ansible-rulebook ansible-core ansible-runner -r requirements-test.txt)

eda: build $(EDA_VENV) ## Event source and healing rulebook, by a real ansible-rulebook (Java 17)
	SOVEREIGN_VLLM_COLLECTIONS_PATH=$(INSTALLED) $(dir $(EDA_VENV))bin/pytest -n auto --dist loadfile tests/eda

browser: build ## The report's page and the chat example in headless Chromium (as root, installs it from Debian)
	@command -v chromium chromedriver >/dev/null || \
	    { apt-get update -qq && apt-get install -y -qq chromium chromium-driver >$(BUILD)/chromium.log; }
	SOVEREIGN_VLLM_COLLECTIONS_PATH=$(INSTALLED) pytest tests/browser

##### The examples, with tools of their own: they run against an emulated cloud, beside collections of others

.PHONY: examples
$(BUILD)/venv-examples/.complete: requirements-examples.txt requirements-test.txt requirements.txt
	$(call new_venv,$(@D),3.12 3.13 3.14,-r requirements-examples.txt)

# Galaxy may be out of reach. The bundle of ansible 11 was the last one with awx.awx.
FOREIGN := $(BUILD)/foreign/.complete
$(FOREIGN): tools/fetch_from_wheel.py $(BUILD)/venv-examples/.complete
	@rm -rf $(@D)
	@fetch="$(BUILD)/venv-examples/bin/python tools/fetch_from_wheel.py $(@D)"; \
	$$fetch ansible==11.13.0 ansible_collections/awx/awx/; \
	$$fetch ansible==14.5.0 ansible_collections/amazon/aws/ ansible_collections/kubernetes/core/; \
	$$fetch docker-compose==1.29.2 compose/config/compose_spec.json
	@touch $@

examples: build $(FOREIGN) ## The examples for AWX, AWS, Kubernetes and one machine, as far as they run without these
	SOVEREIGN_VLLM_COLLECTIONS_PATH=$(INSTALLED) $(BUILD)/venv-examples/bin/pytest --timeout 900 tests/examples

##### A real vLLM: the one at VLLM_EXTERNAL_URL, or else a CPU build that is installed here and started on loopback

.PHONY: real-vllm contract conformance bench performance-page
real-vllm: $(VENV) ## Install vLLM's CPU build (once: minutes, and a few GB in ~/.cache/sovereign-vllm)
	python tests/real_vllm/server.py artifacts

contract: $(VENV) ## One suite on the stand-in and on the real server: same statuses, same shapes
	pytest --timeout 900 tests/contract

conformance: build ## Playbooks on the real server, of any release: VLLM=0.14.1
	SOVEREIGN_VLLM_COLLECTIONS_PATH=$(INSTALLED) pytest --timeout 900 tests/conformance $(VLLM:%=--vllm %)

bench: build ## Take the figures of performance; BENCH=--quick to see that it works, BENCH=--help for more
	@PYTHONPATH=$(INSTALLED) ANSIBLE_COLLECTIONS_PATH=$(INSTALLED) python -m tests.bench $(BENCH)

performance-page: ## Write the figures that were taken into the performance guide
	@PYTHONPATH=$(INSTALLED) python -m tests.bench.page

##### To look at

.PHONY: demo demo-server docs
# With an environment of its own: it is there in seconds, and holds what a user has, nothing else.
$(BUILD)/venv-demo/.complete: requirements.txt
	$(call new_venv,$(@D),3.12 3.13 3.14 3.11 3.10,ansible-core -r requirements.txt)

demo: $(BUILD)/venv-demo/.complete ## Declare, audit, heal: on the stand-in, or VLLM=cpu, or VLLM_URL=http://node:8000
	@$(<D)/bin/python tools/copy_collection.py $(TREE)
	@ANSIBLE_COLLECTIONS_PATH=$(abspath $(BUILD)/collections) PATH=$(abspath $(<D))/bin:$$PATH \
	    python -m tests.demo $(if $(VLLM_URL),--url $(VLLM_URL) --adapters '$(VLLM_ADAPTERS)',--vllm $(or $(VLLM),stand-in))

demo-server: $(BUILD)/venv-demo/.complete ## The server of the README's quickstart, on PORT (8000), until Ctrl-C
	@$(<D)/bin/python -m tests.demo --serve $(or $(PORT),8000)

docs: tree ## Build the documentation site (.build/docs/build/html)
	@rm -rf $(BUILD)/docs && mkdir -m 755 $(BUILD)/docs
	@ANSIBLE_COLLECTIONS_PATH=$(abspath $(BUILD)/collections) antsibull-docs sphinx-init \
	    --use-current --fail-on-error --squash-hierarchy --lenient --dest-dir $(BUILD)/docs sovereign.vllm >/dev/null
	@# References into Ansible's own documentation would need the network, for their targets are listed there.
	@printf '%s\n' 'intersphinx_mapping = {}' 'suppress_warnings = ["ref.ref"]' >>$(BUILD)/docs/conf.py
	@sed -i 's/^sphinx-build .*/& --fail-on-warning --keep-going/' $(BUILD)/docs/build.sh
	ANSIBLE_COLLECTIONS_PATH=$(abspath $(BUILD)/collections) $(BUILD)/docs/build.sh

##### All of it

.PHONY: test clean
test: ## Every check above, in order of cost
	@mkdir -p $(BUILD)/log
	@if [ -z "$${VLLM_EXTERNAL_URL:-}" ]; then \
	    $(MAKE) real-vllm >$(BUILD)/log/real-vllm.log 2>&1 & \
	    trap "kill $$! 2>/dev/null || true" EXIT; \
	fi; \
	tools/run_steps.sh $(STEPS)

clean: ## Remove everything that was made here, but not the installed vLLM
	rm -rf $(BUILD) .venv .ansible .pytest_cache .ruff_cache .hypothesis
