# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put one fault after the other into a copy of the project, and print which test noticed it.

Exits with 1 when a test fails on the project as it is, or a fault stays unnoticed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tools.mutations.catalogue import MUTATIONS
from tools.mutations.mutation import Mutation

PROJECT = Path(__file__).resolve().parents[2]
FIRST_FAILURE = re.compile(r"^FAILED (\S+)", re.MULTILINE)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutations", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", metavar="WORDS", help="faults whose promise has these words")
    mutations = [mutation for mutation in MUTATIONS if parser.parse_args().only in mutation.promise]
    for mutation in mutations:
        mutate(PROJECT, mutation, write=False)
    with tempfile.TemporaryDirectory(prefix="mutations-") as directory:
        copies: SimpleQueue[Path] = SimpleQueue()
        workers = os.cpu_count() or 1
        for number in range(workers):
            copies.put(_copy(Path(directory) / str(number)))
        with ThreadPoolExecutor(workers) as pool:
            if not all(pool.map(lambda tests: _pass(copies, tests), _shares(mutations, workers))):
                return 1
            unnoticed = [
                _tell(*told) for told in zip(mutations, pool.map(lambda m: _noticed(copies, m), mutations), strict=True)
            ]
    print(f"{len(mutations) - sum(unnoticed)} of {len(mutations)} faults were noticed.")
    return int(any(unnoticed))


def mutate(tree: Path, mutation: Mutation, write: bool = True) -> None:
    """Put the fault into the tree.

    Exits if the text to replace is gone: then the catalogue needs a new fault.
    """
    file = tree / "plugins" / "module_utils" / f"{mutation.module}.py"
    text = (PROJECT / file.relative_to(tree)).read_text(encoding="utf-8")
    if text.count(mutation.before) != 1:
        times = text.count(mutation.before)
        sys.exit(f"'{mutation.promise}': {mutation.module}.py has the text to replace {times} times, not once.")
    if write:
        file.write_text(text.replace(mutation.before, mutation.after), encoding="utf-8")


def _copy(directory: Path) -> Path:
    subprocess.run([sys.executable, PROJECT / "tools" / "copy_collection.py", directory], check=True)
    return directory


def _shares(mutations: Sequence[Mutation], workers: int) -> list[list[str]]:
    """Run each test once without a fault: a test that fails now cannot notice one."""
    tests = sorted({test for mutation in mutations for test in mutation.tests})
    return [share for share in (tests[number::workers] for number in range(workers)) if share]


def _pass(copies: SimpleQueue[Path], tests: Sequence[str]) -> bool:
    copy = copies.get()
    run = _pytest(copy, tests)
    copies.put(copy)
    if run.returncode:
        print(f"These tests must pass before the faults can be judged:\n{run.stdout}{run.stderr}")
    return run.returncode == 0


def _noticed(copies: SimpleQueue[Path], mutation: Mutation) -> str | None:
    """Return the first test that failed, or None."""
    copy = copies.get()
    mutate(copy, mutation)
    run = _pytest(copy, mutation.tests)
    file = f"plugins/module_utils/{mutation.module}.py"
    (copy / file).write_bytes((PROJECT / file).read_bytes())
    copies.put(copy)
    failure = FIRST_FAILURE.search(run.stdout)
    # Any other status but 1 would mean that the tests did not run, as with a fault that Python cannot even compile.
    return failure.group(1) if run.returncode == 1 and failure else None


def _pytest(copy: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # Files of the same size that are changed within a second look the same to Python's cache.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("SOVEREIGN_VLLM_COLLECTIONS_PATH", None)
    command = [sys.executable, "-m", "pytest", "-x", "--tb=short", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def _tell(mutation: Mutation, noticed_by: str | None) -> bool:
    print(f"{mutation.promise:52} {noticed_by or 'NOT NOTICED'}", flush=True)
    return noticed_by is None


if __name__ == "__main__":
    sys.exit(main())
