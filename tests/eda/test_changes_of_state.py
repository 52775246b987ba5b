# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One event for each change of state, with the difference."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.stand_in import Fault, StandIn

from .watching import Watching, declare, observed


@pytest.fixture
def watching(server: StandIn, file: Path, artifacts: dict[str, Path]):
    """The source, told of `sql` on the server, which serves it."""
    server.load("sql", artifacts["first"])
    declare(file, {"name": "edge1", "base_url": server.url, "adapters": [sql(artifacts)]})
    with Watching(file) as watching:
        observed(server)
        yield watching


def sql(artifacts: dict[str, Path], **more: object) -> dict[str, object]:
    return {"name": "sql", "path": str(artifacts["first"]), **more}


def test_what_is_as_declared_is_not_worth_an_event(watching, server):
    observed(server)
    assert watching.events == []


def test_missing_adapter_drifts_and_recovers(watching, server, artifacts):
    before = datetime.now(timezone.utc)
    server.unload("sql")
    (event,) = watching.next()
    assert event["state"] == "drifted"
    assert event["endpoint"] == "edge1"
    assert event["base_url"] == server.url
    assert before <= datetime.fromisoformat(event["observed_at"].replace("Z", "+00:00")) <= datetime.now(timezone.utc)
    assert event["difference"] == [
        {
            "name": "sql",
            "drift": "missing",
            "action": "load",
            "declared": True,
            "declared_path": str(artifacts["first"]),
            "served_path": None,
            "declared_base_model": None,
            "served_base_model": None,
        }
    ]
    assert event["summary"] == {
        "none": 0,
        "missing": 1,
        "path": 0,
        "base_model": 0,
        "unexpected": 0,
        "server": 0,
        "revoked": 0,
    }
    assert event["declared"] == {"adapters": [sql(artifacts)]}
    assert event["repeated"] == 0
    assert event["msg"] == "Endpoint 'edge1' differs from its declaration: 'sql' (missing)."

    server.load("sql", artifacts["first"])
    (event,) = watching.next()
    assert (event["state"], event["endpoint"]) == ("recovered", "edge1")
    observed(server)
    assert watching.events == []


def test_other_path_shows_both_paths(watching, server, artifacts):
    server.unload("sql")
    server.load("sql", artifacts["second"])
    # Whatever was seen in between: the last event is about the path.
    observed(server)
    (change,) = watching.events[-1]["drift"]["difference"]
    assert (change["drift"], change["action"]) == ("path", "reload")
    assert (change["declared_path"], change["served_path"]) == (str(artifacts["first"]), str(artifacts["second"]))


def test_another_difference_is_another_change(watching, server, file, artifacts):
    server.load("notes", artifacts["second"])
    notes = {"name": "notes", "path": str(artifacts["second"])}
    declare(file, {"name": "edge1", "base_url": server.url, "adapters": [sql(artifacts), notes]})
    server.unload("sql")
    assert [change["name"] for change in watching.next()[0]["difference"]] == ["sql"]
    server.unload("notes")
    assert [change["name"] for change in watching.next()[0]["difference"]] == ["sql", "notes"]
    server.load("sql", artifacts["first"])
    assert [change["name"] for change in watching.next()[0]["difference"]] == ["notes"]
    server.load("notes", artifacts["second"])
    assert watching.next()[0]["state"] == "recovered"


def test_dead_server_is_unreachable_and_not_drifted(watching, server, artifacts):
    server.kill()
    (event,) = watching.next()
    assert event["state"] == "unreachable"
    assert event["error"]["code"] == "unreachable"
    assert "the connection was refused" in event["msg"]
    assert "difference" not in event


def test_restart_that_forgot_is_told_as_reachable_and_drifted(watching, server):
    server.kill()
    assert watching.next()[0]["state"] == "unreachable"
    server.restart()
    back, drifted = watching.next(2)
    assert (back["state"], drifted["state"]) == ("reachable", "drifted")
    assert [change["name"] for change in drifted["difference"]] == ["sql"]
    assert back["msg"] == "Endpoint 'edge1' answers again."


def test_drift_is_told_again_after_an_outage_even_if_it_is_the_same(watching, server):
    server.unload("sql")
    first = watching.next()[0]
    server.kill()
    watching.next()
    server.restart()
    back, again = watching.next(2)
    assert (back["state"], again["state"]) == ("reachable", "drifted")
    assert again["difference"] == first["difference"]
    assert again["repeated"] == 0


def test_drift_that_is_gone_after_an_outage_is_told_as_recovered(watching, server, artifacts):
    server.unload("sql")
    watching.next()
    server.kill()
    watching.next()
    server.forget()
    server.load("sql", artifacts["first"])
    server.start()
    assert [event["state"] for event in watching.next(2)] == ["reachable", "recovered"]


def test_outage_of_a_server_in_sync_ends_with_reachable_alone(watching, server, artifacts):
    server.kill()
    watching.next()
    server.forget()
    server.load("sql", artifacts["first"])
    server.start()
    assert watching.next()[0]["state"] == "reachable"
    observed(server)
    assert watching.events == []


def test_state_at_the_start_is_told_unless_it_is_in_sync(server, file, artifacts):
    with StandIn() as dead, StandIn() as well:
        dead.kill()
        well.load("sql", artifacts["first"])
        urls = {"drifted": server.url, "dead": dead.url, "well": well.url}
        declare(file, *({"name": n, "base_url": u} for n, u in urls.items()), adapters=[sql(artifacts)])
        with Watching(file) as watching:
            told = {event["endpoint"]: event["state"] for event in watching.next(2)}
            observed(well)
            assert watching.events == []
    assert told == {"drifted": "drifted", "dead": "unreachable"}


@pytest.mark.parametrize("times", [1, 2])
def test_fewer_observations_than_debounce_asks_for_are_no_change(server, file, artifacts, times):
    declare(file, {"base_url": server.url, "adapters": []})
    with Watching(file, debounce=3) as watching:
        observed(server)
        server.faults.add(Fault("GET", "/v1/models", "html", times=times))
        observed(server, 8)
        assert watching.events == []
        server.faults.add(Fault("GET", "/v1/models", "html", times=3))
        assert [event["state"] for event in watching.next(2)] == ["failed", "recovered"]


def test_observations_of_what_was_declared_before_confirm_nothing(server, file, artifacts):
    edge = {"name": "edge1", "base_url": server.url, "timeout": 60}
    server.faults.add(Fault("GET", "/v1/models", "silence", after=1))
    with StandIn() as coming:
        declare(file, edge, adapters=[sql(artifacts)])
        with Watching(file, debounce=2) as watching:
            observed(server, 2)
            declare(
                file,
                edge,
                {"name": "comes", "base_url": coming.url, "adapters": []},
                adapters=[sql(artifacts, name="notes")],
            )
            observed(coming, 1)
            server.faults.clear()
            assert watching.next()[0]["state"] == "drifted"
            # One drifted, one was answered too late, and two make a change.
            assert len(server.log) >= 4


def test_change_is_confirmed_faster_than_it_is_looked_for(server, file, artifacts):
    interval = 5
    declare(file, {"base_url": server.url, "adapters": [sql(artifacts)]})
    with Watching(file, interval=interval, debounce=5) as watching:
        observed(server, 1)
        began = time.monotonic()
        watching.next()
        assert len(server.log) == 5
        assert time.monotonic() - began < interval


def test_lasting_drift_is_told_again_when_asked_for(server, file, artifacts):
    declare(file, {"base_url": server.url, "adapters": [sql(artifacts)]})
    with Watching(file, repeat_after=1) as watching:
        assert [event["repeated"] for event in watching.next(3)] == [0, 1, 2]
        server.load("sql", artifacts["first"])
        assert watching.next()[0]["state"] == "recovered"
        server.unload("sql")
        assert watching.next()[0]["repeated"] == 0


def test_pruning_makes_what_is_not_declared_a_drift(server, file, artifacts):
    server.load("stray", artifacts["second"])
    server.load("tenant-a", artifacts["third"])
    declare(file, {"base_url": server.url, "adapters": [], "prune": True, "prune_exclude": ["tenant-*"]})
    with Watching(file) as watching:
        (event,) = watching.next()
    (change,) = event["difference"]
    assert (change["name"], change["drift"], change["action"]) == ("stray", "unexpected", "unload")
    assert (change["declared_path"], change["served_path"]) == (None, str(artifacts["second"]))
    assert event["declared"] == {"adapters": [], "prune": True, "prune_exclude": ["tenant-*"]}


def test_adapter_declared_absent_drifts_when_it_is_served(server, file, artifacts):
    server.load("old", artifacts["second"])
    declare(file, {"base_url": server.url, "adapters": [{"lora_name": "old", "state": "absent"}]})
    with Watching(file) as watching:
        (change,) = watching.next()[0]["difference"]
    assert (change["name"], change["drift"], change["action"]) == ("old", "unexpected", "unload")


@pytest.mark.parametrize(
    ("adapter", "options", "code"),
    [
        ({"base_model": "large"}, {}, "base_model_mismatch"),
        ({"name": "tiny"}, {}, "name_conflict"),
        ({}, {"prune": True, "prune_limit": 0}, "prune_limit"),
    ],
)
def test_declaration_that_the_server_cannot_meet_has_failed(server, file, artifacts, adapter, options, code):
    server.load("stray", artifacts["second"])
    declare(file, {"base_url": server.url, "adapters": [sql(artifacts, **adapter)], **options})
    with Watching(file) as watching:
        (event,) = watching.next()
        observed(server)
        assert watching.events == []
    assert (event["state"], event["error"]["code"]) == ("failed", code)
    assert set(event["error"]) == {"code", "http_status", "detail", "hint", "retryable"}
    assert not {"difference", "declared", "connection"} & set(event)


def test_adapters_that_are_not_declared_are_told_once(watching, server, artifacts):
    server.load("stray", artifacts["second"])
    (event,) = watching.next()
    assert (event["state"], "repeated" in event) == ("undeclared", False)
    assert event["msg"] == "Endpoint 'edge1' also serves adapters that are not declared: 'stray'."
    (change,) = event["difference"]
    assert (change["name"], change["drift"], change["action"], change["declared"]) == ("stray", "none", "none", False)
    assert (change["declared_path"], change["served_path"]) == (None, str(artifacts["second"]))
    observed(server)
    assert watching.events == []
    server.unload("sql")
    assert [change["name"] for change in watching.next()[0]["difference"]] == ["sql"]
    server.load("sql", artifacts["first"])
    assert watching.next()[0]["state"] == "undeclared"
    server.unload("stray")
    assert watching.next()[0]["state"] == "recovered"


def test_another_server_than_required(server, file, artifacts):
    """The release is asked for only if it is required."""
    server.load("sql", artifacts["first"])
    required = {"version": ">=0.33", "base_models": [{"id": "tiny"}]}
    with StandIn() as other:
        other.load("sql", artifacts["first"])
        wanted = {"name": "other", "base_url": other.url, "requires": {"base_models": [{"id": "huge"}]}}
        declare(
            file, {"name": "edge1", "base_url": server.url, "requires": required}, wanted, adapters=[sql(artifacts)]
        )
        with Watching(file) as watching:
            events = {event["endpoint"]: event for event in watching.next(2)}
            observed(server)
            assert watching.events == []
        assert {request.path for request in other.log} == {"/v1/models"}
    assert {request.path for request in server.log} == {"/v1/models", "/version"}
    edge1, other_event = events["edge1"], events["other"]
    assert {event["state"] for event in events.values()} == {"drifted"}
    assert edge1["server"] == ["The declaration requires vLLM >=0.33, and the server is vLLM '0.32.0'."]
    assert "requires base model 'huge', and the server serves 'tiny'" in other_event["server"][0]
    assert edge1["msg"] == f"Endpoint 'edge1' is another server than its declaration requires. {edge1['server'][0]}"
    assert [change["drift"] for change in edge1["difference"]] == ["server"]
    assert edge1["declared"]["requires"] == required
