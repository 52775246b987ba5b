# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the agent: ``run`` converges the servers of this node once, ``status`` tells what the last run came to.

The program runs Ansible's own playbooks of the collection, on the node itself and without another machine. systemd starts it.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.clock import utc
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import unusable_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.last_run import (
    read_last,
    sentence,
    site_runs,
    write_run,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import Layout, read_ledger, site_lock
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.playing import Outcome, Playbooks
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.result_files import version_of_collection

# A server that fails says nothing about the other servers of the node, which converge all the same.
_ALL_AT_ONCE = {"lora_serial": "100%", "lora_max_fail_percentage": 100}
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_INTERRUPTED = 130  # as a shell returns it
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds


@dataclass
class Agent:
    """The agent of one node.

    :param layout: of its directory.
    """

    layout: Layout
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    _outcomes: list[Outcome] = field(default_factory=list)
    _rows: dict[str, Mapping] = field(default_factory=dict)

    def run(self, wait: float, keep: int) -> int:
        """Converge the servers, and write what came of it. Return the exit code.

        A server that does not answer is asked again until ``wait`` seconds are over. Meanwhile a bundle can be applied.

        :param keep: how many results to keep.
        :raises VllmError: if the site cannot be read or the result cannot be written.
        """
        started_at, end = utc(), self.monotonic() + wait
        absent: list[str] = []
        for pause in _pauses():
            try:
                with site_lock(self.layout) as lock:
                    if not self.layout.inventory.is_file():
                        return _say("No bundle has been applied here, and nothing is declared, so nothing was done.")
                    absent = self._converge(absent, lock)
                    left = end - self.monotonic()
                    if not absent or left <= 0:
                        return self._finish(started_at, keep)
            except VllmError as error:
                if error.code != "site_busy":
                    raise
                return _say(error.message)
            _say(f"Waiting for {', '.join(absent)}, {int(left)} seconds at most.")
            self.sleep(min(pause, left))
        return 0

    def _converge(self, names: Sequence[str], lock: int) -> list[str]:
        """Converge and audit these servers, or all. Return the names of those that did not answer at the start or the end."""
        with tempfile.TemporaryDirectory(prefix="sovereign-vllm-agent-") as scratch:
            playbooks = Playbooks(self.layout.inventory, Path(scratch), lock)
            outcome, report = playbooks.converge(_ALL_AT_ONCE, names)
        if outcome.rc or any(outcome.hosts.values()):
            _say(outcome.output)
        self._outcomes.append(outcome)
        rows = (report or {}).get("sites", [])
        self._rows.update({row["name"]: row for row in rows})
        # A server that came back meanwhile was not converged either.
        return [row["name"] for row in rows if row["verdict"] == "unreachable" or row["name"] in outcome.offline]

    def _finish(self, started_at: str, keep: int) -> int:
        sites = site_runs(self._outcomes, self._rows.values())
        serial = read_ledger(self.layout).applied
        message = sentence(sites.values(), serial) if sites else "The site could not be audited; see the journal."
        ok = bool(sites) and all(site.is_good for site in sites.values())
        result = {
            "started_at": started_at,
            "ended_at": utc(),
            "serial": serial,
            "ok": ok,
            "message": message,
            "collection": version_of_collection(),
            "sites": [site.as_dict() for site in sites.values()],
        }
        write_run(self.layout, result, keep)
        _say(message)
        return 0 if ok else 1


def _say(text: str, to: TextIO | None = None) -> int:
    stream = to or sys.stdout
    stream.writelines(f"{printable(line)}\n" for line in text.splitlines())
    stream.flush()
    return 0


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


def credentials_in(directory: str | None) -> dict[str, str]:
    """Return the keys of the servers that systemd has handed over: name of the variable → key.

    :param directory: the one of ``LoadCredential=``, with a file for each variable. Without it, there is none.
    :raises VllmError: ``store_error`` if a file cannot be read.
    """
    if not directory:
        return {}
    found = {}
    for file in sorted(Path(directory).iterdir()):
        if not _NAME.fullmatch(file.name):
            continue
        try:
            found[file.name] = file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            # The reason could quote the file.
            hint = "give the agent a text file with the key and nothing else"
            raise VllmError("store_error", f"the credential {file.name} cannot be read", hint) from None
    return found


def show_status(layout: Layout) -> int:
    """Print what the last run came to, in one sentence. Return 0 if every server serves what is declared."""
    last = read_last(layout)
    if last is None:
        _say("The agent has not run yet.")
        return 1
    _say(f"{last['ended_at']}: {last['message']}")
    return 0 if last["ok"] else 1


def main(directory: str) -> int:
    """Run the program of the agent, and return its exit code.

    :param directory: ``agent_directory``.
    """
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name, description="Keep the LoRA adapters of this node as declared."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="converge the servers of this node once")
    run.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="how long to wait for a server that does not answer"
    )
    run.add_argument("--keep", type=int, default=30, metavar="RESULTS", help="how many results to keep")
    commands.add_parser("status", help="tell in one sentence what the last run came to")
    given = parser.parse_args()
    layout = Layout(Path(directory))
    try:
        if given.command == "status":
            return show_status(layout)
        os.environ.update(credentials_in(os.environ.get("CREDENTIALS_DIRECTORY")))
        return Agent(layout).run(given.wait, max(1, given.keep))
    except VllmError as error:
        _say(error.message, sys.stderr)
        return 1
    except OSError as error:
        _say(unusable_file(error).message, sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("The run was interrupted. The next run converges the servers.", sys.stderr)
        return _INTERRUPTED
