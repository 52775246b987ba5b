# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of the guide to the guard, and the one of the local example, do what the guide says."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.stand_in import StandIn
from tests.support.certificates import write_certificate
from tests.support.guide import Guide, shell
from tests.support.playbook import AS_MODULE

from .guarded import ADMIN, SERVER, USER, Guarded

EXAMPLE = Path(__file__).parents[2] / "examples" / "local" / "guard.yml"


def test_what_is_shown(guarded: Guarded, server: StandIn, tmp_path: Path) -> None:
    pem = str(write_certificate(tmp_path / "node.pem"))
    with Guide("guard_guide") as guide:
        guide.write("guard.yml", tmp_path)
        connection = yaml.safe_load(guide.take("# group_vars/vllm.yml"))
        audit = guide.take("- name: Fail if users")
        models = guide.take("- name: Write the configuration of LiteLLM")
    tasks = yaml.safe_load(audit + models)
    (tmp_path / "then.yml").write_text(json.dumps([{"hosts": "vllm", "gather_facts": False, "tasks": tasks}]))
    hosts = {name: {**AS_MODULE, "vllm_base_url": f"https://{name}:8443"} for name in ("edge01", "edge02")}
    address = {**AS_MODULE, "ansible_host": f"127.0.0.1:{guarded.port}", "vllm_ca_path": pem, **connection}
    address["vllm_base_url"] = connection["vllm_base_url"].removesuffix(":8443")
    inventory = {"all": {"hosts": hosts}, "vllm": {"hosts": {"node": address}}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    given = {
        **guarded.variables,
        "guard_certificate": pem,
        "guard_certificate_key": pem,
        "ansible_become": False,
        "config": str(tmp_path / "config.yml"),
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    then = (tmp_path / "then.yml").read_text().replace("/etc/litellm/config.yml", "{{ config }}")
    (tmp_path / "then.yml").write_text(then)
    keys = {"VLLM_ADMIN_KEY": ADMIN, "VLLM_API_KEY": SERVER, "USER_KEY": USER, "ADMIN_KEY": ADMIN}
    # The local example leaves the address and the keys to variables of the environment.
    command = f"ansible-playbook -i hosts.json -e @given.json guard.yml then.yml {EXAMPLE}"
    shell(command, tmp_path, environment=keys)
    written = yaml.safe_load((tmp_path / "config.yml").read_text())["model_list"]
    shares = {one["model_info"]["id"]: one["litellm_params"]["weight"] for one in written}
    assert shares == {"edge01/sql/sql-4567cdef": 1, "edge01/sql/sql-0123abcd": 9, "edge02/sql/sql-0123abcd": 1}
    assert {one["litellm_params"]["api_key"] for one in written} == {"os.environ/VLLM_USER_KEY"}
