# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: agent_record
type: notification
short_description: Write what a playbook did to each host into a file
version_added: 1.0.0
description:
  - The agent of the role P(sovereign.vllm.agent#role) reads the outcome of its playbooks from this file. Other playbooks should
    not use it, since the file can change with any release.
  - Writes one JSON object at the end of the run. It has C(changed) (how many tasks have changed something), C(failed) and C(msg)
    (the last error) for each host in C(hosts), and the hosts that a rollout left alone in C(offline).
requirements:
  - enable in configuration
options:
  file:
    description: Path of the file. If it is not set, nothing is written.
    type: path
    env:
      - name: SOVEREIGN_VLLM_AGENT_RECORD
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

import json
from typing import TYPE_CHECKING, Any

from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import TaskResult


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "sovereign.vllm.agent_record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._messages: dict[str, str] = {}

    def v2_runner_on_failed(self, result: TaskResult, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._remember(result)

    def v2_runner_on_unreachable(self, result: TaskResult) -> None:
        self._remember(result)

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        file = self.get_option("file")
        if not file:
            return
        hosts = {host: self._outcome(host, stats.summarize(host)) for host in stats.processed}
        rollout = stats.custom.get("_run", {}).get("lora_rollout", {})
        with open(file, "w", encoding="utf-8") as stream:
            json.dump({"hosts": hosts, "offline": rollout.get("offline", [])}, stream)

    def _remember(self, result: TaskResult) -> None:
        # The underscored names are the only ones that ansible-core 2.16 knows.
        message = result._result.get("msg")
        if message:
            self._messages[result._host.get_name()] = str(message)

    def _outcome(self, host: str, counts: dict[str, int]) -> dict:
        failed = bool(counts["failures"] or counts["unreachable"])
        return {"changed": counts["changed"], "failed": failed, "msg": self._messages.get(host, "") if failed else ""}
