# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks and tools of this project: `make help` lists them, `make unit` runs one, `make test` runs all checks.

Arguments after `--` go to the tool: `nox -s unit -- -k drift`. The checks of form (formatters, codeqa, yamllint, docs-check,
license-check, extra-checks, build-import-check, ansible-lint) are antsibull-nox's: see antsibull-nox.toml.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import antsibull_nox
import nox

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tools import environments as made
from tools.docs_site.configuration import add_configuration
from tools.environments import BETWEEN, BUILD, ENDS, MATRIX, NEWEST, OLDEST_HOST, PROJECT, core, newest
from tools.session_steps import (
    COLLECTIONS,
    INSTALLED,
    TREE,
    from_debian,
    installed,
    measure_coverage,
    promtool,
    pytest,
    run,
    tree,
)

antsibull_nox.load_antsibull_nox_toml()
# Their environments are shared: tools/environments.py makes them.
check = functools.partial(nox.session, venv_backend="none")
tool = functools.partial(nox.session, venv_backend="none", default=False)
nox.options.error_on_external_run = False
nox.options.reuse_venv = "yes"
# They keep both cores busy: tools/run_steps.sh runs each alone, and three of the others side by side.
BUSY = ["busy"]
# Files of tests/integration whose subject is a server's behaviour, or this project's own tools.
ABOUT_SERVERS = ("test_swap", "test_hostile_answers", "test_refusing", "test_certificates", "test_fleet")
ABOUT_SERVERS += ("test_rust", "test_server_info", "test_smoke", "test_plans", "test_bench", "test_demo", "test_readme")
# Tests whose subject is what is in artifacts, in the store of a node, and in the memory of a server.
ABOUT_ARTIFACTS = (
    "test_artifact_module",
    "test_audit_of",
    "test_drain",
    "test_effect",
    "test_lora_drift",
    "test_sources",
)
ABOUT_ARTIFACTS += ("test_trust", "test_whole_node", "TestFromTheArtifact")
# Tests of memory, of sentences about mistakes in an inventory file, and what another test runs too: modules run as processes in
# test_results and test_secrets, and playbooks of a site in test_sites_on_their_own.
ALIKE_ON_ALL = ("little_memory", "test_mistakes", "WithKeyAsModule", "test_agent")

# The newest release of vLLM. It has no build for the CPU, and is put together as tests/real_vllm/README.md says.
NEWEST_VLLM = "0.33.0"

# Programs, and Debian's packages that have them. The font is that of the pictures.
CHROMIUM = (["chromium", "chromedriver"], ["chromium", "chromium-driver", "fonts-dejavu-core"])

# Files that only GitHub reads, so that only their schemas can be tried.
GITHUB_SCHEMAS = {
    "github-workflows": "workflows/*.yml",
    "github-issue-forms": "ISSUE_TEMPLATE/[!c]*.yml",
    "github-issue-config": "ISSUE_TEMPLATE/config.yml",
    "dependabot": "dependabot.yml",
}


# --- Checks, from cheap to dear ---


@check
def metadata(session: nox.Session) -> None:
    """Lint the change log and the files that GitHub reads; check that every test suite has a session."""
    for schema, files in GITHUB_SCHEMAS.items():
        paths = sorted(PROJECT.glob(f".github/{files}"))
        run(session, made.larger_tools(), "check-jsonschema", "--builtin-schema", f"vendor.{schema}", *paths)
    run(session, made.larger_tools(), "antsibull-changelog", "lint")
    suites = re.findall(r'"(tests/[a-z_/]+)"', Path(__file__).read_text(encoding="utf-8"))
    for test in sorted(PROJECT.glob("tests/**/test_*.py")):
        if not any(test.is_relative_to(PROJECT / suite) for suite in suites):
            session.error(f"No session runs {test}.")


@check
def typing(session: nox.Session) -> None:
    """Check the types of all that is in plugins/ and extensions/ with mypy."""
    tree(session)
    run(session, newest(), "python", "tools/check_types.py", TREE, *session.posargs)


@check
@nox.parametrize("name", [*MATRIX, OLDEST_HOST], ids=[*MATRIX, OLDEST_HOST])
def unit(session: nox.Session, name: str) -> None:
    """Run the unit tests on the supported versions of ansible-core and Python, and on the oldest Python of a managed host."""
    # Properties are tried with a hundred examples on the newest, and tests outside of plugins/ only read the project's texts.
    what = ("tests/unit",) if name == NEWEST else ("--hypothesis-profile", "few", "tests/unit/plugins")
    pytest(session, core(name), *what)


@check(name="stand-in")
def stand_in(session: nox.Session) -> None:
    """Compare the stand-in server with recorded answers of real servers."""
    pytest(session, newest(), "tests/stand_in")


@check(tags=BUSY)
@nox.parametrize("name", ENDS, ids=ENDS)
def integration(session: nox.Session, name: str) -> None:
    """Run playbooks on the stand-in: all with the newest ansible-core, those that depend on Ansible with the oldest."""
    differs = f"(not Every or 0.32) and not ({' or '.join(ABOUT_SERVERS + ABOUT_ARTIFACTS + ALIKE_ON_ALL)})"
    left_out = () if name == NEWEST else ("-k", differs)
    pytest(session, core(name), "-n", "auto", *left_out, "tests/integration", **installed(session))


@check
def release(session: nox.Session) -> None:
    """Check the contents and the bytes of the tarball for Galaxy; `build-import-check` runs Galaxy's importer."""
    pytest(session, newest(), "tests/release")


@check
def faults(session: nox.Session) -> None:
    """Try every fault at every operation, and a random run, with playbooks on the stand-in."""
    options = ("--timeout", "900", "-n", "2", "--dist", "loadfile")
    pytest(session, newest(), *options, "tests/faults", **installed(session))


@tool
def coverage(session: nox.Session) -> None:
    """Measure that unit tests and playbooks run at least 95% of the core's lines and branches."""
    measure_coverage(session)


@check(tags=BUSY)
def mutations(session: nox.Session) -> None:
    """Put faults into the core, one after the other: the tests have to notice each. `-- --only WORDS`."""
    run(session, newest(), "python", "-m", "tools.mutations", *session.posargs)


@check(tags=BUSY)
def documentation(session: nox.Session) -> None:
    """Run the examples of the guides and of the plugins' documentation; check the links of the site."""
    docs(session)
    options = ("--timeout", "300", "-n", "auto", "tests/documentation")
    pytest(session, made.larger_tools(), *options, **installed(session), **promtool())


@check
def molecule(session: nox.Session) -> None:
    """Run the roles' molecule scenarios on the stand-in, without containers (as root, installs systemd from Debian)."""
    from_debian(session, ["systemd-analyze"], ["systemd"])
    made.carried_wheels()
    installed(session)
    run(session, made.larger_tools(), "molecule", "test", "--all", *session.posargs, ANSIBLE_COLLECTIONS_PATH=INSTALLED)


@check
def eda(session: nox.Session) -> None:
    """Run the event source and the rulebook that heals in a real ansible-rulebook (Java 17)."""
    pytest(session, made.rulebook(), "-n", "auto", "--dist", "loadfile", "tests/eda", **installed(session))


@check
def browser(session: nox.Session) -> None:
    """Open the report and the chat example in headless Chromium (as root, installs it from Debian)."""
    from_debian(session, *CHROMIUM)
    pytest(session, made.larger_tools(), "tests/browser", **installed(session))


@check
def guard(session: nox.Session) -> None:
    """Run the guard on a real nginx, and the gateway's example with LiteLLM (as root, installs nginx from Debian)."""
    made.gateway()
    from_debian(session, ["nginx"], ["nginx"])
    # Two processes: the gateway's test takes as long as all others.
    options = ("--timeout", "600", "-n", "2")
    pytest(session, newest(), *options, "tests/guard", **installed(session))


@check
def sources(session: nox.Session) -> None:
    """Download artifacts from a real registry and a real nginx (as root, installs them from Debian)."""
    from_debian(session, ["docker-registry", "nginx"], ["docker-registry", "nginx"])
    pytest(session, made.examples(), "--timeout", "300", "tests/sources", **installed(session))


@check
def examples(session: nox.Session) -> None:
    """Run the examples for AWX, AWS, Kubernetes and one machine, as far as possible without these."""
    where = made.examples()
    run(session, where, "python", "tools/fetch_foreign.py", BUILD / "foreign")
    pytest(session, where, "--timeout", "900", "tests/examples", **installed(session))


@check
@nox.parametrize("name", ENDS, ids=ENDS)
def sanity(session: nox.Session, name: str) -> None:
    """Run ansible-test sanity, without a file of exceptions."""
    ansible_test(session, name, "sanity")


@check(name="ansible-test")
@nox.parametrize("command", ["units", "integration"], ids=["units", "integration"])
def ansible_test_others(session: nox.Session, command: str) -> None:
    """Run ansible-test units and ansible-test integration, as in a fresh clone."""
    # A selection: the session `unit` runs all of them, and this shows that ansible-test can run them too.
    some = ("tests/unit/plugins/filter/", "tests/unit/plugins/module_utils/_vllm/") if command == "units" else ()
    ansible_test(session, NEWEST, command, *some)


@tool(name="sanity-between")
@nox.parametrize("name", BETWEEN, ids=BETWEEN)
def sanity_between(session: nox.Session, name: str) -> None:
    """Run ansible-test sanity on the other supported versions of ansible-core, for the public CI."""
    ansible_test(session, name, "sanity")


def ansible_test(session: nox.Session, name: str, command: str, *arguments: str) -> None:
    # ansible-test writes into the collection, so each session has its own copy.
    collection = BUILD / f"ansible-test-{command}-{name}/ansible_collections/sovereign/vllm"
    tree(session, collection)
    arguments = tuple(session.posargs) or arguments
    run(session, core(name), "python", "tools/run_ansible_test.py", collection, command, *arguments)


@check
def contract(session: nox.Session) -> None:
    """Run one suite on the stand-in and on the real server: both give the same statuses and shapes."""
    pytest(session, newest(), "--timeout", "900", "tests/real_vllm/contract")


@check
def conformance(session: nox.Session) -> None:
    """Run playbooks on a real server of any release: `-- --vllm 0.14.1`. Without a release, run some on the newest as well."""
    collections = installed(session)
    pytest(session, newest(), "--timeout", "900", "tests/real_vllm/conformance", **collections)
    if not session.posargs and not os.environ.get("VLLM_EXTERNAL_URL"):
        # The life of one adapter, and the loads in place, which cost that release the server.
        newest_vllm = ("--vllm", NEWEST_VLLM, "-k", "in_place or OneAdapter")
        pytest(session, newest(), "--timeout", "900", *newest_vllm, "tests/real_vllm/conformance", **collections)


@check
def peft(session: nox.Session) -> None:
    """Compare the verdict on adapters of the real PEFT with a real vLLM: `-- --vllm 0.32.0 --peft 0.21.2`."""
    pytest(session, newest(), "--timeout", "900", "tests/real_vllm/peft")


# --- Not checks ---


@tool
def environments(session: nox.Session) -> None:
    """Make the environments of every ansible-core that the checks use."""
    with ThreadPoolExecutor(2) as makers:
        list(makers.map(core, (*MATRIX, OLDEST_HOST)))


@tool
def docs(session: nox.Session) -> None:
    """Build the documentation site (.build/docs/build/html)."""
    tree(session)
    site = BUILD / "docs"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(mode=0o755)
    collections = {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS}
    form = ("--use-current", "--fail-on-error", "--squash-hierarchy", "--lenient")
    form += ("--project", "sovereign.vllm", "--title", "sovereign.vllm", "--copyright", "sovereign.vllm contributors")
    run(
        session,
        made.larger_tools(),
        "antsibull-docs",
        "sphinx-init",
        *form,
        "--dest-dir",
        site,
        "sovereign.vllm",
        **collections,
    )
    add_configuration(site)
    run(session, made.larger_tools(), site / "build.sh", **collections)


@tool
def pictures(session: nox.Session) -> None:
    """Make the pictures of the README (docs/pictures; as root, installs Chromium from Debian)."""
    from_debian(session, *CHROMIUM)
    collections = {"ANSIBLE_COLLECTIONS_PATH": installed(session)["SOVEREIGN_VLLM_COLLECTIONS_PATH"]}
    run(session, made.larger_tools(), "python", "-m", "tools.pictures", *session.posargs, **collections)


@tool(name="real-awx")
def real_awx(session: nox.Session) -> None:
    """Run the example for AWX on a real AWX, as root: tests/real_awx/README.md tells what it needs."""
    # Updates of a project run in an image of AWX's own, with an older ansible-core.
    core("2.18-py3.11")
    run(session, newest(), "python", "tools/fetch_foreign.py", BUILD / "foreign")
    pytest(session, newest(), "--timeout", "900", "tests/real_awx")


@tool(name="faults-table")
def faults_table(session: nox.Session) -> None:
    """Write the results of the fault suite into the guide to faults."""
    pytest(
        session, newest(), "--timeout", "900", "--rewrite-guide", "tests/faults/test_matrix.py", **installed(session)
    )


@tool(name="random-run")
def random_run(session: nox.Session) -> None:
    """Try random declarations, faults and kills: `-- STEPS SEED`, and the number of an episode to replay it."""
    run(session, newest(), "python", "-m", "tests.faults.random_run", *(session.posargs or ("10000", "1")))


@tool
def bench(session: nox.Session) -> None:
    """Measure the performance; `-- --quick` only checks the benchmarks, `-- --help` lists the options."""
    installed(session)
    collections = {"PYTHONPATH": INSTALLED, "ANSIBLE_COLLECTIONS_PATH": INSTALLED}
    run(session, newest(), "python", "-m", "tools.bench", *session.posargs, **collections)


@tool(name="performance-page")
def performance_page(session: nox.Session) -> None:
    """Write the measured figures into the performance guide."""
    run(session, newest(), "python", "-m", "tools.bench.page", PYTHONPATH=INSTALLED)
