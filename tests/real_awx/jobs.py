# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of a real AWX, as its API shows them."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

from tests.real_awx.controller import RealAwx

_JOB_SECONDS = 300  # a last resort
_ENDED = ("successful", "failed", "error", "canceled")


class Jobs:
    """Launches what controller.yml made, and waits for it."""

    def __init__(self, awx: RealAwx) -> None:
        self._awx = awx

    def launch(self, template: str, **answers: Any) -> dict[str, Any]:
        """Launch a template by its name, and return the job once it has ended.

        A template with slices makes a workflow of jobs. answers: such as `limit` and `extra_vars`.
        """
        found = self.template(template)
        return self.ended(self._awx.ask("POST", f"{_kind(found['url'])}/{found['id']}/launch/", answers))

    def relaunch(self, job: dict[str, Any], **answers: Any) -> dict[str, Any]:
        return self.ended(self._awx.ask("POST", f"jobs/{job['id']}/relaunch/", answers))

    def template(self, name: str) -> dict[str, Any]:
        (found,) = self._awx.ask("GET", f"unified_job_templates/?name={quote(name)}")["results"]
        return found

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        return self._await(job, lambda now: now["status"] in _ENDED and now.get("event_processing_finished", True))

    def nodes(self, workflow: dict[str, Any]) -> list[dict[str, Any]]:
        """The jobs of a workflow's nodes."""
        nodes = self._awx.ask("GET", f"workflow_jobs/{workflow['id']}/workflow_nodes/?page_size=200")["results"]
        jobs = [node["summary_fields"]["job"] for node in nodes if "job" in node["summary_fields"]]
        return [self.get(job["type"], job["id"]) for job in jobs]

    def approve(self, workflow: dict[str, Any]) -> None:
        """Approve the one node that waits for it, once it does."""
        self._await(workflow, lambda _now: bool(self._waiting(workflow)))
        (approval,) = self._waiting(workflow)
        self._awx.ask("POST", f"workflow_approvals/{approval['id']}/approve/")

    def get(self, kind: str, number: int) -> dict[str, Any]:
        return self._awx.ask("GET", f"{kind}s/{number}/")

    def hosts(self, job: dict[str, Any]) -> dict[str, str]:
        """How each host of the job ended: "ok", "failed" or "unreachable"."""
        summaries = self._awx.ask("GET", f"jobs/{job['id']}/job_host_summaries/?page_size=200")["results"]
        return {
            host["host_name"]: "unreachable" if host["dark"] else "failed" if host["failed"] else "ok"
            for host in summaries
        }

    def stdout(self, job: dict[str, Any]) -> str:
        return self._awx.ask("GET", f"{job['type']}s/{job['id']}/stdout/?format=json")["content"]

    def everything(self, job: dict[str, Any]) -> str:
        """All that the API shows of a job, its events included."""
        events = self._awx.ask("GET", f"jobs/{job['id']}/job_events/?page_size=200")
        assert events["next"] is None, "The job has more events than one page."
        return json.dumps([job, events, self.stdout(job)])

    def _waiting(self, workflow: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            node for node in self.nodes(workflow) if node["type"] == "workflow_approval" and node["status"] == "pending"
        ]

    def _await(self, job: dict[str, Any], is_so: Any) -> dict[str, Any]:
        end = time.monotonic() + _JOB_SECONDS
        while not is_so(now := self.get(job["type"], job["id"])):
            assert time.monotonic() < end, f"{now}\n{self._awx.logs}"
            time.sleep(1)
        return now


def _kind(url: str) -> str:
    """Of /api/v2/job_templates/7/: job_templates."""
    return url.split("/")[3]
