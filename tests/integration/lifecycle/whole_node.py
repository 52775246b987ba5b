# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All adapters of one node, by playbook: one read, what is to be done, one read."""

from __future__ import annotations

from tests.support.site import Site

RELEASE = "GET /version"
LOAD, UNLOAD = "POST /v1/load_lora_adapter", "POST /v1/unload_lora_adapter"


def decided(adapters: list[dict]) -> dict[str, tuple[str, str]]:
    """Action and drift by name."""
    return {adapter["name"]: (adapter["action"], adapter["drift"]) for adapter in adapters}


class WholeNode:
    def test_what_is_as_declared_costs_one_read(self, site: Site) -> None:
        for name in ("sql", "summaries", "tickets"):
            site.server.load(name, site.artifact(name))
        run = site.run(
            """
            - name: converge
              sovereign.vllm.vllm_lora_adapters:
                adapters:
                  - {name: sql, path: "{{ artifacts }}/sql"}
                  - {name: summaries, path: "{{ artifacts }}/summaries/"}
                  - {name: tickets, path: "{{ artifacts }}/tickets", base_model: "{{ base }}"}
                prune: true
            """
        )
        assert site.asked == site.server.reading
        assert not run["converge"].changed
        assert run["converge"]["summary"] == {
            "none": 3,
            "missing": 0,
            "path": 0,
            "base_model": 0,
            "unexpected": 0,
            "server": 0,
            "revoked": 0,
        }

    def test_changes_cost_two_reads_the_release_and_the_writes(self, site: Site) -> None:
        for name in ("sql", "summaries", "stray"):
            site.server.load(name, site.artifact(f"old/{name}"))
        for name in ("sql", "tickets"):
            site.artifact(f"new/{name}", "second")
        tasks = """
            - name: converge
              sovereign.vllm.vllm_lora_adapters:
                adapters:
                  - {name: sql, path: "{{ artifacts }}/new/sql"}
                  - {name: summaries, path: "{{ artifacts }}/old/summaries"}
                  - {name: tickets, path: "{{ artifacts }}/new/tickets"}
                prune: true
        """
        before = site.server.served()
        audit = site.run(tasks, options=["--check"])
        assert {request.split()[0] for request in site.asked} == {"GET"}
        assert site.server.served() == before

        run = site.run(tasks)
        read = site.server.reading
        assert site.asked == [*read, RELEASE, LOAD, *read, UNLOAD, LOAD, UNLOAD, LOAD, UNLOAD, *read]
        assert site.server.served() == {
            "sql": f"{site.artifacts}/new/sql",
            "summaries": f"{site.artifacts}/old/summaries",
            "tickets": f"{site.artifacts}/new/tickets",
        }
        for result in (audit["converge"], run["converge"]):
            assert result.changed
            assert result["summary"] == {
                "none": 1,
                "missing": 1,
                "path": 1,
                "base_model": 0,
                "unexpected": 1,
                "server": 0,
                "revoked": 0,
            }
            assert decided(result["adapters"]) == {
                "sql": ("reload", "path"),
                "summaries": ("none", "none"),
                "tickets": ("load", "missing"),
                "stray": ("unload", "unexpected"),
            }

    def test_one_failure_does_not_stop_the_rest(self, site: Site) -> None:
        site.server.load("sql", site.artifact("old"))
        site.artifact("rank64", "rank64")
        site.artifact("new")
        run = site.run(
            """
            - name: converge
              sovereign.vllm.vllm_lora_adapters:
                adapters:
                  - {name: sql, path: "{{ artifacts }}/rank64"}
                  - {name: missing, path: "{{ artifacts }}/missing"}
                  - {name: tickets, path: "{{ artifacts }}/new"}
            """,
            rc=2,
        )
        assert site.server.served() == {"sql": f"{site.artifacts}/old", "tickets": f"{site.artifacts}/new"}
        failed = run["converge"]
        assert failed.changed
        errors = {adapter["name"]: adapter["error"] for adapter in failed["adapters"]}
        assert errors["tickets"] is None
        assert errors["sql"]["code"] == "artifact_rejected"
        assert errors["missing"]["code"] == "artifact_not_found"
        assert "2 of 3 adapters failed" in failed.msg
        for name in ("sql", "missing"):
            assert errors[name]["msg"] in failed.msg

    def test_prune_spares_what_is_excluded_and_stops_at_the_limit(self, site: Site) -> None:
        path = site.artifact("sql")
        for name in ("sql", "tenant-a", "stray-1", "stray-2"):
            site.server.load(name, path)
        before = site.server.served()
        tasks = """
            - name: too many
              sovereign.vllm.vllm_lora_adapters:
                adapters: [{name: sql, path: "{{ artifacts }}/sql"}]
                prune: true
                prune_exclude: [tenant-*]
                prune_limit: 1
              ignore_errors: true
        """
        refused = site.run(tasks)["too many"]
        assert site.asked == site.server.reading
        assert site.server.served() == before
        assert (refused.status, refused.code) == ("failed", "prune_limit")
        assert "'stray-1', 'stray-2'" in refused.msg

        site.run(tasks.replace("prune_limit: 1", "prune_limit: 2"))
        assert site.server.served() == {"sql": path, "tenant-a": path}
