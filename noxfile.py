# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that contributors and the CI run: `nox --list`, `nox --session unit`, or `make unit` without nox installed.

A plain `nox` runs all checks, from cheap to dear. What follows `--` goes to the tool: `nox -s unit -- -k drift`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tools import environments as made
from tools.environments import BETWEEN, BUILD, ENDS, MATRIX, NEWEST, OLDEST_HOST, PROJECT, core, newest
from tools.session_steps import COLLECTIONS, INSTALLED, TREE, installed, measure_coverage, pytest, run, tree

# The environments are made by tools/environments.py.
nox.options.default_venv_backend = "none"
nox.options.error_on_external_run = False
# Of sessions that wait more than they compute: tools/run_steps.sh runs three of them side by side.
PATIENT = ["patient"]
# Files of tests/integration whose subject is what a server does, or this project's own tools.
ABOUT_SERVERS = ("test_swap", "test_hostile_answers", "test_refusing", "test_certificates", "test_fleet")
ABOUT_SERVERS += ("test_bench", "test_demo", "test_readme")

# The newest release of vLLM. It has no build for the CPU, and is put together as tests/real_vllm/README.md says.
NEWEST_VLLM = "0.33.0"

# What GitHub reads, and nobody can try elsewhere.
GITHUB_SCHEMAS = {
    "workflows": "workflows/*.yml",
    "issue-forms": "ISSUE_TEMPLATE/[!c]*.yml",
    "issue-config": "ISSUE_TEMPLATE/config.yml",
}


# --- Checks, from cheap to dear ---


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, ruff, yamllint, ansible-lint, changelog, documentation, licences."""
    tree(session)
    run(session, newest(), "ruff", "format", "--check")
    run(session, newest(), "ruff", "check")
    run(session, newest(), "yamllint", "--strict", ".")
    run(session, newest(), "ansible-lint", "--offline", "--strict", ANSIBLE_COLLECTIONS_PATH=COLLECTIONS)
    for schema, files in GITHUB_SCHEMAS.items():
        paths = sorted(PROJECT.glob(f".github/{files}"))
        run(session, newest(), "check-jsonschema", "--builtin-schema", f"vendor.github-{schema}", *paths)
    run(session, newest(), "antsibull-changelog", "lint")
    references = ("--validate-collection-refs=all", "--disallow-unknown-collection-refs")
    run(session, newest(), "antsibull-docs", "lint-collection-docs", "--plugin-docs", *references, TREE)
    run(session, newest(), "reuse", "lint", "--lines")
    sessions = Path(__file__).read_text(encoding="utf-8")
    for suite in sorted({test.parts[-2] for test in PROJECT.glob("tests/*/test_*.py")}):
        if f'"tests/{suite}"' not in sessions:
            session.error(f"No session runs tests/{suite}.")


@nox.session
@nox.parametrize("name", [*MATRIX, OLDEST_HOST], ids=[*MATRIX, OLDEST_HOST])
def unit(session: nox.Session, name: str) -> None:
    """Unit tests on supported versions of ansible-core and Python, and on the oldest Python of a managed host."""
    pytest(session, core(name), "-n", "auto", "tests/unit")


@nox.session(name="stand-in")
def stand_in(session: nox.Session) -> None:
    """Hold the stand-in server against recorded answers of real ones."""
    pytest(session, newest(), "tests/stand_in")


@nox.session
@nox.parametrize("name", ENDS, ids=ENDS)
def integration(session: nox.Session, name: str) -> None:
    """Playbooks on the stand-in, with the newest ansible-core; with the oldest, what differs between Ansible's releases."""
    left_out = () if name == NEWEST else ("-k", f"(not Every or 0.32) and not ({' or '.join(ABOUT_SERVERS)})")
    pytest(session, core(name), "-n", "auto", *left_out, "tests/integration", **installed(session))


@nox.session(tags=PATIENT)
def release(session: nox.Session) -> None:
    """The tarball for Galaxy: its contents, its bytes, and what Galaxy's own importer says."""
    pytest(session, made.importer(), "--timeout", "900", "tests/release")


@nox.session(tags=PATIENT)
def faults(session: nox.Session) -> None:
    """Every fault at every operation, and a random run, by playbooks on the stand-in."""
    options = ("--timeout", "900", "-n", "2", "--dist", "loadfile")
    pytest(session, newest(), *options, "tests/faults", **installed(session))


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Lines and branches of the core that unit tests and playbooks run: at least 95%."""
    measure_coverage(session)


@nox.session
def mutations(session: nox.Session) -> None:
    """Faults that are put into the core, one after the other: the tests have to notice each. `-- --only WORDS`."""
    run(session, newest(), "python", "-m", "tests.mutations", *session.posargs)


@nox.session
def documentation(session: nox.Session) -> None:
    """What the guides and the plugins' documentation show is run; the site has no dead links."""
    docs(session)
    pytest(session, newest(), "--timeout", "300", "-n", "auto", "tests/documentation", **installed(session))


@nox.session(tags=PATIENT)
def molecule(session: nox.Session) -> None:
    """The roles' scenarios, on the stand-in and without containers."""
    installed(session)
    run(session, newest(), "molecule", "test", "--all", *session.posargs, ANSIBLE_COLLECTIONS_PATH=INSTALLED)


@nox.session(tags=PATIENT)
def eda(session: nox.Session) -> None:
    """Event source and healing rulebook, by a real ansible-rulebook (Java 17)."""
    pytest(session, made.rulebook(), "-n", "auto", "--dist", "loadfile", "tests/eda", **installed(session))


@nox.session(tags=PATIENT)
def browser(session: nox.Session) -> None:
    """The report's page and the chat example in headless Chromium (as root, installs it from Debian)."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        session.run("apt-get", "update", "-qq")
        session.run("apt-get", "install", "-y", "-qq", "chromium", "chromium-driver", silent=True)
    pytest(session, newest(), "tests/browser", **installed(session))


@nox.session(tags=PATIENT)
def examples(session: nox.Session) -> None:
    """The examples for AWX, AWS, Kubernetes and one machine, as far as they run without these."""
    where = made.examples()
    run(session, where, "python", "tools/fetch_foreign.py", BUILD / "foreign")
    pytest(session, where, "--timeout", "900", "tests/examples", **installed(session))


@nox.session(tags=PATIENT)
@nox.parametrize("name", ENDS, ids=ENDS)
def sanity(session: nox.Session, name: str) -> None:
    """ansible-test sanity, without a file of exceptions."""
    ansible_test_sanity(session, name)


@nox.session(name="sanity-between", default=False)
@nox.parametrize("name", BETWEEN, ids=BETWEEN)
def sanity_between(session: nox.Session, name: str) -> None:
    """The same on the supported versions of ansible-core in between, for the public CI."""
    ansible_test_sanity(session, name)


def ansible_test_sanity(session: nox.Session, name: str) -> None:
    # Of its own, since ansible-test writes into it.
    collection = BUILD / f"sanity-{name}/ansible_collections/sovereign/vllm"
    tree(session, collection)
    run(session, core(name), "python", "tools/run_sanity.py", collection, *session.posargs)


@nox.session(tags=PATIENT)
def contract(session: nox.Session) -> None:
    """One suite on the stand-in and on the real server: same statuses, same shapes."""
    pytest(session, newest(), "--timeout", "900", "tests/contract")


@nox.session(tags=PATIENT)
def conformance(session: nox.Session) -> None:
    """Playbooks on the real server, of any release: `-- --vllm 0.14.1`. Without a release, also some on the newest."""
    collections = installed(session)
    pytest(session, newest(), "--timeout", "900", "tests/conformance", **collections)
    if not session.posargs and not os.environ.get("VLLM_EXTERNAL_URL"):
        # The life of one adapter, and the loads in place, which cost that release the server.
        newest_vllm = ("--vllm", NEWEST_VLLM, "-k", "in_place or OneAdapter")
        pytest(session, newest(), "--timeout", "900", *newest_vllm, "tests/conformance", **collections)


@nox.session(tags=PATIENT)
def peft(session: nox.Session) -> None:
    """What we say of adapters that real PEFT makes, held against a real vLLM: `-- --vllm 0.32.0 --peft 0.21.2`."""
    pytest(session, newest(), "--timeout", "900", "tests/peft")


# --- Not checks ---


@nox.session(default=False)
def environments(session: nox.Session) -> None:
    """Make the environments of every ansible-core that the checks use."""
    with ThreadPoolExecutor(2) as makers:
        list(makers.map(core, (*MATRIX, OLDEST_HOST)))


@nox.session(default=False)
def format(session: nox.Session) -> None:
    """Format the code and apply safe fixes."""
    session.run(newest() / "bin/ruff", "check", "--fix", "--quiet", success_codes=(0, 1))
    run(session, newest(), "ruff", "format")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation site (.build/docs/build/html)."""
    tree(session)
    site = BUILD / "docs"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(mode=0o755)
    collections = {"ANSIBLE_COLLECTIONS_PATH": COLLECTIONS}
    form = ("--use-current", "--fail-on-error", "--squash-hierarchy", "--lenient")
    form += ("--project", "sovereign.vllm", "--title", "sovereign.vllm", "--copyright", "sovereign.vllm contributors")
    run(session, newest(), "antsibull-docs", "sphinx-init", *form, "--dest-dir", site, "sovereign.vllm", **collections)
    # References into Ansible's own documentation would need the network, for their targets are listed there.
    with (site / "conf.py").open("a", encoding="utf-8") as configuration:
        print("intersphinx_mapping = {}", 'suppress_warnings = ["ref.ref"]', sep="\n", file=configuration)
    script = site / "build.sh"
    script.write_text(re.sub("(?m)^sphinx-build .*", r"\g<0> --fail-on-warning --keep-going", script.read_text()))
    run(session, newest(), script, **collections)


@nox.session(name="faults-table", default=False)
def faults_table(session: nox.Session) -> None:
    """Write what the fault suite sees into the guide to faults."""
    pytest(
        session, newest(), "--timeout", "900", "--rewrite-guide", "tests/faults/test_matrix.py", **installed(session)
    )


@nox.session(name="random-run", default=False)
def random_run(session: nox.Session) -> None:
    """Random declarations, faults and kills: `-- STEPS SEED`, and the number of an episode to replay it."""
    run(session, newest(), "python", "-m", "tests.faults.random_run", *(session.posargs or ("10000", "1")))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Take the figures of performance; `-- --quick` to see that it works, `-- --help` for more."""
    installed(session)
    collections = {"PYTHONPATH": INSTALLED, "ANSIBLE_COLLECTIONS_PATH": INSTALLED}
    run(session, newest(), "python", "-m", "tests.bench", *session.posargs, **collections)


@nox.session(name="performance-page", default=False)
def performance_page(session: nox.Session) -> None:
    """Write the figures that were taken into the performance guide."""
    run(session, newest(), "python", "-m", "tests.bench.page", PYTHONPATH=INSTALLED)
