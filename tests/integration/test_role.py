# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role lora where a server, a node or an operator does what a real one does not do on request."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.lifecycle.from_the_artifact import (
    KEEP,
    ROLE,
    STAGE,
    FromTheArtifact,
    changed,
    converge,
    store,
    variables,
    versions,
)
from tests.stand_in import Fault
from tests.support.playbook import AS_MODULE, Run, run_playbook
from tests.support.server import Server
from tests.support.site import Site

from .conftest import NewSite

# Each test runs the whole role several times.
pytestmark = pytest.mark.timeout(400)


class TestFromTheArtifact(FromTheArtifact):
    @pytest.fixture
    def site(self, new_site: NewSite) -> Site:
        return new_site()


class TestWithKeyAsModule:
    """The one that leads through every task that the key is given to; in the others nothing is sent in another way."""

    test_a_new_name_for_a_new_artifact = FromTheArtifact.test_a_new_name_for_a_new_artifact

    @pytest.fixture
    def site(self, new_site: NewSite) -> Site:
        return new_site(host=AS_MODULE, api_key="role-key")


def test_the_server_sees_the_store_under_another_path(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    store(site).mkdir(parents=True)
    inside = tmp_path / "inside-the-container"
    inside.symlink_to(store(site))
    converge(site, {"name": "sql", "src": site.artifact("sql")}, lora_server_store=str(inside))
    (version,) = versions(site)
    assert site.server.served() == {"sql": f"{inside}/sql/{Path(version).name}"}
    site.artifact("sql", "second")
    run = converge(
        site,
        {"name": "sql", "src": f"{site.artifacts}/sql"},
        lora_server_store=str(inside),
        lora_keep=0,
    )
    assert "removed" not in run[KEEP].values
    run = converge(site, {"name": "sql", "path": site.server.served()["sql"]}, lora_keep=0)
    assert not run.of(KEEP) and version in versions(site), "what is declared by path is not the role's to remove"


def test_nothing_is_removed_while_a_server_of_the_same_node_is_silent(new_site: NewSite, tmp_path: Path) -> None:
    site, other = new_site(), new_site()
    adapter = {"name": "sql", "src": site.artifact("sql")}
    hosts = {"site": site.host, "other": other.host}
    # Nothing says that both read from one store: they are one node, this machine.
    given = variables(site, (adapter,), {"lora_keep": 0, "vllm_retries": 0})

    def run_on_site() -> list[str]:
        run = run_playbook(ROLE, hosts, tmp_path / "shared", options=["--limit", "site"], variables=given)
        return run[KEEP].values.get("removed", [])

    converge(site, adapter)
    (old,) = versions(site)
    other.server.load("sql", old)
    other.server.load("sql@sovereign.vllm-rehearsal", old)
    site.artifact("sql", "second")
    assert run_on_site() == []
    assert run_on_site() == [], "the other server lists it"
    other.server.unload("sql")
    assert run_on_site() == [], "the other server lists it for a swap that was cut short"
    other.server.unload("sql@sovereign.vllm-rehearsal")
    other.watched.kill()
    assert run_on_site() == [], "the other server does not answer"
    other.watched.restart()
    assert run_on_site() == [old]


@contextmanager
def served_by_a_new_server(arguments: list[str]) -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.stand_in", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            yield Server(process.stdout.readline().split()[-1])
        finally:
            process.terminate()


def test_a_reboot_without_a_controller(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    boot, units = tmp_path / "etc" / "lora.env", tmp_path / "units"
    options = {
        "lora_boot_file": str(boot),
        "lora_boot_unit": "vllm.service",
        "lora_boot_unit_directory": str(units),
    }
    names = ["sql", "acme/tickets", "with space", "a=b,c", "$HOME `id` größe"]
    source = site.artifact("sql")
    adapters = [{"name": name, "src": source} for name in names]
    converge(site, *adapters, {"name": "gone", "state": "absent"}, **options)
    assert f"EnvironmentFile=-{boot}\n" in (units / "vllm.service.d" / "lora-adapters.conf").read_text(encoding="utf-8")
    assert changed(converge(site, *adapters, {"name": "gone", "state": "absent"}, **options)) == []

    # As a shell reads it, and then splits it as systemd does.
    command = '. "$1"; printf %s "$VLLM_LORA_ARGS"'
    told = subprocess.run(["sh", "-c", command, "sh", boot], capture_output=True, text=True, check=True).stdout
    option, *modules = shlex.split(told)
    assert option == "--lora-modules"
    arguments = [f"--static={module}" for module in modules]
    with served_by_a_new_server(arguments) as server:
        assert server.served() == site.server.served()

    converge(site, *({"name": name, "state": "absent"} for name in names), **options)
    assert 'VLLM_LORA_ARGS=""' in boot.read_text(encoding="utf-8")


def test_a_name_that_cannot_be_an_argument(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    run = converge(
        site,
        {"name": "it's", "src": site.artifact("sql")},
        lora_boot_file=str(tmp_path / "lora.env"),
        rc=2,
    )
    assert "cannot be put into arguments" in run.output
    assert not (tmp_path / "lora.env").exists()


def test_one_bad_artifact_of_several_is_named_and_nothing_is_loaded(new_site: NewSite) -> None:
    site = new_site()
    good, bad = site.artifact("good"), site.artifact("bad", "dora")
    adapters = ({"name": name, "src": src} for name, src in (("good", good), ("bad", bad)))
    run = converge(site, *adapters, rc=2)
    assert "vLLM does not serve DoRA" in run.output
    assert site.server.served() == {}


def test_what_is_listed_but_does_not_answer_fails(new_site: NewSite) -> None:
    site = new_site()
    site.watched.faults.add(Fault("POST", "/v1/completions", "answer", status=500, text="EngineCore is gone"))
    run = converge(site, {"name": "sql", "src": site.artifact("sql")}, rc=2)
    assert "Could not ask 'sql' for a token" in run.output
    assert "EngineCore is gone" in run.output


def test_an_offline_server_is_unreachable_before_anything_is_written(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    source = site.artifact("sql")
    site.watched.kill()
    run = converge(site, {"name": "sql", "src": source}, vllm_retries=0, rc=4)
    assert run.recap["site"]["unreachable"] == 1
    assert not store(site).exists()
    site.watched.restart()
    nobody = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}
    off = {**nobody, "vllm_ask_from": "controller"}
    given = variables(site, ({"name": "sql", "src": source},), {})
    run = run_playbook(ROLE, {"site": {**site.host, **off}}, tmp_path, variables=given, rc=4)
    assert run.of(STAGE)["site"].status == "unreachable", "a node that ssh does not reach is no bad artifact"


def test_the_gateway_switches_while_both_names_are_served(new_site: NewSite, tmp_path: Path) -> None:
    site = new_site()
    switch = tmp_path / "switch.yml"
    switch.write_text(
        """
- name: Ask what is served meanwhile
  ansible.builtin.uri: {url: "{{ url }}/v1/models"}
  register: meanwhile
- name: Point the gateway to the new name
  ansible.builtin.assert:
    that: lora_declaration.served_names.sql in gateway_takes
"""
    )
    versioned = {"lora_versioned_names": True, "lora_switch_tasks": str(switch)}
    adapter = {"name": "sql", "src": site.artifact("sql")}
    first = converge(site, adapter, **versioned)
    assert not first.of("Ask what is served meanwhile"), "there was no old name to switch from"
    (old,) = site.server.served()
    site.artifact("sql", "second")

    def switched(takes: list[str], rc: int) -> Run:
        play = {**site.host, "gateway_takes": takes}
        given = variables(site, (adapter,), {**versioned, "lora_grace_period": 1})
        return run_playbook(ROLE, {"site": play}, tmp_path / f"takes-{len(takes)}", rc=rc, variables=given)

    refused = switched([], rc=2)
    (new,) = set(site.server.served()) - {old}
    assert old in site.server.served(), "nothing goes that the gateway still asks for"
    seen = {card["id"] for card in refused["Ask what is served meanwhile"]["json"]["data"]}
    assert {old, new} <= seen

    run = switched([new], rc=0)
    assert list(site.server.served()) == [new]
    order = [result.task for result in run.results]
    grace = order.index("Wait for requests under the replaced names to end")
    assert order.index("Point the gateway to the new name") < grace < order.index("Unload the old names")
