# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write every result of a run to a file, one line of JSON each, beside the usual output."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: recorded
type: notification
short_description: Write results to the file that the environment variable RECORDED_RESULTS names
description: For tests.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "recorded"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        self._record("ok", result)

    def v2_runner_on_skipped(self, result):
        self._record("skipped", result)

    def v2_runner_on_unreachable(self, result):
        self._record("unreachable", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._record("failed", result)

    def v2_runner_retry(self, result):
        self._record("retried", result)

    def v2_playbook_on_stats(self, stats):
        self._write(recap={host: stats.summarize(host) for host in stats.processed})

    def _record(self, status, result):
        # The underscored names are the only ones that ansible-core 2.16 knows.
        values = dict(result._result)
        if hasattr(result, "warnings"):  # 2.19 and later take the warnings out of the result
            values.setdefault("warnings", [str(getattr(warning, "msg", warning)) for warning in result.warnings])
        # Newer releases put the name of the role before that of its task.
        task = result.task_name.rpartition(" : ")[2]
        self._write(host=result._host.get_name(), task=task, status=status, result=values)

    @staticmethod
    def _write(**line):
        with open(os.environ["RECORDED_RESULTS"], "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, default=str) + "\n")
