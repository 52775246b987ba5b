# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each server is asked with the variables of its host, and its key goes nowhere else. The logs of the servers tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible.parsing.vault import VaultLib, VaultSecret

from tests.stand_in import Fault, StandIn
from tests.support.certificates import context_of, write_certificate
from tests.support.inventory import Inventory

from .cache_file import CACHE
from .conftest import NewInventory, NewServer
from .in_process import parse

FLEET_KEY = "sk-5e5a3e-fleet"
PASSWORD = "for the tests"


def encrypted(text: str) -> str:
    return VaultLib([("default", VaultSecret(PASSWORD.encode()))]).encrypt(text.encode()).decode()


def inline(text: str) -> str:
    lines = "\n".join(f"  {line}" for line in encrypted(text).splitlines())
    return f"vllm_api_key: !vault |\n{lines}\n"


def write_files(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")


def with_vault(inventory: Inventory) -> dict[str, str]:
    """Return the environment of a run that can decrypt."""
    write_files(inventory.directory, {"password": PASSWORD})
    return {"ANSIBLE_VAULT_PASSWORD_FILE": str(inventory.directory / "password")}


def keys_sent_to(server: StandIn) -> set[str | None]:
    return {request.headers.get("authorization") for request in server.log}


#: Host: the file of its variables, and the key that its server gets; an error if it gets no request at all.
KEYS: dict[str, tuple[str | None, str | Exception | None]] = {
    "file": (encrypted("vllm_api_key: sk-file\n"), "sk-file"),
    "inline": (inline("sk-inline"), "sk-inline"),
    "lookup": ("vllm_api_key: \"{{ lookup('ansible.builtin.env', 'ELSEWHERE') }}\"\n", "sk-elsewhere"),
    "named": ("vllm_api_key_env: NAMED\n", "sk-named"),
    "echo": (inline("sk-echo"), "sk-echo"),
    "open": ("vllm_api_key: ''\n", None),
    "unset": ("vllm_api_key: null\n", FLEET_KEY),
    "fleet": (None, FLEET_KEY),
    # By the variables of its group.
    "grouped": (None, "sk-grouped"),
    "undefined": ('vllm_api_key: "{{ nowhere }}"\n', LookupError("vllm_api_key cannot be resolved")),
    "missing": ("vllm_api_key_env: MISSING\n", LookupError("'MISSING', which is not set")),
    "both": ("vllm_api_key: a\nvllm_api_key_env: NAMED\n", LookupError("are both set")),
    "blank": ("vllm_api_key: sk blank\n", LookupError("Option api_key has characters")),
    "flag": ("vllm_validate_certs: perhaps\n", LookupError("vllm_validate_certs is 'perhaps'")),
}


def test_each_server_gets_the_key_of_its_host(
    new_server: NewServer, new_inventory: NewInventory, tmp_path: Path
) -> None:
    servers = {host: new_server() for host in KEYS}
    servers["echo"].faults.add(Fault("GET", "/v1/models", "answer", status=401, json={"error": "bad key sk-echo"}))
    (tmp_path / "hosts.ini").write_text("[shops]\ngrouped\n")
    write_files(tmp_path, {"group_vars/shops.yml": 'vllm_api_key: "sk-{{ inventory_hostname }}"\n'})
    endpoints = [{"name": host, "base_url": server.url} for host, server in servers.items()]
    inventory = new_inventory(tmp_path / "hosts.ini", endpoints=endpoints, api_key=FLEET_KEY, **CACHE)
    files = {f"host_vars/{host}.yml": text for host, (text, _key) in KEYS.items() if text}
    write_files(inventory.directory, files)
    environment = {"ELSEWHERE": "sk-elsewhere", "NAMED": "sk-named", **with_vault(inventory)}
    listing = inventory.list(environment=environment)
    for host, (_file, expected) in KEYS.items():
        sent = keys_sent_to(servers[host])
        if isinstance(expected, Exception):
            assert sent == set(), host
            assert listing[host]["vllm_error"]["code"] == "invalid_request", host
            assert str(expected) in listing[host]["vllm_error"]["msg"], host
            assert str(expected) in listing.messages, host
        else:
            assert sent == {expected and f"Bearer {expected}"}, host
            assert listing[host]["vllm_reachable"] is (host != "echo"), listing[host]
    assert listing["echo"]["vllm_error"]["code"] == "unauthorized"
    assert "********" in listing["echo"]["vllm_error"]["msg"]
    # Ansible itself prints what the files hold. The plugin adds nothing.
    files_of_users = ("vllm_api_key", "vllm_api_key_env")
    seen = [
        {name: value for name, value in one.items() if name not in files_of_users} for one in listing.hosts.values()
    ]
    kept = [file.read_text() for file in (inventory.directory / "seen").iterdir()]
    assert kept
    assert not re.findall("sk-[a-z]+", " ".join([json.dumps(seen), listing.messages, *kept]))
    assert FLEET_KEY not in " ".join([listing.text, listing.messages, *kept])
    assert not {"sk-elsewhere", "sk-named"} & set(re.findall("sk-[a-z]+", listing.text))


def test_address_and_certificates_are_those_of_the_host(
    new_server: NewServer, new_inventory: NewInventory, tmp_path: Path
) -> None:
    certificate = write_certificate(tmp_path / "server.pem")
    secure = new_server(ssl_context=context_of(certificate))
    old, new, plain = new_server(), new_server(), new_server(api_key="sk-plain")
    (tmp_path / "hosts.ini").write_text(
        f"lonely\n[own]\ntrusting vllm_base_url={secure.url} vllm_api_key=sk-trusting\n"
        f"careless vllm_base_url={secure.url}/v1/\n"
        f"strict vllm_base_url={secure.url}\nelsewhere vllm_ask_from=host\n"
    )
    write_files(
        tmp_path,
        {
            "host_vars/trusting.yml": f"vllm_ca_path: {certificate}\n",
            "host_vars/careless.yml": "vllm_validate_certs: 'no'\n",
            "group_vars/own.yml": f"vllm_base_url: {plain.url}\n",
            "host_vars/elsewhere.yml": "vllm_api_key: sk-plain\nvllm_timeout: nonsense\n",
        },
    )
    endpoints: list[dict[str, Any]] = [
        {"name": "moved", "base_url": old.url},
        {"name": "direct", "base_url": plain.url, "vars": {"vllm_api_key": "sk-entry", "vllm_ask_from": "host"}},
    ]
    options = {"from_hosts": {"pattern": "all:!vllm"}, "endpoints": endpoints}
    inventory = new_inventory(tmp_path / "hosts.ini", **options)
    write_files(
        inventory.directory,
        {
            "group_vars/all.yml": "vllm_use_proxy: false\nvllm_api_key: sk-all\n",
            "host_vars/moved/address.yml": f'new: {new.url}\nvllm_base_url: "{{{{ new }}}}/v1"\n',
            "host_vars/direct.yml": "vllm_api_key: sk-plain\n",
        },
    )
    listing = inventory.list(environment={"http_proxy": "http://127.0.0.1:9", "no_proxy": ""})
    assert listing.members("vllm_unreachable") == ["lonely", "strict"]
    assert "vllm_base_url is not set" in listing["lonely"]["vllm_error"]["msg"]
    assert listing["lonely"]["vllm_base_url"] is None
    assert listing["strict"]["vllm_error"]["code"] == "tls"
    assert old.log == []
    assert keys_sent_to(new) == {"Bearer sk-all"}
    assert keys_sent_to(secure) == {"Bearer sk-trusting", "Bearer sk-all"}
    # What a file beside the inventory sets wins over the entry, as in plays.
    assert keys_sent_to(plain) == {"Bearer sk-plain"}
    asked_from_hosts = [name for name, variables in listing.hosts.items() if variables["vllm_ask_from"] == "host"]
    assert sorted(asked_from_hosts) == ["direct", "elsewhere"]
    # The template of the file makes the address of hosts that no file in host_vars has.
    options["from_hosts"] = {"pattern": "strict,moved", "base_url": f"{{{{ '{plain.url}' }}}}"}
    inventory.write({**options, "endpoints": [], "ask_from": "host", "timeout": 5})
    write_files(inventory.directory, {"hosts.ini": "moved\n"})
    inventory.sources.append(inventory.directory / "hosts.ini")
    new.clear_log()
    listing = inventory.list()
    assert listing["strict"]["vllm_base_url"] == plain.url
    assert listing["strict"]["vllm_ask_from"] == listing["moved"]["vllm_ask_from"] == "host"
    assert keys_sent_to(new) == {"Bearer sk-all"}


def test_variables_of_the_command_line_win(new_server: NewServer, new_inventory: NewInventory) -> None:
    server = new_server()
    inventory = new_inventory(
        endpoints=[{"name": "edge", "base_url": server.url, "vars": {"vllm_api_key": "sk-entry"}}]
    )
    assert inventory.run("--list", "-e", "vllm_api_key=sk-extra").returncode == 0
    assert keys_sent_to(server) == {"Bearer sk-extra"}


def test_patience_is_that_of_the_inventory(new_server: NewServer, new_inventory: NewInventory) -> None:
    server = new_server()
    server.faults.add(Fault("GET", "/v1/models", "silence"))
    inventory = new_inventory(endpoints=[{"name": "edge", "base_url": server.url}], timeout=1)
    write_files(inventory.directory, {"group_vars/vllm.yml": "vllm_timeout: 60\nvllm_retries: 3\n"})
    error = inventory.list()["edge"]["vllm_error"]
    assert (error["code"], "no full answer within 1 seconds" in error["msg"]) == ("timeout", True)
    assert len(server.log) == 1


def test_names_of_keys_take_ranges(tmp_path: Path) -> None:
    hosts = parse(
        tmp_path,
        endpoints=[
            {"base_url": "http://127.0.0.[1:3]:9", "api_key_env": "KEY_[001:003]"},
            {"name": "gpu[1:2]-[a:b]", "base_url": "http://127.0.1.[1:2]:800[0:1]", "api_key_env": "KEY_[a:b]"},
        ],
        timeout=1,
    )
    assert {name: variables["vllm_api_key_env"] for name, variables in hosts.items()} == {
        "127.0.0.1": "KEY_001",
        "127.0.0.2": "KEY_002",
        "127.0.0.3": "KEY_003",
        "gpu1-a": "KEY_a",
        "gpu1-b": "KEY_b",
        "gpu2-a": "KEY_a",
        "gpu2-b": "KEY_b",
    }
