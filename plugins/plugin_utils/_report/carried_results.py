# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sites of a report that nobody could ask now: what their results say that were carried back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import DECLARATION
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.reader import Host
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_hosts import no_result
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.drift_report import not_declared
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.declared import node_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.results import Result

_UNKNOWN = "The state of this site is unknown: no result of it was carried back"
_HINT = "carry the directory result-<node>-<serial> back, and name the directory that holds it in drift_report_results"


def with_results(
    rows: Iterable[Mapping], results: Mapping[str, Result], hostvars: Mapping, only_results: bool
) -> Iterator[Mapping]:
    """Yield the sites as ``report`` takes them. An answer of now comes before a result of earlier.

    :param rows: what ``audited_sites()`` returns.
    :param results: node → its newest result.
    :param hostvars: Ansible's variable of this name.
    :param only_results: whether no site was asked.
    """
    for row in rows:
        if not only_results and not _is_unseen(row["result"]):
            yield row
            continue
        host = Host(hostvars, row["name"])
        if DECLARATION not in host:
            yield {**row, "result": not_declared(DECLARATION, list(host))} if only_results else row
            continue
        found = _result_of(host, row["name"], results)
        if found and row["name"] in found.sites:
            yield {**row, "result": _told(found, row["name"]), "as_of": found.made_at, "bundle": found.serial}
        else:
            yield {**row, "result": no_result(VllmError("unreachable", _UNKNOWN, _HINT))} if only_results else row


def _is_unseen(result: Mapping | None) -> bool:
    return not result or bool(result.get("unreachable")) or result.get("verdict") == "unreachable"


def _result_of(host: Host, name: str, results: Mapping[str, Result]) -> Result | None:
    known = {key: host.get(key) for key in ("bundle_node", "ansible_host")}
    try:
        return results.get(node_of({"inventory_hostname": name, **known}, lambda value: value))
    except VllmError:
        return None  # No bundle can be made for it.


def _told(found: Result, name: str) -> Mapping:
    result = found.sites[name]
    if found.outcome == "applied":
        return result
    finding = {
        "id": "bundle_taken_back",
        "severity": "high",
        "message": f"Bundle {found.serial} was taken back: {found.msg}",
        "fix": "Correct the cause, and make another bundle.",
    }
    return {**result, "findings": [finding, *result["findings"]]}
