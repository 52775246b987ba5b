# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the agent: ``run`` converges the servers of this node once, ``status`` tells what the last run came to.

The program runs Ansible's own playbooks of the collection, on the node itself and without another machine. systemd starts it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.last_run import (
    read_last,
    sentence,
    site_runs,
    write_run,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import Layout, read_ledger, site_lock

_CONVERGE, _AUDIT = "sovereign.vllm.converge", "sovereign.vllm.drift_audit"
# A server that fails says nothing about the other servers of the node, which converge all the same.
_ALL_AT_ONCE = {"lora_serial": "100%", "lora_max_fail_percentage": 100}
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds
# Settings of a user or of the machine must not change what the agent does.
_FOREIGN = ("ANSIBLE_", "PYTHON")


@dataclass
class Agent:
    """The agent of one node.

    :param layout: of its directory.
    :param programs: directory with ``ansible-playbook``.
    :param collections: directory with ``ansible_collections``.
    :param environment: of the process.
    """

    layout: Layout
    programs: Path
    collections: Path
    environment: Mapping[str, str]
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    _records: list[Mapping] = field(default_factory=list)
    _rows: dict[str, Mapping] = field(default_factory=dict)

    def run(self, wait: float, keep: int) -> int:
        """Converge the servers, and write what came of it. Return the exit code.

        A server that does not answer is asked again until ``wait`` seconds are over. Meanwhile a bundle can be applied.

        :param keep: how many results to keep.
        :raises VllmError: if the site cannot be read or the result cannot be written.
        """
        started_at, end = _now(), self.monotonic() + wait
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
        """Converge and audit these servers, or all. Return the names of those that did not answer."""
        limit = ["--limit", ",".join(names)] if names else []
        with tempfile.TemporaryDirectory(prefix="sovereign-vllm-agent-") as scratch:
            place = Path(scratch)
            (place / "ansible.cfg").touch()
            self._records.append(self._play(_CONVERGE, _ALL_AT_ONCE, limit, place, lock))
            self._play(_AUDIT, {"drift_report_directory": str(place / "report")}, limit, place, lock)
            rows = (_json(place / "report" / "drift.json") or {}).get("sites", [])
        self._rows.update({row["name"]: row for row in rows})
        return [row["name"] for row in rows if row["verdict"] == "unreachable"]

    def _play(self, playbook: str, variables: Mapping, limit: Sequence[str], place: Path, lock: int) -> Mapping:
        """Run a playbook of the collection for the servers of the site. Return what the callback has recorded of it."""
        record = place / f"{playbook}.json"
        command = [str(self.programs / "ansible-playbook"), "-i", str(self.layout.inventory), *limit]
        # If the agent is killed, its playbook holds the lock until it ends.
        subprocess.run(
            [*command, "-e", json.dumps(variables), playbook],
            env=self._environment_of(place, record),
            stdin=subprocess.DEVNULL,
            cwd=place,
            pass_fds=(lock,),
            check=False,
        )
        return _json(record) or {}

    def _environment_of(self, place: Path, record: Path) -> dict[str, str]:
        own = {name: value for name, value in self.environment.items() if not name.startswith(_FOREIGN)}
        return {
            **own,
            **credentials_in(self.environment.get("CREDENTIALS_DIRECTORY")),
            "PATH": os.pathsep.join([str(self.programs), own.get("PATH", os.defpath)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "ANSIBLE_CONFIG": str(place / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_HOME": str(place / "home"),
            "ANSIBLE_LOCAL_TEMP": str(place / "local"),
            "ANSIBLE_REMOTE_TEMP": str(place / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACKS_ENABLED": "sovereign.vllm.agent_record",
            "SOVEREIGN_VLLM_AGENT_RECORD": str(record),
        }

    def _finish(self, started_at: str, keep: int) -> int:
        sites = site_runs(self._records, self._rows.values())
        serial = read_ledger(self.layout).applied
        message = sentence(sites.values(), serial) if sites else "The site could not be audited; see the journal."
        ok = bool(sites) and all(site.is_good for site in sites.values())
        result = {
            "started_at": started_at,
            "ended_at": _now(),
            "serial": serial,
            "ok": ok,
            "message": message,
            "collection": self._version(),
            "sites": [site.as_dict() for site in sites.values()],
        }
        write_run(self.layout, result, keep)
        _say(message)
        return 0 if ok else 1

    def _version(self) -> str:
        manifest = _json(self.collections / "ansible_collections" / "sovereign" / "vllm" / "MANIFEST.json")
        return str((manifest or {}).get("collection_info", {}).get("version", ""))


def _say(text: str, to: TextIO | None = None) -> int:
    stream = to or sys.stdout
    stream.write(f"{printable(text)}\n")
    stream.flush()
    return 0


def _pauses() -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _json(file: Path) -> dict | None:
    """Return the object in a file that a playbook has written, or None if the playbook did not come so far."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


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
        programs = Path(sys.executable).parent
        agent = Agent(layout, programs, programs.parents[1] / "collections", os.environ)
        return agent.run(given.wait, max(1, given.keep))
    except VllmError as error:
        _say(error.message, sys.stderr)
        return 1
