# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent guide shows is right. Molecule's scenario `agent` installs the agent and runs it."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.last_run import sentence, site_runs
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.playing import Outcome

from tests.support.guide import Guide, shell

PROJECT = Path(__file__).parents[2]
NOT_RUN = {
    "pip download": "needs the network",
    "/var/lib/sovereign_vllm/venv/bin/sovereign-vllm-agent status": "needs an installed agent",
    "ansible-playbook -i /var/lib/sovereign_vllm/site": "needs a site to which a bundle was applied",
}


def test_what_is_shown(tmp_path: Path) -> None:
    spec = yaml.safe_load((PROJECT / "roles" / "agent" / "meta" / "argument_specs.yml").read_text())
    options = spec["argument_specs"]["main"]["options"]
    with Guide("agent_guide", NOT_RUN) as guide:
        for name in ("keep.yml", "agent.yml"):
            (play,) = yaml.safe_load(guide.write(name, tmp_path).read_text())
            assert play["vars"].keys() <= options.keys()
            shell(f"ansible-playbook -i localhost, --syntax-check {name}", tmp_path)
        said = guide.take("2026-11-28T12:00:00Z: ").partition(": ")[2].strip()
    row = {"name": "edge1", "verdict": "in_sync"}
    assert sentence(site_runs([Outcome(0, {}, {"edge1": True}, "")], [row]).values(), 20261128120000) == said
