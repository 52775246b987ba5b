# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook sovereign.vllm.adopt writes what sites serve into the inventory, and the filter lora_declared_from does it in
memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import StandIn
from tests.support.guide import shell

KEY = "sk-adopt-4410"
IN_HOST_VARS = "host_vars/{}/lora_adapters.yml"


class Running:
    """A directory for an inventory, and two servers that run already: one serves adapters, some with names to beware of."""

    def __init__(self, directory: Path, examples: Path, jinja: str) -> None:
        self.directory = directory
        self.path = str(examples / "first")
        self.names = ("sql", jinja, "yes", "é: \"'\\")
        self.full = StandIn(api_key=KEY, static=dict.fromkeys(self.names, self.path))
        self.empty = StandIn(api_key=KEY)

    def write(self, name: str, content: Mapping[str, Any]) -> Path:
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")
        return file

    def endpoints(self) -> None:
        urls = {"full": self.full.url, "empty": self.empty.url, "dead": "http://127.0.0.1:9"}
        endpoints = [{"name": name, "base_url": url} for name, url in urls.items()]
        self.write("inventory/sites.vllm.yml", {"plugin": "sovereign.vllm.vllm", "endpoints": endpoints, "timeout": 5})

    def run(self, command: str, rc: int = 0) -> str:
        for server in (self.full, self.empty):
            server.clear_log()
        environment = {"VLLM_API_KEY": KEY, "ANSIBLE_STRATEGY": "free"}
        output = shell(f"ansible-playbook {command}", self.directory, rc, environment)
        assert KEY not in output
        return " ".join(output.split())

    def read(self, name: str) -> Any:
        """What Ansible reads of a host."""
        listed = shell(f"ansible-inventory -i inventory/plain.json --host {name}", self.directory)
        return json.loads(listed)["lora_adapters"]


@pytest.fixture
def running(tmp_path: Path, examples: Path, jinja: str) -> Iterator[Running]:
    running = Running(tmp_path, examples, jinja)
    with running.full, running.empty:
        yield running


def test_adopted_sites_are_in_sync_and_converge_writes_nothing(running: Running, ran: Path) -> None:
    # The stand-in is on this machine.
    running.write("inventory/group_vars/vllm.yml", {"ansible_connection": "local", "lora_prune": True})
    running.endpoints()
    files = {name: running.directory / "inventory" / IN_HOST_VARS.format(name) for name in ("full", "empty", "dead")}
    output = running.run("-i inventory sovereign.vllm.adopt --check --diff", rc=4)
    assert "+lora_adapters: + - name: sql" in output and "which would be written" in output
    assert not (running.directory / "inventory" / "host_vars").exists()

    output = running.run("-i inventory sovereign.vllm.adopt", rc=4)
    assert f"full: 4 adapters in {files['full']}, which was written." in output
    assert f"empty: 0 adapters in {files['empty']}, which was written." in output
    assert "Nothing was written for dead. The reasons are above." in output
    assert "does not tell whether the weights of an adapter are in the 3D layout" in output
    assert "dead : ok=0 changed=0 unreachable=1" in output
    text = files["full"].read_text(encoding="utf-8")
    assert f"full at {running.full.url} served at 20" in text and "# The server does not tell whether" in text
    assert (files["full"].stat().st_mode & 0o777, files["dead"].exists()) == (0o644, False)
    assert {request.method for server in (running.full, running.empty) for request in server.log} == {"GET"}

    output = running.run("-i inventory sovereign.vllm.adopt", rc=4)
    assert f"full: kept its declaration in {files['full']}" in output
    assert files["full"].read_text(encoding="utf-8") == text

    running.run("-i inventory sovereign.vllm.drift_audit -e drift_report_directory=report")
    report = json.loads((running.directory / "report" / "drift.json").read_text())
    verdicts = {site["name"]: site["verdict"] for site in report["sites"]}
    assert verdicts == {"full": "in_sync", "empty": "in_sync", "dead": verdicts["dead"]}
    running.run("-i inventory sovereign.vllm.converge --limit full,empty -e lora_smoke=none")
    for server in (running.full, running.empty):
        assert server.log and not server.writes
    assert not ran.exists()


def test_nothing_is_lost_that_somebody_wrote(running: Running) -> None:
    """Each host is one reason to write nothing, but for the last."""
    mine = [{"name": "mine", "path": "/srv/mine"}]
    server = {"vllm_base_url": running.full.url, "ansible_connection": "local"}
    names = ("declared", "in_file", "taken", "twice", "a/b", "new")
    hosts = {name: dict(server) for name in names}
    hosts["declared"]["lora_adapters"] = mine
    running.write("inventory/plain.json", {"all": {"hosts": hosts}})
    running.write("inventory/" + IN_HOST_VARS.format("in_file"), {"lora_adapters": mine})
    running.write("inventory/host_vars/taken.yml", {"site": "north"})
    running.write("inventory/host_vars/twice/main.yml", {"lora_adapters": mine})

    output = running.run("-i inventory/plain.json sovereign.vllm.adopt", rc=2)
    for told in (
        "declared: kept its declaration elsewhere",
        "in_file: kept its declaration in ",
        "twice: kept its declaration elsewhere",
        "host_vars/taken.yml' exists, and Ansible reads either that file or the directory",
        "the name 'a/b' cannot be the name of a directory",
        "new: 4 adapters in ",
        "Nothing was written for a/b, taken.",
    ):
        assert told in output
    assert [running.read(name) for name in ("declared", "in_file", "twice")] == [mine] * 3

    output = running.run("-i inventory/plain.json sovereign.vllm.adopt -e adopt_overwrite=yes", rc=2)
    assert "host_vars/twice/main.yml' declares lora_adapters as well, so nothing was written" in output
    assert "new: 4 adapters in " in output and "which is declared already" in output
    adopted = [{"name": name, "path": running.path, "base_model": "tiny"} for name in running.names]
    for name in ("declared", "in_file", "new"):
        assert [one | {"name": _plain(one["name"])} for one in running.read(name)] == adopted
    assert running.read("twice") == mine
    written = {str(file.relative_to(running.directory)) for file in running.directory.rglob("lora_adapters.yml")}
    assert written == {f"inventory/{IN_HOST_VARS.format(name)}" for name in ("declared", "in_file", "new")}


def test_an_inventory_without_a_place_needs_one(running: Running) -> None:
    given = f"-i edge1, -e ansible_connection=local -e vllm_base_url={running.full.url} sovereign.vllm.adopt"
    output = running.run(given, rc=2)
    assert (
        "no source of the inventory ('edge1,') is a file or a directory" in output and "give adopt_directory" in output
    )
    running.run(f"{given} -e adopt_directory=fleet")
    assert (running.directory / "fleet" / IN_HOST_VARS.format("edge1")).exists()


def test_the_filter_declares_what_was_seen_and_nothing_else(running: Running, ran: Path) -> None:
    running.endpoints()
    declared = "sovereign.vllm.lora_declared_from"
    tasks = [
        {"sovereign.vllm.vllm_base_model_info": {"base_url": running.full.url}, "register": "info"},
        {"copy": {"dest": "{{ playbook_dir }}/info.json", "content": f"{{{{ info | {declared} | to_json }}}}"}},
        {
            "copy": {
                "dest": "{{ playbook_dir }}/host.json",
                "content": f"{{{{ hostvars['full'] | {declared} | to_json }}}}",
            }
        },
        *(
            {"debug": {"msg": f"{{{{ {given} | {declared} }}}}"}, "ignore_errors": True}
            for given in ("hostvars['dead']", "hostvars['localhost']", "dict(failed=true, msg='Refused.')")
        ),
    ]
    running.write("play.yml", [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}])  # type: ignore[arg-type]
    output = running.run("-i inventory play.yml")
    adopted = [{"name": name, "path": running.path, "base_model": "tiny"} for name in running.names]
    for file in ("info.json", "host.json"):
        assert json.loads((running.directory / file).read_text(encoding="utf-8")) == adopted
    assert "lora_declared_from: Could not read what is served at http://127.0.0.1:9/v1/models" in output
    assert "the input is neither the variables of a host" in output
    assert "lora_declared_from: Refused." in output
    assert "localhost : ok=6 changed=2 unreachable=0 failed=0 skipped=0 rescued=0 ignored=3" in output
    assert not ran.exists()


def _plain(value: Any) -> Any:
    return value["__ansible_unsafe"] if isinstance(value, dict) else value
