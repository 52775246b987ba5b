# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run playbooks of the collection at a site, for the servers of the node, and return what came of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible import constants as C
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint, endpoint_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import connection_of, key_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._inventory.discovery import ask_all

CONVERGE, AUDIT = "sovereign.vllm.converge", "sovereign.vllm.drift_audit"
_ROOT = Path(__file__).absolute().parents[6]
# Settings of a user must not change what is done at a site.
_FOREIGN = ("ANSIBLE_", "PYTHON")
_LAST_LINES = 20


@dataclass(frozen=True)
class Outcome:
    """What a playbook came to.

    :param reasons: host → the last error, of each host that failed.
    :param hosts: host → whether it changed something there.
    :param output: what the playbook has printed.
    :param offline: the hosts that a rollout has left alone, since they did not answer at its start.
    """

    rc: int
    reasons: Mapping[str, str]
    hosts: Mapping[str, bool]
    output: str
    offline: frozenset[str] = frozenset()

    def reason(self) -> str:
        """Return why the playbook failed, without a full stop."""
        told = "; ".join(f"{host}: {reason.rstrip('.')}" for host, reason in sorted(self.reasons.items()))
        lines = self.output.strip().splitlines()[-_LAST_LINES:]
        return printable(told or " ".join(line.strip() for line in lines) or f"ansible-playbook returned {self.rc}")


@dataclass(frozen=True)
class Playbooks:
    """The playbooks of one run.

    :param inventory: with the servers of the node.
    :param scratch: a directory for the files of the run.
    :param lock: the descriptor of the lock of the site. If this process is killed, a playbook that still runs keeps the lock.
    """

    inventory: Path
    scratch: Path
    lock: int

    def run(self, playbook: str, variables: Mapping, only: Sequence[str] = (), then: str | None = None) -> Outcome:
        """Run a playbook for these servers of the node, by default for all of them.

        :param then: a playbook that follows if the first one has succeeded. One run saves a start of Ansible.
        """
        record = self.scratch / "record.json"
        record.unlink(missing_ok=True)
        self._configuration.write_text("", encoding="utf-8")
        limit = ["--limit", ",".join(only)] if only else []
        ansible = [sys.executable, "-m", "ansible", "playbook", "-i", str(self.inventory)]
        done = subprocess.run(
            [*ansible, *limit, "-e", json.dumps(variables), playbook, *([then] if then else [])],
            env=self._environment(record),
            cwd=self.scratch,
            pass_fds=(self.lock,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        recorded = _recorded(record)
        found = recorded.get("hosts", {})
        reasons = {host: str(one["msg"]) for host, one in found.items() if one["failed"]}
        hosts = {host: bool(one["changed"]) for host, one in found.items()}
        return Outcome(
            done.returncode,
            reasons,
            hosts,
            done.stdout.decode(errors="replace"),
            frozenset(recorded.get("offline", [])),
        )

    def report(self, variables: Mapping, only: Sequence[str] = ()) -> tuple[dict | None, str]:
        """Audit these servers, by default all. Return the report, None if there is none, and the reason why."""
        outcome = self.run(AUDIT, {**variables, **self._reported}, only)
        report = self._report()
        return report, "" if report else outcome.reason()

    def converge(self, variables: Mapping, only: Sequence[str] = ()) -> tuple[Outcome, dict | None]:
        """Converge these servers, by default all, and audit them in any case. Return what the rollout came to, and the report if there is one."""
        outcome = self.run(CONVERGE, {**variables, **self._reported}, only, then=AUDIT)
        report = self._report()
        if outcome.reasons:
            # The exit code is that of the last play.
            outcome = replace(outcome, rc=outcome.rc or 2)
        return outcome, report or self.report(variables, only)[0]

    @property
    def _reported(self) -> dict[str, str]:
        return {"drift_report_directory": str(self.scratch / "report")}

    def _report(self) -> dict | None:
        try:
            return json.loads((self.scratch / "report" / "drift.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    @property
    def _configuration(self) -> Path:
        return self.scratch / "ansible.cfg"

    def _environment(self, record: Path) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        roots: list[str] = C.COLLECTIONS_PATHS  # type: ignore[attr-defined]  # Ansible adds its settings to this module.
        return {
            **own,
            "ANSIBLE_CONFIG": str(self._configuration),
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(dict.fromkeys([str(_ROOT), *map(str, roots)])),
            "ANSIBLE_HOME": str(self.scratch / "home"),
            "ANSIBLE_LOCAL_TEMP": str(self.scratch / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.scratch / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACKS_ENABLED": "sovereign.vllm.agent_record",
            "SOVEREIGN_VLLM_AGENT_RECORD": str(record),
        }


def _recorded(record: Path) -> dict:
    """Return what the callback has recorded, nothing if the playbook did not come so far."""
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def endpoints_of(hosts: Mapping[str, Mapping]) -> dict[str, Endpoint]:
    """Return the servers of the node, by the names of their hosts. No server is asked.

    :param hosts: name → its variables, resolved.
    :raises VllmError: ``invalid_request`` if a key is missing here, or an option of the connection cannot be used.
    """
    endpoints = {}
    for name, variables in hosts.items():
        try:
            options = connection_of(variables, lambda value: value)
            key = key_of(options)
            options["api_key"] = os.environ.get("VLLM_API_KEY") if key is None else key
            endpoints[name] = endpoint_of({option: value for option, value in options.items() if value is not None})
        except VllmError as error:
            error.attempt = f"connect to the server of {quoted(name)}"
            raise
    return endpoints


def require_servers(endpoints: Mapping[str, Endpoint], what: str) -> None:
    """Check that each server answers, so that a node is not left with half of a declaration.

    :param endpoints: as :func:`endpoints_of` returns them.
    :param what: names what is to be applied.
    :raises VllmError: the first error, with the names of all servers that did not answer. No server has been changed then.
    """
    answers = ask_all(endpoints, len(endpoints) or 1)
    problems = {name: answer for name, answer in answers.items() if isinstance(answer, VllmError)}
    if problems:
        told = "; ".join(f"{name}: {error.message.rstrip('.')}" for name, error in sorted(problems.items()))
        raise VllmError(
            next(iter(problems.values())).code,
            f"{what} is not applied yet, since not every server of the node answers: {told}",
            "start the servers, and apply the same bundle again",
        )
