# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the artifact to the served adapter, by the role: what reaches the store, what is served, what stays."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from tests.support.playbook import Run, kill_playbook, start_playbook
from tests.support.site import Site

ROLE = """
- name: role
  ansible.builtin.include_role:
    name: sovereign.vllm.lora
"""
STAGE, SERVE = "Stage the artifacts", "Serve the declared adapters"
BOOT = "Write the boot file"
SMOKE, KEEP = "Ask each adapter", "Remove the versions that no server lists"


def converge(site: Site, *adapters: dict[str, Any], **how: Any) -> Run:
    """Run the role on the site with these adapters; `lora_*` and `vllm_*` are variables, the rest is for `run`."""
    return site.run(ROLE, variables=variables(site, adapters, how), **how)


def variables(site: Site, adapters: tuple[dict[str, Any], ...], how: dict[str, Any]) -> dict[str, Any]:
    own = {name: how.pop(name) for name in list(how) if name.startswith(("lora_", "vllm_"))}
    # The first token of a real server can take long, on a busy machine.
    connection = {
        "vllm_base_url": "{{ url }}",
        "vllm_retry_delay": 0.05,
        "vllm_timeout": 200,
    }
    if site.server.api_key:
        connection["vllm_api_key"] = site.server.api_key
    place = {"lora_store": str(store(site)), "lora_smoke": "answers"}
    return {"lora_adapters": list(adapters), **connection, **place, **own}


def store(site: Site) -> Path:
    return site.artifacts / "store"


def packed(site: Site, name: str) -> str:
    directory = site.artifact(f"sources/{name}")
    return shutil.make_archive(f"{site.artifacts}/{name}", "gztar", directory)


def everything(directory: Path) -> dict[str, int]:
    """Path → time of its last change."""
    return {str(path): path.lstat().st_mtime_ns for path in directory.rglob("*")}


def changed(run: Run) -> list[str]:
    return [result.task for result in run.results if result.values.get("changed")]


def versions(site: Site, name: str = "sql") -> list[str]:
    return sorted(str(path) for path in (store(site) / name).iterdir() if path.is_dir())


class FromTheArtifact:
    def test_an_archive_is_staged_and_served_and_answers(self, site: Site) -> None:
        adapters = (
            {"name": "sql", "src": packed(site, "sql")},
            {"name": "acme/tickets", "src": site.artifact("tickets", "second"), "remote_src": True},
        )
        run = converge(site, *adapters)
        assert run[SMOKE]["answered"] == ["sql", "acme/tickets"]
        served = site.server.served()
        assert [served["sql"]] == versions(site)
        assert [served["acme/tickets"]] == versions(site, "acme%2Ftickets")
        assert site.server.complete("sql") != site.server.complete("acme/tickets")
        before = {path: time for path, time in everything(store(site)).items() if Path(path).is_file()}
        # The same adapters once more, as git clones them.
        for source in (site.artifacts / "sources" / "sql", Path(adapters[1]["src"])):
            (source / ".git").mkdir()
            (source / ".git" / "config").write_text("token", encoding="utf-8")
        shutil.make_archive(f"{site.artifacts}/sql", "gztar", site.artifacts / "sources" / "sql")
        assert changed(converge(site, *adapters)) == []
        assert {path: time for path, time in everything(store(site)).items() if Path(path).is_file()} == before

    def test_other_bytes_under_the_same_name(self, site: Site) -> None:
        source = site.artifact("sql", "first")
        converge(site, {"name": "sql", "src": source})
        old, said = site.server.served()["sql"], site.server.complete("sql")
        site.artifact("sql", "second")

        before = everything(site.artifacts)
        both, boot = (
            ({"name": "sql", "src": source}, {"name": "tickets", "src": source}),
            site.artifacts / "etc/lora.env",
        )
        audit = converge(site, *both, lora_boot_file=str(boot), options=["--check", "--diff"])
        assert {STAGE, BOOT} <= set(changed(audit))
        assert [adapter["drift"] for adapter in audit[SERVE]["adapters"]] == ["path", "missing"]
        assert {request.split()[0] for request in site.asked} == {"GET"}
        assert everything(site.artifacts) == before
        assert site.server.served() == {"sql": old}

        run = converge(site, {"name": "sql", "src": source}, lora_keep=0)
        new = site.server.served()["sql"]
        assert new == audit[SERVE]["adapters"][0]["path"] == run[SERVE]["adapters"][0]["path"] != old
        assert site.server.complete("sql") != said
        assert versions(site) == sorted([old, new]), "what was listed a moment ago stays"

        later = converge(site, {"name": "sql", "src": source}, lora_keep=0)
        assert later[KEEP]["removed"] == [old]
        assert versions(site) == [new]
        assert site.server.complete("sql")

    def test_a_corrupt_archive_is_refused_and_nothing_else_happens(self, site: Site) -> None:
        archive = Path(packed(site, "sql"))
        converge(site, {"name": "sql", "src": str(archive)})
        served, before = site.server.served(), everything(store(site))
        archive.write_bytes(archive.read_bytes()[:-20])
        for place in ({}, {"remote_src": True}):
            run = converge(site, {"name": "sql", "src": str(archive), **place}, rc=2)
            assert f"{archive} is damaged" in run.output
            assert "Traceback" not in run.output
            assert {request.split()[0] for request in site.asked} == {"GET"}
        assert site.server.served() == served
        assert everything(store(site)) == before
        assert site.server.complete("sql")

    def test_what_vllm_could_not_serve_does_not_reach_it(self, site: Site) -> None:
        source = site.artifact("large", "rank64")
        run = converge(site, {"name": "large", "src": source}, lora_max_rank=16, rc=2)
        assert "sets the rank 64" in run.output
        assert not store(site).exists()
        assert site.server.served() == {}

    def test_after_a_kill_between_staging_and_loading_the_next_run_converges(self, site: Site, tmp_path: Path) -> None:
        adapters = tuple(
            {"name": name, "src": site.artifact(name, example)}
            for name, example in (("sql", "first"), ("tickets", "second"))
        )
        given = variables(site, adapters, {})
        playbook = start_playbook(ROLE, {"site": site.host}, tmp_path / "killed", variables=given)
        # Adapters are loaded once all are staged, and the second one takes Ansible a moment.
        while not list(store(site).glob("sql/????????????")):
            assert playbook.poll() is None, playbook.communicate()[0]
            time.sleep(0.01)
        kill_playbook(playbook)
        playbook.communicate()
        assert site.server.served() == {}
        (store(site) / "sql" / ".staging-of-a-killed-run").mkdir()

        converge(site, *adapters)
        assert sorted(site.server.served()) == ["sql", "tickets"]
        assert not list(store(site).rglob(".staging-*"))
        assert changed(converge(site, *adapters)) == []

    def test_a_new_name_for_a_new_artifact(self, site: Site) -> None:
        versioned = {"lora_versioned_names": True, "lora_grace_period": 0}
        source = site.artifact("sql", "first")
        site.server.load("stranger", site.artifact("stranger", "second"))
        converge(site, {"name": "sql", "src": source}, **versioned)
        (old,) = set(site.server.served()) - {"stranger"}
        site.artifact("sql", "second")

        audit = converge(site, {"name": "sql", "src": source}, options=["--check"], **versioned)
        assert audit[SERVE].changed
        assert set(site.server.served()) == {old, "stranger"}

        converge(site, {"name": "sql", "src": source}, **versioned)
        (new,) = set(site.server.served()) - {"stranger"}
        assert new != old
        digits = Path(site.server.served()[new]).name
        assert new == f"sql-{digits[:8]}"
        # The new one was loaded before the old one went.
        writes = [request for request in site.asked if request.startswith("POST")]
        assert writes == ["POST /v1/load_lora_adapter", "POST /v1/completions", "POST /v1/unload_lora_adapter"]
        assert changed(converge(site, {"name": "sql", "src": source}, **versioned)) == []

    def test_an_adapter_that_is_gone_and_others_that_nobody_declared(self, site: Site) -> None:
        source = site.artifact("sql", "first")
        converge(site, {"name": "sql", "src": source}, {"name": "tickets", "src": source})
        site.server.load("stranger", site.artifact("stranger", "second"))
        converge(site, {"name": "sql", "src": source}, {"name": "tickets", "state": "absent"}, lora_prune=True)
        assert sorted(site.server.served()) == ["sql"]
