#!/usr/bin/python
# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vllm_drift_report
short_description: Write the report of the role drift_report
version_added: 1.0.0
description:
  - The role P(sovereign.vllm.drift_report#role) writes its files with this module. Other playbooks should use the role, since this
    module can change with any release.
  - The module has no options. It reads the variables of the role, and the variables of the hosts in the report.
  - The module runs on the controller and contacts no host. It also writes the files and the history of the audits in check mode, since
    audit jobs run in check mode.
extends_documentation_fragment:
  - sovereign.vllm._attributes.controller
  - sovereign.vllm._attributes
attributes:
  check_mode:
    support: none
    details: The files are always written.
  diff_mode:
    support: none
seealso:
  - plugin: sovereign.vllm.drift_report
    plugin_type: filter
author:
  - sovereign.vllm contributors (@sovereign-vllm)
"""

EXAMPLES = r"""
- name: Write the report
  sovereign.vllm.vllm_drift_report: {}
  register: drift_report_written
"""

RETURN = r"""
lines:
  description: The report as lines of text, as P(sovereign.vllm.drift_lines#filter) returns them.
  returned: success
  type: list
  elements: str
markdown:
  description: The summary in Markdown, of at most C(drift_report_markdown_limit) characters.
  returned: success
  type: str
headline:
  description: The number of sites that need attention, as a sentence without a full stop.
  returned: success
  type: str
  sample: 4 of 30 sites need attention
attention:
  description: Number of sites that are not in sync. A site that is in sync only because of waivers does not count.
  returned: success
  type: int
  sample: 4
changes:
  description: Number of sites that have changed since the last run. Without C(drift_report_history), it is 0.
  returned: success
  type: int
  sample: 1
page:
  description: File of the report on the controller. It is the page, or another file if C(drift_report_formats) has no V(html).
  returned: success
  type: str
  sample: /srv/fleet/drift_report/drift.html
notify:
  description: File of C(drift_report_notify), or an empty string if hosts of the play are still to be audited.
  returned: success
  type: str
  sample: ""
failing:
  description: With C(drift_report_group_failing), each site that fails the audit, with the reason.
  returned: success
  type: dict
  sample: {edge2: "edge2: drifted: sql is not served, and is declared at /srv/lora/sql/5f70bf18a086. See drift_report/drift.html."}
failure:
  description: Reason why the role fails the audit, or an empty string.
  returned: success
  type: str
  sample: ""
msg:
  description: "The error: the problem and the advice."
  returned: on failure
  type: str
error:
  description: The error for playbooks, with the keys of RV(sovereign.vllm.vllm_lora_adapters#module:error).
  returned: on failure
  type: dict
"""
