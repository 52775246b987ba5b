# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a bundle at its site, without a network and without another machine.

The order makes it safe to kill a run anywhere. The ledger names the bundle before any server hears of it, the declaration of the
site is replaced only when the servers serve it, and the bundle counts as applied only when its result is written.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, failure, quoted
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import (
    DEFAULT_DIRECTORY,
    Layout,
    Ledger,
    path_in,
    read_ledger,
    replace_file,
    site_lock,
    write_ledger,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.playing import (
    Playbooks,
    endpoints_of,
    require_servers,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.result_files import KEY, copy_result, write_result
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import (
    Sealed,
    checked_node,
    directory_name,
    open_sealed,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.signing import sign
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.staging import (
    Declaration,
    Staging,
    read_declaration,
)

# All servers of the node are one wave: if one of them fails, all serve again what they served before.
_VARIABLES = {"lora_serial": "100%", "drift_audit_findings": True}
_SHOWN_OUTPUT = 60  # lines


def apply_bundle(given: Mapping, check_mode: bool) -> dict:
    """Return the result of the task that applies a bundle.

    :param given: ``bundle``, ``directory``, ``node``, ``result_directory``, ``result_key``.
    :raises VllmError: the reason why the bundle is refused. No server has been asked then, and nothing has changed.
    """
    place = path_in("bundle", given["bundle"]).resolve()  # the disk, if a link leads there
    layout = Layout(path_in("agent_directory", given["directory"], DEFAULT_DIRECTORY))
    key = path_in(KEY, given["result_key"])
    results = path_in("bundle_result_directory", given["result_directory"], str(place.parent))
    # Check mode writes nothing, not even the file of the lock.
    with contextlib.nullcontext(-1) if check_mode else site_lock(layout) as lock:
        ledger = read_ledger(layout)
        bundle = _accepted(place, layout, ledger, given["node"])
        declaration = read_declaration(bundle)
        endpoints = endpoints_of(declaration.hosts)
        sign(b"", key, "result", KEY)  # before anything changes
        if check_mode:
            _compare(bundle)
            return {"changed": True, **_shown(bundle, "checked"), "msg": f"{place.name} can be applied."}
        return _Application(layout, bundle, declaration, endpoints, ledger, key, results).run(lock)


def _accepted(place: Path, layout: Layout, ledger: Ledger, node: str | None) -> Sealed:
    """Return the bundle if it is to be applied here, by its signature, its node, its serial and its list of files."""
    if not place.is_dir():
        raise refused(f"there is no directory {quoted(place)}", "give the directory of a bundle as bundle")
    bundle = open_sealed(place, "bundle", layout.allowed_signers)
    if bundle.node != _node(ledger, node):
        raise VllmError(
            "bundle_of_other_node",
            f"{quoted(place)} is for the node {quoted(bundle.node)}, and this is {quoted(_node(ledger, node))}",
            "take the bundle of this node",
        )
    name = directory_name("bundle", bundle.node, bundle.serial)
    if place.name != name:
        raise VllmError("bundle_damaged", f"{quoted(place)} was made as {name}", f"rename the directory to {name}")
    ledger.check(bundle.serial, bundle.identity)
    bundle.check_listing()
    return bundle


def _node(ledger: Ledger, given: str | None) -> str:
    if given and ledger.node and given != ledger.node:
        raise refused(f"bundle_node is {quoted(given)}, and the ledger says {quoted(ledger.node)}", "correct it")
    if not given and not ledger.node:
        raise refused("the name of this node is not known", "give it once as bundle_node; the ledger keeps it")
    return checked_node(str(given or ledger.node), "bundle_node")


def _compare(bundle: Sealed) -> None:
    for path in bundle.files:
        for _piece in bundle.verified(path):
            pass


def _shown(bundle: Sealed, outcome: str) -> dict:
    return {
        "node": bundle.node,
        "serial": bundle.serial,
        "hosts": bundle.hosts,
        "signer": bundle.signer,
        "outcome": outcome,
    }


@dataclass
class _Application:
    layout: Layout
    bundle: Sealed
    declaration: Declaration
    endpoints: Mapping[str, Endpoint]
    ledger: Ledger
    key: Path
    results: Path

    def run(self, lock: int) -> dict:
        staging = Staging(self.bundle, self.declaration.adapters, self.layout)
        staging.check()
        staged = [str(path) for path in staging.run()]
        former, bundle = self.ledger, self.bundle
        self.ledger = former.begin(bundle.node, bundle.serial, bundle.identity)
        try:
            return {"staged": staged, **self._converge(lock)}
        except VllmError as error:
            changed = bool(staged) or self.ledger != former
            return {"staged": staged, **failure(error), "changed": changed, "failed": True}

    def _converge(self, lock: int) -> dict:
        bundle, layout = self.bundle, self.layout
        write_ledger(layout, self.ledger)
        require_servers(self.endpoints, bundle.directory.name)
        replace_file(layout.next_inventory, self.declaration.text)
        with tempfile.TemporaryDirectory(prefix="sovereign-vllm-apply-") as scratch:
            playbooks = Playbooks(layout.next_inventory, Path(scratch), lock)
            converged, report = playbooks.converge(_VARIABLES)
        failure = converged.reason() if converged.rc else ""
        if not failure:
            replace_file(layout.inventory, self.declaration.text)
        result, warnings = self._write_result(report, failure)
        if not failure:
            write_ledger(layout, self.ledger.complete(bundle.serial))
        shutil.rmtree(layout.next_inventory.parent, ignore_errors=True)
        shown = {"changed": True, "result": str(result), "warnings": warnings}
        output = converged.output.splitlines()[-_SHOWN_OUTPUT:]
        if failure:
            error = self._taken_back(failure)
            raised = {"failed": True, "msg": error.message, "error": error.as_dict(), "output": output}
            return {**shown, **raised, **_shown(bundle, "taken_back")}
        msg = f"{bundle.directory.name} was applied. The result is in {result}."
        return {**shown, **_shown(bundle, "applied"), "msg": msg}

    def _taken_back(self, failure: str) -> VllmError:
        return VllmError(
            "bundle_taken_back",
            f"{self.bundle.directory.name} was not applied, and the former declaration stays: {failure}",
            "correct the cause and apply the same bundle again, or carry the result to headquarters",
        )

    def _write_result(self, report: Mapping | None, failure: str) -> tuple[Path, list[str]]:
        present = sorted({one.digest for one in self.declaration.adapters if one.target.is_dir()})
        content = {
            "outcome": "taken_back" if failure else "applied",
            "msg": failure,
            "artifacts": present,
            "sites": (report or {}).get("sites", []),
        }
        result = write_result(self.layout, self.bundle, content, self.key)
        try:
            return copy_result(result, self.results), []
        except VllmError as error:
            # The disk can be read-only.
            return result, [f"The result was not copied to {self.results}: {error.message}"]
