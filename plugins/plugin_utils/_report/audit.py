# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the server of a host with the declaration of the host, in one task: what the role would do, without a write."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import verdict_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.source import is_remote, pin_of
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.checks import CHECKS
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import CompleteError, VllmError, failure
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_lora_adapters import LoraAdapters
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_server_info import ServerInfo
from ansible_collections.sovereign.vllm.plugins.module_utils._operations.vllm_smoke_test import SmokeTest
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import is_loopback_host
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.boot_file import boot_finding, starts_with
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.fingerprints import read_expected
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import (
    DECLARATION,
    ControllersArtifacts,
    Resolved,
    resolved,
    settings_of,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.trust import TRUST, trust_with_keys
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import ServerHost, connection_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import finder
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import (
    option_error,
    plain,
    refused_host_variable,
    variables_of_host,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.worker_action import WorkerAction
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_directories import (
    AuditedDirectories,
    judged,
    places,
    served_roots,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_weights import AuditedWeights, comparable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import not_declared

_COLLECTION = "sovereign.vllm."
_VALIDATOR = ModuleArgumentSpecValidator({"expect_plan": {"type": "str"}})
# They shape the plays of the playbook drift_audit.
_PLAY_VARIABLES = ("drift_audit_hosts", "drift_audit_source")
_SWITCHES = {
    "drift_audit_weights": {"type": "bool", "default": False},
    "drift_audit_findings": {"type": "bool", "default": False},
    "drift_audit_adapters_from": ServerInfo.options["adapters_from"],
}


class AuditAction(WorkerAction):
    operation = LoraAdapters()
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = ActionBase.run(self, tmp, task_vars)
        self._task.check_mode = True
        try:
            return {**result, **self._audit(task_vars or {})}
        except VllmError as error:
            return {**result, **failure(error), "failed": True, "verdict": verdict_of(error.code)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _audit(self, task_vars: dict) -> dict:
        validation = _VALIDATOR.validate(plain(self._task.args))
        if validation.errors.errors:
            raise option_error(self._task, validation.errors[0])
        for name in variables_of_host(_PLAY_VARIABLES, task_vars, self._task, self._loader):
            raise refused_host_variable(name, task_vars.get("inventory_hostname"))
        if DECLARATION not in task_vars:
            return {"changed": False, **not_declared(DECLARATION, list(task_vars))}
        settings = settings_of(task_vars, self._templar.template, _SWITCHES)
        declared = self._resolved(settings, task_vars)
        options = {name: settings[name] for name in self.operation.options if name in settings}
        options = {**options, **validation.validated_parameters, "adapters": declared.adapters}
        found = self._compared(declared, options, task_vars)
        if found["verdict"] == "unreachable":
            return found
        # A plan that was approved does not depend on weights.
        weighs = settings["drift_audit_weights"] and options.get("expect_plan") is None
        findings, notes = self._boot_findings(declared.adapters, settings, task_vars), []
        directories = AuditedDirectories()
        if weighs or settings["drift_audit_findings"]:
            directories = self._directories(found, settings, task_vars)
            findings, notes = [*directories.findings, *findings], directories.notes
        if weighs and "error" not in found:
            weights = self._weights(found, settings, directories.gone, task_vars)
            notes, findings = [*notes, *weights.notes, *weights.warnings], [*weights.findings, *findings]
            if weights.differing:
                found = self._compared(declared, {**options, "other_weights": weights.differing}, task_vars)
            if weights.warnings:
                found["warnings"] = [*found.get("warnings", ()), *weights.warnings]
        if settings["drift_audit_findings"]:
            server = self._ask(ServerInfo(), {"adapters_from": settings["drift_audit_adapters_from"]}, task_vars)
            found["server_info"] = server
            findings = [*server.get("findings", ()), *findings]
        findings.sort(key=lambda finding: finding["severity"] != "high")
        return {**found, "findings": findings, "notes": notes}

    def _directories(self, found: Mapping, settings: Mapping, task_vars: dict) -> AuditedDirectories:
        """Return which directories of served adapters are gone from the node."""
        paths, notes = places(served_roots(found.get("adapters", ())), settings)
        if not paths:
            return AuditedDirectories(notes=notes)
        if not self._is_server_on_node(task_vars):
            reason = "the node is not at hand, or its server is elsewhere"
            return AuditedDirectories(notes=[f"The directories of the adapters were not checked, since {reason}."])
        try:
            args = {"paths": sorted(set(paths.values()))}
            read = self._on_node(f"{_COLLECTION}vllm_lora_directory_info", args, task_vars)
        except VllmError as error:
            reason = error.problem.rstrip(".")
            return AuditedDirectories(notes=[f"The directories of the adapters were not checked ({reason})."])
        directories = judged(paths, {entry["path"]: entry for entry in read["directories"]})
        directories.notes[:0] = notes
        return directories

    def _weights(self, found: Mapping, settings: Mapping, gone: list[str], task_vars: dict) -> AuditedWeights:
        """Compare the weights in the memory of the server with the recorded fingerprints."""
        if not settings.get("fingerprints"):
            return AuditedWeights(notes=["No weights were compared, since lora_fingerprints is not set."])
        recorded = read_expected(settings["fingerprints"], str(task_vars["inventory_hostname"]))
        weights = comparable(found["adapters"], recorded, gone)
        if weights.expected:
            options = {"models": list(weights.expected), "expect": weights.expected, "expect_if": "same_origin"}
            # Check mode would ask nothing. Completions change nothing.
            self._task.check_mode = False
            try:
                answered = self._ask(SmokeTest(), options, task_vars)
            finally:
                self._task.check_mode = True
            if answered.get("unreachable") or ("error" in answered and "errors" not in answered):
                error = answered["error"]
                raise CompleteError(error["code"], answered["msg"], error["hint"])
            weights.read_answers(answered)
        return weights

    def _resolved(self, settings: Mapping, task_vars: dict) -> Resolved:
        """Return the declaration of the host. The node is asked last."""
        artifacts = ControllersArtifacts(finder(self), self._loader)
        return resolved(settings, artifacts, lambda adapter: self._digest_on_node(adapter, settings, task_vars))

    def _compared(self, declared: Resolved, options: Mapping, task_vars: dict) -> dict:
        """Compare as the role does, which never prunes the older versions of its own adapters. It reads the list first to know
        them; here they are known from a first comparison, so that a site without them costs one request."""
        limit = options.get("prune_limit")
        first = {**options, "prune": False} if limit is not None else options
        # Whoever expects a plan, expects the one of the last comparison.
        found = self._ask(self.operation, {**first, "expect_plan": None}, task_vars)
        others = [entry for entry in found.get("adapters", ()) if not entry["declared"]]
        served = [{"name": entry["name"], "root": entry["before"]["root"]} for entry in others]
        old = declared.superseded_globs(served)
        is_final = not old and options.get("expect_plan") is None
        if "error" in found or (is_final and (limit is None or not options["prune"] or not others)):
            return found
        exclude = [*options["prune_exclude"], *old]
        return self._ask(self.operation, {**options, "prune_exclude": exclude}, task_vars)

    def _ask(self, operation: LoraAdapters | ServerInfo | SmokeTest, options: Mapping, task_vars: dict) -> dict:
        """Ask the server. Requests need no privileges."""
        given = {name: value for name, value in options.items() if value is not None}
        with self._without_privileges():
            return self._result_of(operation, given, task_vars, f"{_COLLECTION}{_MODULES[type(operation)]}")

    @contextlib.contextmanager
    def _without_privileges(self) -> Iterator[None]:
        become = self._connection.become
        self._connection.become = None
        try:
            yield
        finally:
            self._connection.become = become

    def _digest_on_node(self, adapter: Mapping, settings: Mapping, task_vars: dict) -> str | None:
        """Return the digest of an artifact of the node, or of the version in its store that has the checksum."""
        args = {name: settings[name] for name in ("store", *CHECKS) if name in settings}
        args.update(name=adapter["name"], base_model=adapter.get("trained_for"))
        args["trust"] = trust_with_keys(TRUST, settings.get("trust"), finder(self)) or None
        if adapter.get("remote_src") and not is_remote(adapter["src"]):
            args.update(src=adapter["src"], remote_src=True, checksum=adapter.get("checksum"))
        else:
            args["digest"] = pin_of(adapter.get("src"), adapter.get("checksum"))
        given = {name: value for name, value in args.items() if value is not None}
        found = self._on_node(f"{_COLLECTION}vllm_lora_artifact", given, task_vars)
        return found["digest"] if "src" in args or found["staged"] else None

    def _boot_findings(self, adapters: list, settings: Mapping, task_vars: dict) -> list[dict]:
        """Return a finding if the server will not start with the declared adapters. The node is not contacted for this alone."""
        file = settings.get("boot_file")
        if not file or not self._is_node_at_hand(task_vars):
            return []
        try:
            read = self._on_node("ansible.legacy.slurp", {"src": file}, task_vars)
        except VllmError as error:
            return [boot_finding(f"{file} cannot be read: {error.problem.rstrip('.')}.")]
        if starts_with(base64.b64decode(read["content"]), settings["boot_variable"], adapters):
            return []
        return [boot_finding(f"{file} does not start the server with the declared adapters.")]

    def _is_server_on_node(self, task_vars: dict) -> bool:
        """Return whether the paths of the server are those of the node, so that its directories can be looked at there."""
        url = connection_of(task_vars, self._templar.template, ("base_url",)).get("base_url")
        host = urlsplit(str(url or os.environ.get("VLLM_BASE_URL", ""))).hostname or ""
        own = (ServerHost("", task_vars, self._templar.template).address, task_vars.get("inventory_hostname"))
        is_own = is_loopback_host(host) or (self._connection.transport != "local" and host in own)
        return is_own and self._is_node_at_hand(task_vars)

    def _is_node_at_hand(self, task_vars: dict) -> bool:
        if self._connection.transport == "local":
            return True
        return self._templar.template(task_vars.get("vllm_ask_from")) != "controller"

    def _on_node(self, module: str, args: dict, task_vars: dict) -> dict:
        """Run a module on the node, in check mode.

        :raises VllmError: if it failed.
        """
        found: dict[str, Any] = self._execute_module(module, args, task_vars=task_vars)
        if found.get("failed"):
            error = found.get("error") or {}
            raise CompleteError(
                error.get("code") or "store_error", found.get("msg") or f"{module} failed.", error.get("hint") or ""
            )
        return found


_MODULES = {LoraAdapters: "vllm_lora_adapters", ServerInfo: "vllm_server_info", SmokeTest: "vllm_smoke_test"}
