# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one adapter, by playbook: declared, moved, drifted, healed, removed."""

from __future__ import annotations

import shutil

import yaml

from tests.support.server import REHEARSAL_SUFFIX
from tests.support.site import Site

REHEARSAL = f"sql{REHEARSAL_SUFFIX}"


def served_in_diff(text: str) -> dict[str, str]:
    """Where each adapter is served from, as one side of a diff tells."""
    return {card["name"]: card["path"] for card in yaml.safe_load(text)["adapters"]}


class OneAdapter:
    def test_check_mode_tells_what_would_change_and_only_reads(self, site: Site) -> None:
        old, new = site.artifact("old"), site.artifact("new", "second")
        site.server.load("kept", old)
        before = site.server.served()
        run = site.run(
            """
            - name: info
              sovereign.vllm.vllm_base_model_info:
            - name: load
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new"}
            - name: nothing
              sovereign.vllm.vllm_lora_adapter: {name: kept, path: "{{ artifacts }}/old"}
            - name: move
              sovereign.vllm.vllm_lora_adapter: {name: kept, path: "{{ artifacts }}/new"}
            - name: reload
              sovereign.vllm.vllm_lora_adapter: {name: kept, path: "{{ artifacts }}/old", state: reloaded}
            - name: unload
              sovereign.vllm.vllm_lora_adapter: {name: kept, state: absent}
            """,
            options=["--check", "--diff"],
        )
        assert {request.split()[0] for request in site.asked} == {"GET"}
        assert site.server.served() == before

        assert [base["id"] for base in run["info"]["base_models"]] == [site.base_model]
        assert {adapter["name"]: adapter["root"] for adapter in run["info"]["adapters"]} == before
        tasks = ("load", "nothing", "move", "reload", "unload")
        assert [(run[task].changed, run[task]["action"], run[task]["drift"]) for task in tasks] == [
            (True, "load", "missing"),
            (False, "none", "none"),
            (True, "reload", "path"),
            (True, "reload", "none"),
            (True, "unload", "unexpected"),
        ]
        diffs = [run[task]["diff"] for task in ("load", "move", "unload")]
        assert [(served_in_diff(diff["before"]), served_in_diff(diff["after"])) for diff in diffs] == [
            # Also what the task is not about: it is served all the same.
            ({"kept": old}, {"kept": old, "sql": new}),
            ({"kept": old}, {"kept": new}),
            ({"kept": old}, {}),
        ]

    def test_converges_once_and_is_idempotent(self, site: Site) -> None:
        path = site.artifact("sql")
        run = site.run(
            """
            - name: load
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
            - name: again
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
            - name: trailing slash
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql/"}
            """
        )
        assert [result.changed for result in run.results] == [True, False, False]
        assert run["load"]["adapter"]["path"] == path
        assert site.server.served()["sql"] == path
        # To read, to learn the release since something is to change, to load, to confirm; then one read for each no-op.
        read = site.server.reading
        assert site.asked == [*read, "GET /version", "POST /v1/load_lora_adapter", *read, *read, *read]

        site.server.load("reference", path)
        assert site.server.complete("sql") == site.server.complete("reference") != site.server.complete(site.base_model)

    def test_another_path_is_served_and_the_old_directory_may_go(self, site: Site) -> None:
        old, new = site.artifact("old"), site.artifact("new", "second")
        site.server.load("sql", old)
        said_before = site.server.complete("sql")
        run = site.run(
            """
            - name: move
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new"}
            - name: again
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/new"}
            """
        )
        assert (run["move"].changed, run["move"]["drift"], run["again"].changed) == (True, "path", False)
        served = site.server.served()
        assert served["sql"] == new
        assert REHEARSAL not in served

        shutil.rmtree(old)
        site.server.load("reference", new)
        assert site.server.complete("sql") == site.server.complete("reference") != said_before
        assert site.server.healthy()

    def test_bad_artifact_leaves_the_old_one_served(self, site: Site) -> None:
        site.artifact("rank64", "rank64")
        site.server.load("sql", site.artifact("old"))
        before, said_before = site.server.served(), site.server.complete("sql")
        run = site.run(
            """
            - name: no such path
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/missing"}
              ignore_errors: true
            - name: rank above the limit
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/rank64"}
              ignore_errors: true
            """
        )
        missing, rank = run["no such path"], run["rank above the limit"]
        assert (missing.status, missing.code, missing.changed) == ("failed", "artifact_not_found", False)
        assert (rank.status, rank.code, rank.changed) == ("failed", "artifact_rejected", False)
        assert f"{site.artifacts}/missing" in missing.msg
        assert "LoRA rank 64 is greater than max_lora_rank" in rank["error"]["detail"]
        assert site.server.served() == before
        assert site.server.complete("sql") == said_before

    def test_what_somebody_unloads_is_found_and_healed(self, site: Site) -> None:
        path = site.artifact("sql")
        site.server.load("sql", path)
        site.server.unload("sql")
        run = site.run(
            """
            - name: audit
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
              check_mode: true
            - name: heal
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
            """
        )
        assert [(result.changed, result["drift"]) for result in run.results] == [(True, "missing")] * 2
        assert site.server.served()["sql"] == path

    def test_reloads_when_told_to_and_is_absent_when_told_to(self, site: Site) -> None:
        path = site.artifact("sql")
        site.server.load("sql", path)
        said_before = site.server.complete("sql")
        site.artifact("sql", "second")  # the same directory
        reloaded = site.run(
            """
            - name: reload
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql", state: reloaded}
            - name: reload again
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql", state: reloaded}
            """
        )
        assert [(result.changed, result["action"]) for result in reloaded.results] == [(True, "reload")] * 2
        assert site.server.served()["sql"] == path
        assert site.server.complete("sql") != said_before

        gone = site.run(
            """
            - name: unload
              sovereign.vllm.vllm_lora_adapter: {name: sql, state: absent}
            - name: unload again
              sovereign.vllm.vllm_lora_adapter: {name: sql, state: absent}
            """
        )
        assert [result.changed for result in gone.results] == [True, False]
        assert gone["unload"]["adapter"] == {}
        assert "sql" not in site.server.served()

    def test_what_a_killed_run_left_is_not_shown_and_goes(self, site: Site) -> None:
        path = site.artifact("sql")
        site.server.load("sql", path)
        site.server.load(REHEARSAL, site.artifact("new"))
        run = site.run(
            """
            - name: info
              sovereign.vllm.vllm_base_model_info:
            - name: audit
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
              check_mode: true
            - name: converge
              sovereign.vllm.vllm_lora_adapter: {name: sql, path: "{{ artifacts }}/sql"}
            """
        )
        assert [adapter["name"] for adapter in run["info"]["adapters"] if "sql" in adapter["name"]] == ["sql"]
        assert [(run[task].changed, run[task]["action"]) for task in ("audit", "converge")] == [(True, "none")] * 2
        assert any("interrupted run" in warning for warning in run["converge"].warnings)
        assert site.server.served()["sql"] == path
        assert REHEARSAL not in site.server.served()
