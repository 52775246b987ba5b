# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle takes from headquarters, and what it refuses to take."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible.parsing.dataloader import DataLoader
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration import artifacts, known_digests
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.bundles import write_bundles
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.bundling import next_serial, writable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.declared import bundled_host

from tests.support.killing import is_killed_at
from tests.support.sealed import NODE, SERIAL, tarball

PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\nabc"


@pytest.fixture(autouse=True)
def _directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(artifacts, "_RUN_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(known_digests, "HOME", str(tmp_path / "home"))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    from tests.stand_in import write_adapter

    return write_adapter(tmp_path / "adapter")


def host(name: str = "one", **variables: object) -> dict:
    given = {
        "inventory_hostname": name,
        "bundle_node": NODE,
        "vllm_base_url": "http://127.0.0.1:8000",
        "lora_adapters": [],
        **variables,
    }
    known = {key: value for key, value in given.items() if value is not None}
    return bundled_host(known, rendered, lambda src: src, DataLoader())


def rendered(value: object) -> object:
    if "{{ nope }}" in str(value):
        raise ValueError("'nope' is undefined")
    return value


def write(tmp_path: Path, keys: SimpleNamespace, hosts: list[dict], **given: object) -> dict:
    options = {"directory": str(tmp_path / "disk"), "signing_key": str(keys.headquarters), "hosts": hosts}
    defaults = {"missing": [], "full": False, "collection": None, "wheels": None, "results": [], "result_signers": None}
    check_mode = bool(given.pop("check_mode", False))
    return write_bundles({**defaults, **options, **given}, given.pop("hostvars", {}), DataLoader(), check_mode)


def test_a_host_for_its_own_node() -> None:
    found = host(
        vllm_ask_from="controller",
        vllm_api_key_env="KEY",
        vllm_retries="3",
        ansible_password="secret",
        lora_prune="yes",
        lora_adapters=[
            {"name": "a", "digest": "sha256:" + "a" * 64},
            {"name": "b", "path": "/srv/b"},
            {"name": "c", "src": "/media/c", "remote_src": True, "checksum": "sha256:" + "c" * 64},
            {"name": "d", "state": "absent"},
            {
                "name": "e",
                "src": "https://store.example/e.tar.gz",
                "remote_src": True,
                "checksum": "sha256:" + "e" * 64,
            },
        ],
        bundle_variables={"vllm_base_url": "http://localhost:9000", "lora_store": "/var/lora"},
        lora_fingerprints="fingerprints",
    )
    assert (found["name"], found["node"]) == ("one", NODE)
    variables = found["variables"]
    assert {name: variables[name] for name in variables if name != "lora_adapters"} == {
        "lora_prune": True,
        "lora_store": "/var/lora",
        "vllm_api_key_env": "KEY",
        "vllm_base_url": "http://localhost:9000",
        "vllm_retries": 3,
    }
    assert [sorted(one) for one in variables["lora_adapters"]] == [
        ["digest", "name"],
        ["name", "path"],
        ["checksum", "name", "remote_src", "src"],
        ["name", "state"],
        ["name"],
    ]
    assert [one["name"] for one in found["artifacts"]] == ["a", "e"]
    assert host(bundle_node=None, ansible_host="10.0.0.5")["node"] == "10.0.0.5"
    assert host(bundle_node=None)["node"] == "one"
    assert host(vllm_api_key="")["variables"]["vllm_api_key"] == ""


REFUSED = {
    "key": ({"vllm_api_key": "sk-1"}, "vllm_api_key of one is a key"),
    "no_address": ({"vllm_base_url": None}, "no vllm_base_url"),
    "password": ({"vllm_base_url": "http://me:pass@node"}, "user or password"),
    "file": (
        {"vllm_ask_from": "controller", "vllm_client_key": "/hq/key", "vllm_client_cert": "/c"},
        "of headquarters",
    ),
    "tasks": ({"lora_switch_tasks": "/hq/switch.yml"}, "lora_switch_tasks"),
    "node": ({"bundle_node": "../edge"}, "cannot be the name of a node"),
    "address_as_node": ({"bundle_node": None, "ansible_host": "fe80::1"}, "ansible_host of one"),
    "private_key": ({"lora_requires": {"base_models": [{"id": PRIVATE}]}}, "private key"),
    "template": ({"lora_adapters": [{"name": "{{ x }}", "path": "/a"}]}, "template"),
    "foreign_variable": ({"bundle_variables": {"ansible_host": "x"}}, "only variables vllm_"),
    "undefined_node": ({"bundle_node": "{{ nope }}"}, "bundle_node cannot be resolved"),
    "undefined_variables": ({"bundle_variables": "{{ nope }}"}, "bundle_variables cannot be resolved"),
    "odd_name": ({"inventory_hostname": "a b", "bundle_node": None, "ansible_host": "a b"}, "the name of the host a b"),
    "relative_store": ({"lora_store": "srv/lora"}, "lora_store is 'srv/lora', which is not absolute"),
    "store_of_a_user": ({"lora_store": "~/lora"}, "lora_store is '~/lora'"),
    "empty_store": ({"lora_store": "", "lora_adapters": [{"name": "a", "src": "/a"}]}, "lora_store is ''"),
    "relative_boot_file": ({"lora_boot_file": "boot.env"}, "lora_boot_file is 'boot.env'"),
    "no_digest": ({"lora_revoked": ["x"]}, "lora_revoked is 'x'"),
    "negative_limit": ({"lora_prune_limit": "-1"}, "lora_prune_limit is -1; give 0 or more"),
    "empty_source": ({"lora_adapters": [{"name": "a", "src": ""}]}, "src of adapter 'a' is empty"),
    "variables_as_text": ({"bundle_variables": "x"}, "bundle_variables"),
}


def test_the_node_of_a_host() -> None:
    assert host("edge2", bundle_node="edge2", ansible_host="edge2.example")["node"] == "edge2"
    assert host("edge2", bundle_node="", ansible_host="edge2.example")["node"] == "edge2.example"
    assert host("edge2", bundle_node=None, ansible_host="edge2")["node"] == "edge2"


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_bundle_does_not_take(case: str) -> None:
    variables, says = REFUSED[case]
    with pytest.raises(VllmError, match=says) as error:
        host(**variables)
    assert error.value.code == "invalid_request"
    assert "sk-1" not in error.value.message and "pass@" not in error.value.message


def test_nodes_that_cannot_get_a_bundle_do_not_keep_others_from_theirs(
    tmp_path: Path, keys: SimpleNamespace, adapter: Path
) -> None:
    good = host("good", bundle_node="good", lora_adapters=[{"name": "sql", "src": str(adapter)}])
    twin = host("twin", bundle_node="good", lora_adapters=[{"name": "other", "src": str(adapter)}])
    hosts = [
        good,
        twin,
        host("lost", bundle_node="lost", lora_adapters=[{"name": "a", "digest": "sha256:" + "a" * 64}]),
        host("bad", bundle_node="bad", lora_adapters=[{"name": "a", "src": str(tmp_path / "nothing")}]),
        host("half", bundle_node="half"),
        host("shared", bundle_node="shared", lora_store_hosts=["good"]),
    ]
    missing = {
        "other_half": {"bundle_node": "half", "lora_adapters": []},
        "odd": {"bundle_node": "a b", "lora_adapters": []},
    }
    told = write(tmp_path, keys, hosts, missing=list(missing), hostvars=missing)
    assert told["failed"] and [one["node"] for one in told["bundles"]] == ["good"]
    for node, says in (
        ("lost", "declared by digest alone"),
        ("bad", "Could not stage adapter 'a'"),
        ("half", "other_half"),
        ("shared", "lora_store_hosts of shared"),
    ):
        assert f"Could not write the bundle of '{node}': " in told["msg"] and says in told["msg"]
    assert told["msg"].endswith(" 1 of 5 bundles were written.")
    (bundle,) = (tmp_path / "disk").glob("bundle-*")
    # Both adapters have the same artifact.
    (artifact,) = (bundle / "artifacts").iterdir()
    assert directory_digest(str(artifact)) == f"sha256:{artifact.name}"
    assert sorted(json.loads((bundle / "manifest.json").read_text())["hosts"]) == ["good", "twin"]
    assert not list((tmp_path / "disk").glob(".unfinished*"))


def test_options_that_cannot_be_used(tmp_path: Path, keys: SimpleNamespace) -> None:
    for given in (
        {"directory": None},
        {"signing_key": None},
        {"collection": "/nowhere.tar.gz"},
        {"collection": str(keys.headquarters)},
        {"wheels": str(tmp_path)},
        {"signing_key": str(tmp_path / "no_key")},
        {"signing_key": str(tmp_path / "no_key"), "check_mode": True},
        {"results": ["/nowhere"], "result_signers": "x"},
        {},
    ):
        with pytest.raises(VllmError) as error:
            write(tmp_path, keys, [host()] if given else [], **given)
        assert error.value.code == "invalid_request"
    assert not (tmp_path / "disk").exists()


def test_carried_tools_can_be_links(tmp_path: Path, keys: SimpleNamespace) -> None:
    real, tools = tmp_path / "real", tmp_path / "tools"
    for folder in (real, tools):
        folder.mkdir()
    (real / "a.whl").write_text("a wheel")
    (tools / "a-1-py3-none-any.whl").symlink_to("../real/a.whl")
    (tools / "latest.tar.gz").symlink_to(tarball(real / "own.tar.gz", "vllm"))
    told = write(tmp_path, keys, [host()], collection=str(tools / "latest.tar.gz"), wheels=str(tools))
    bundle = Path(told["bundles"][0]["path"])
    assert (bundle / "wheels" / "a-1-py3-none-any.whl").read_text() == "a wheel"
    assert (bundle / "collections" / "latest.tar.gz").read_bytes() == (real / "own.tar.gz").read_bytes()
    assert not [file for file in bundle.rglob("*") if file.is_symlink()]


def test_serials_only_grow(tmp_path: Path) -> None:
    now = int(time.strftime("%Y%m%d%H%M%S", time.gmtime()))
    with writable(tmp_path):
        assert next_serial(NODE, tmp_path, []) >= now
        assert next_serial(NODE, tmp_path, [10**15]) == 10**15 + 1
        (tmp_path / f"bundle-{NODE}-{10**16}").mkdir()
        (tmp_path / f"bundle-other-{10**17}").mkdir()
        (tmp_path / f"result-{NODE}-{SERIAL}").mkdir()
        assert next_serial(NODE, tmp_path, [5]) == 10**16 + 1


def test_a_run_that_is_killed_leaves_no_bundle(tmp_path: Path, keys: SimpleNamespace, adapter: Path) -> None:
    hosts = [host(lora_adapters=[{"name": "sql", "src": str(adapter)}])]
    disk = tmp_path / "disk"
    kills = 0
    while is_killed_at(kills + 1, lambda: write(tmp_path, keys, hosts), disk):
        kills += 1
        assert not list(disk.glob("bundle-*"))
    assert kills > 4
    (bundle,) = disk.glob("bundle-*")
    assert (bundle / "manifest.json.sig").exists()
    assert [entry.name for entry in disk.iterdir() if entry.name != ".lock"] == [bundle.name]


def test_bytes_are_read_twice_at_most(tmp_path: Path, keys: SimpleNamespace, adapter: Path) -> None:
    """Once to check the artifact, and once to copy and hash it."""
    weights = str(adapter / "adapter_model.safetensors")
    child = os.fork()
    if child == 0:
        reads = []
        sys.addaudithook(
            lambda event, arguments: reads.append(1) if event == "open" and _is(arguments[0], weights) else None
        )
        write(tmp_path, keys, [host(lora_adapters=[{"name": "sql", "src": str(adapter)}])])
        os._exit(len(reads))
    _pid, status = os.waitpid(child, 0)
    assert 1 < os.waitstatus_to_exitcode(status) <= 4  # twice as a whole, and its header


def _is(path: object, other: str) -> bool:
    return isinstance(path, (str, bytes)) and os.fsdecode(path) == other
