# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of the weights guide find what the guide says, in one playbook."""

from __future__ import annotations

import json

from tests.integration.conftest import NewSite
from tests.support.guide import Guide


def test_what_is_shown(new_site: NewSite) -> None:
    with Guide("weights_guide") as guide:
        effect = guide.take("- name: Require that each adapter")
        record = guide.take("- name: Take the fingerprints")
        compare = guide.take("- name: Compare the fingerprints")
    site = new_site()
    for name, example in {"sql": "first", "tickets": "second"}.items():
        site.server.load(name, site.artifact(name, example))
    file = site.artifacts / "fingerprints.json"
    variables = {"vllm_base_url": site.watched.url, "fingerprints_file": str(file)}
    good = site.run(effect + record + compare, variables=variables)
    assert good["Require that each adapter changes its base model"]["effective"] == ["sql", "tickets"]
    assert set(json.loads(file.read_text())) == {"sql", "tickets"}
    assert good["Compare the fingerprints"]["answered"] == ["sql", "tickets"]
    for name, example in {"sql": "zero", "tickets": "second"}.items():
        site.server.unload(name)
        site.server.load(name, site.artifact(name, example))
    ignoring = effect.rstrip() + "\n  ignore_errors: true\n"
    bad = site.run(ignoring + compare, variables=variables, rc=2)
    assert bad["Require that each adapter changes its base model"].code == "adapter_without_effect"
    assert bad["Compare the fingerprints"].code == "other_weights"
    assert "1 of 2 models failed" in bad["Compare the fingerprints"].msg
