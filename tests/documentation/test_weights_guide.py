# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of the weights guide find what the guide says, in one playbook."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.integration.conftest import NewSite
from tests.integration.lifecycle.from_the_artifact import ROLE
from tests.support.guide import Guide, shell


def test_what_is_shown(new_site: NewSite, tmp_path: Path) -> None:
    with Guide("weights_guide") as guide:
        effect = guide.take("- name: Require that each adapter")
        record = guide.take("- name: Take the fingerprints")
        compare = guide.take("- name: Compare the fingerprints")
        of_group = yaml.safe_load(guide.take("# group_vars"))
        audit = guide.take("ansible-playbook -i sites.vllm.yml sovereign.vllm.drift_audit")
    site = new_site()
    for name, example in {"sql": "first", "tickets": "second"}.items():
        site.server.load(name, site.artifact(name, example))
    file = site.artifacts / "fingerprints.json"
    variables = {"vllm_base_url": site.watched.url, "fingerprints_file": str(file)}
    adapters = [{"name": name, "path": path} for name, path in site.server.served().items()]
    good = site.run(effect + record + compare + ROLE, variables={**variables, **of_group, "lora_adapters": adapters})
    assert good["Require that each adapter changes its base model"]["effective"] == ["sql", "tickets"]
    taken = json.loads(file.read_text())
    assert set(taken) == {"sql", "tickets"}
    (recorded,) = tmp_path.rglob("fingerprints/site.json")
    assert json.loads(recorded.read_text()) == taken
    assert good["Compare the fingerprints"]["answered"] == ["sql", "tickets"]
    for name, example in {"sql": "zero", "tickets": "second"}.items():
        site.server.unload(name)
        site.server.load(name, site.artifact(name, example))
    ignoring = effect.rstrip() + "\n  ignore_errors: true\n"
    bad = site.run(ignoring + compare, variables=variables, rc=2)
    assert bad["Require that each adapter changes its base model"].code == "adapter_without_effect"
    assert bad["Compare the fingerprints"].code == "other_weights"
    assert "1 of 2 models failed" in bad["Compare the fingerprints"].msg
    sites = {"plugin": "sovereign.vllm.vllm", "endpoints": [{"name": "site", "base_url": site.watched.url}]}
    (tmp_path / "sites.vllm.yml").write_text(json.dumps(sites))
    (tmp_path / "group_vars").mkdir()
    declared = {"lora_adapters": adapters, "lora_fingerprints": str(recorded.parent)}
    (tmp_path / "group_vars" / "vllm.yml").write_text(json.dumps(declared))
    shell(audit, tmp_path)
    (audited,) = json.loads((tmp_path / "drift_report" / "drift.json").read_text())["sites"]
    drifts = {adapter["name"]: adapter["drift"] for adapter in audited["adapters"]}
    assert (audited["verdict"], drifts) == ("drifted", {"sql": "weights", "tickets": "none"})
