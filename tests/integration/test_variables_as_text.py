# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables as people set them: text of `-e`, of an inventory in INI and of a survey, a caller's loop, an encrypted key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.integration.lifecycle.from_the_artifact import ROLE, SERVE, converge, store
from tests.support.guide import shell
from tests.support.playbook import IN_WORKER, run_playbook

from .conftest import NewSite

pytestmark = pytest.mark.timeout(400)
ROLES = Path(__file__).parents[2] / "roles"
ADAPTERS = [{"name": "2024", "path": "/srv/a", "is_3d_lora_weight": False}]
DIGESTS = [f"sha256:{digit * 64}" for digit in "01"]
# Variable: its text, and what it means.
GIVEN: dict[str, dict[str, tuple[str, Any]]] = {
    "lora": {
        "adapters": ('[{"name":2024,"path":"/srv/a","is_3d_lora_weight":"no"}]', ADAPTERS),
        "source_mirrors": ('{"oci://hub":["oci://mirror"]}', {"oci://hub": ["oci://mirror"]}),
        "source_credentials": ('[{"host":"hub","username":2024}]', [{"host": "hub", "username": "2024"}]),
        "source_auth_file": ("/etc/auth.json", "/etc/auth.json"),
        "source_plain_http": ("hub,mirror", ["hub", "mirror"]),
        "source_ca_path": ("/etc/ca.pem", "/etc/ca.pem"),
        "source_validate_certs": ("no", False),
        "source_use_proxy": ("no", False),
        "trust": ("[]", []),
        "revoked": (",".join(DIGESTS), DIGESTS),
        "store": ("/srv/l", "/srv/l"),
        "server_store": ("/adapters", "/adapters"),
        "store_hosts": ("edge1,edge2", ["edge1", "edge2"]),
        "owner": ("vllm", "vllm"),
        "group": ("vllm", "vllm"),
        "mode": ("u=rwX", "u=rwX"),
        "max_rank": ("16", 16),
        "max_size": ("2G", "2G"),
        "allow_pickle": ("no", False),
        "keep": ("0", 0),
        "prune": ("false", False),
        "prune_exclude": ("tenant-*,x", ["tenant-*", "x"]),
        "prune_limit": ("0", 0),
        "requires": ('{"version":">=0.31"}', {"version": ">=0.31"}),
        "reload_strategy": ("in_place", "in_place"),
        "smoke": ("none", "none"),
        "smoke_prompts": ('["a","b"]', ["a", "b"]),
        "fingerprints": ("seen", "seen"),
        "versioned_names": ("false", False),
        "switch_tasks": ("/srv/switch.yml", "/srv/switch.yml"),
        "grace_period": ("0", 0),
        "drain_timeout": ("0", 0),
        "boot_file": ("/etc/lora.env", "/etc/lora.env"),
        "boot_variable": ("ARGS", "ARGS"),
        "boot_unit": ("vllm.service", "vllm.service"),
        "boot_unit_directory": ("/etc/units", "/etc/units"),
    },
    "drift_report": {
        "sites": ("edge1,edge2", ["edge1", "edge2"]),
        "source": ("inventory", "inventory"),
        "result": ("audit", "audit"),
        "declared": ("adapters", "adapters"),
        "results": ("in,back", ["in", "back"]),
        "result_signers": ("signers", "signers"),
        "formats": ("html,csv", ["html", "csv"]),
        "groups": ("north,south", ["north", "south"]),
        "history": ("seen", "seen"),
        "history_days": ("7", 7),
        "history_lines": ("9", 9),
        "markdown": ("drift.md", "drift.md"),
        "markdown_limit": ("2000", 2000),
        "textfile": ("vllm.prom", "vllm.prom"),
        "notify": ("notify.yml", "notify.yml"),
        "group_failing": ("yes", True),
        "waivers": ("none", "none"),
        "directory": ("out", "out"),
        "title": ("2024", "2024"),
        "fail_on": ("drifted,failed", ["drifted", "failed"]),
    },
}
READ = "".join(
    f"""
- name: {role}
  sovereign.vllm.vllm_role_settings: {{role: {role}, declaration: adapters}}
"""
    for role in GIVEN
)


@pytest.mark.parametrize("way", ["option", "INI", "survey", "nothing in a survey"])
def test_each_variable_of_each_role_as_text(tmp_path: Path, way: str) -> None:
    text = {f"{role}_{name}": written for role, given in GIVEN.items() for name, (written, _meant) in given.items()}
    options, survey = [], {}
    if way == "option":
        options = [part for name, written in text.items() for part in ("-e", f"{name}={written}")]
    elif way == "INI":
        lines = "\n".join(f"{name}={written}" for name, written in text.items())
        (tmp_path / "given.ini").write_text(f"[all:vars]\n{lines}\n")
        options = ["-i", "given.ini"]
    else:
        survey = text if way == "survey" else {**dict.fromkeys(text, ""), "lora_adapters": "[]"}
    run = run_playbook(READ, {"site": IN_WORKER}, tmp_path, options=options, variables=survey)
    for role, given in GIVEN.items():
        spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"][
            "options"
        ]
        assert {f"{role}_{name}" for name in given} == set(spec)
        meant = {name: meant for name, (_written, meant) in given.items()}
        if way == "nothing in a survey":
            # Empty text stays only where any text would do.
            any_text = [name for name in given if spec[f"{role}_{name}"]["type"] in ("str", "path", "raw")]
            meant = {name: "" for name in any_text if "choices" not in spec[f"{role}_{name}"]}
            defaults = {name: spec[f"{role}_{name}"].get("default") for name in given if name not in meant}
            meant.update({name: default for name, default in defaults.items() if default is not None}, adapters=[])
            if role == "drift_report":
                del meant["adapters"]
        assert run[role]["settings"] == meant


def test_the_role_and_the_report_do_what_text_means(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    boot = tmp_path / "lora.env"
    adapters = [{"name": 2024, "src": site.artifact("sql"), "is_3d_lora_weight": "no"}]

    def text(**given: str) -> dict[str, Any]:
        common = {"keep": "0", "prune": "no", "smoke": "effective", "boot_file": str(boot), "grace_period": "0"}
        return {f"lora_{name}": value for name, value in {**common, **given}.items()}

    converge(site, *adapters, **text(versioned_names="false"))
    (path,) = site.server.served().values()
    assert list(site.server.served()) == ["2024"]
    assert f'"--lora-modules 2024={path}"' in boot.read_text()
    # The old name is unloaded at once, since the grace period is none.
    converge(site, *adapters, **text(versioned_names="yes"))
    assert list(site.server.served()) == [f"2024-{Path(path).name[:8]}"]
    assert {
        request.body.get("is_3d_lora_weight", False) for request in site.watched.log if request.method == "POST"
    } <= {False}

    refused = converge(site, {"name": "sql", "base_modell": "tiny"}, rc=2)
    assert refused["Read the variables of the role"].code == "invalid_request"
    assert site.asked == []

    sites = {"vllm": {"hosts": {"edge": {**IN_WORKER, "vllm_base_url": site.watched.url, "lora_adapters": []}}}}
    (tmp_path / "sites.json").write_text(json.dumps(sites))
    site.watched.clear_log()
    printed = shell(
        "ansible-playbook -i sites.json sovereign.vllm.drift_audit -e drift_report_fail_on=drifted,failed "
        "-e drift_audit_findings=no -e lora_prune=yes",
        tmp_path,
        rc=2,
    )
    assert "1 site: 0 in sync, 0 undeclared, 1 drifted" in " ".join(printed.split())
    (audited,) = json.loads((tmp_path / "drift_report" / "drift.json").read_text())["sites"]
    assert audited["findings"] == [], "findings were not asked for"
    for given, sentence in {
        "lora_max_fail_percentage=half": "lora_max_fail_percentage is 'half'; give a number.",
        "lora_serial=few": "lora_serial is few; give the sizes of waves",
    }.items():
        assert sentence in shell(f"! ansible-playbook -i sites.json sovereign.vllm.converge -e {given}", tmp_path)
    shell("ansible-playbook -i sites.json sovereign.vllm.converge -e lora_serial=1,25%", tmp_path)


LOOP = """
- name: Converge two servers of one node
  ansible.builtin.include_role:
    name: sovereign.vllm.lora
  loop: "{{ servers }}"
  vars:
    vllm_base_url: "{{ item.url }}"
    vllm_api_key: "{{ item.key }}"
    lora_store: "{{ item.store }}"
    lora_boot_file: "{{ item.store }}.env"
    lora_keep: 0
    lora_adapters: [{name: "{{ item.name }}", src: "{{ item.src }}"}]
"""


def test_a_callers_loop_keeps_its_servers_apart(new_site: NewSite, tmp_path: Path) -> None:
    sites = {name: new_site(api_key=f"key-of-{name}") for name in ("first", "second")}
    servers = [
        {
            "url": site.watched.url,
            "key": site.server.api_key,
            "store": f"{tmp_path}/{name}",
            "name": name,
            "src": site.artifact(name),
        }
        for name, site in sites.items()
    ]
    for site in sites.values():
        site.watched.clear_log()
    run_playbook(LOOP, {"node": IN_WORKER}, tmp_path / "run", variables={"servers": servers})
    for name, site in sites.items():
        (served,) = site.server.served().items()
        assert served[0] == name and served[1].startswith(f"{tmp_path}/{name}/{name}/")
        assert {(request.method, request.path) for request in site.watched.log} == {
            ("GET", "/v1/models"),
            ("GET", "/version"),
            ("POST", "/v1/load_lora_adapter"),
        }
        assert f"{name}={served[1]}" in Path(f"{tmp_path}/{name}.env").read_text()


def test_a_variable_that_cannot_be_resolved_asks_no_other_server(new_site: NewSite, tmp_path: Path) -> None:
    other = new_site()
    other.watched.clear_log()
    nowhere = "{{ nowhere }}"
    seen = {
        "vllm_reachable": True,
        "vllm_base_models": [{"id": "tiny", "root": None, "max_model_len": 1, "aliases": []}],
    }
    url = {"vllm_base_url": "http://127.0.0.1:9", "vllm_served_adapters": []}
    hosts = {
        "vllm_base_url": {"lora_adapters": [], "vllm_base_url": nowhere},
        "lora_adapters": {"lora_adapters": [{"name": "a", "path": f"/srv/{nowhere}"}], **seen, **url},
    }
    sites = {"vllm": {"hosts": {name: {**IN_WORKER, **host} for name, host in hosts.items()}}}
    (tmp_path / "sites.json").write_text(json.dumps(sites))
    environment = {"VLLM_BASE_URL": other.watched.url}
    for source, names in {"live": list(hosts), "inventory": ["lora_adapters"]}.items():
        command = f"ansible-playbook -i sites.json sovereign.vllm.drift_audit -e drift_audit_source={source}"
        shell(command, tmp_path, rc=2, environment=environment)
        report = json.loads((tmp_path / "drift_report" / "drift.json").read_text())
        found = {site["name"]: site for site in report["sites"]}
        for name in names:
            assert found[name]["verdict"] == "failed"
            assert found[name]["reason"].startswith(f"{name} cannot be resolved (")
            assert "undefined" in found[name]["reason"] and found[name]["reason"].endswith(
                "; define the variables that it uses."
            )
    site = {**IN_WORKER, **hosts["vllm_base_url"]}
    run = run_playbook(ROLE, {"site": site}, tmp_path / "role", rc=2, environment=environment)
    assert "'nowhere' is undefined" in run.output
    assert other.watched.log == []


def test_an_encrypted_key(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site(api_key="sk-encrypted-7731")
    encrypted = VaultLib([("default", VaultSecret(b"hunter2"))]).encrypt("sk-encrypted-7731").decode()
    lines = "\n".join("  " + line for line in encrypted.splitlines())
    (tmp_path / "key.yml").write_text(f"vllm_api_key: !vault |\n{lines}\n")
    (tmp_path / "password").write_text("hunter2")
    given = {
        "vllm_base_url": site.watched.url,
        "lora_store": str(store(site)),
        "lora_adapters": [{"name": "sql", "src": site.artifact("sql")}],
    }
    options = ["-e", "@key.yml", "--vault-password-file", "password", "-vv"]
    run = run_playbook(ROLE, {"site": IN_WORKER}, tmp_path, options=options, variables=given)
    assert run[SERVE].changed and list(site.server.served()) == ["sql"]
    assert "sk-encrypted-7731" not in run.output
