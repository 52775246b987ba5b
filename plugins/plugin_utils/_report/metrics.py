# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show a report as metrics in the text format of Prometheus, for the textfile collector of its node exporter."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.plan import VERDICTS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import JUDGED, drifts_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.times import audited_at, seconds
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.waivers import DIFFERENCES

_PREFIX = "sovereign_vllm_"
# The backslash comes first, since the others add backslashes.
_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ('"', '\\"'))

Sample = tuple[dict[str, str], float]


def metrics(fleet: Mapping) -> str:
    """Return the metrics."""
    families = (
        ("audit_timestamp_seconds", "Time of the last audit, in seconds since 1970.", _audit),
        ("sites", "Number of sites by verdict.", _sites),
        ("site_verdict", "1 for the verdict on the site, 0 for the other verdicts.", _verdicts),
        ("site_waived", "1 if differences of the site are waived so that it counts as another verdict.", _waived),
        (
            "site_audit_timestamp_seconds",
            "Time of the audit of the site. A result that was carried back is older than the audit.",
            _at,
        ),
        ("site_verdict_since_timestamp_seconds", "Time since which the site has its verdict.", _since),
        ("site_drifted_adapters", "Adapters of a compared site that differ, by kind of drift.", _drifts),
        ("site_finding", "1 for each finding about the server of the site.", _findings),
    )
    lines = []
    for name, meaning, samples in families:
        found = [f"{_PREFIX}{name}{_labels(labels)} {value:.15g}" for labels, value in samples(fleet)]
        if found:
            lines += [f"# HELP {_PREFIX}{name} {meaning}", f"# TYPE {_PREFIX}{name} gauge", *found]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    for character, escape in _ESCAPES:
        value = value.replace(character, escape)
    return value


def _audit(fleet: Mapping) -> Iterator[Sample]:
    yield {}, seconds(fleet["generated_at"])


def _sites(fleet: Mapping) -> Iterator[Sample]:
    for verdict in VERDICTS:
        yield {"verdict": verdict}, fleet["summary"][verdict]


def _verdicts(fleet: Mapping) -> Iterator[Sample]:
    for site in fleet["sites"]:
        for verdict in VERDICTS:
            yield {"site": site["name"], "verdict": verdict}, site["verdict"] == verdict


def _waived(fleet: Mapping) -> Iterator[Sample]:
    for site in fleet["sites"]:
        yield {"site": site["name"]}, site["waived"]


def _at(fleet: Mapping) -> Iterator[Sample]:
    for site in fleet["sites"]:
        yield {"site": site["name"]}, seconds(audited_at(fleet, site))


def _since(fleet: Mapping) -> Iterator[Sample]:
    for site in fleet["sites"]:
        if site["since"]:
            yield {"site": site["name"]}, seconds(site["since"])


def _drifts(fleet: Mapping) -> Iterator[Sample]:
    for site in fleet["sites"]:
        if site["verdict"] not in JUDGED:
            # Nothing is known about its adapters, so 0 would be wrong.
            continue
        counts = collections.Counter(drifts_of(site).values())
        for drift in DIFFERENCES:
            yield {"site": site["name"], "drift": drift}, counts[drift]


def _findings(fleet: Mapping) -> Iterator[Sample]:
    for site in fleet["sites"]:
        # Absent, not 0: without drift_audit_findings nobody has looked.
        kinds = {(str(finding.get("id")), str(finding.get("severity"))) for finding in site["findings"]}
        for finding, severity in sorted(kinds):
            yield {"site": site["name"], "finding": finding, "severity": severity}, 1
