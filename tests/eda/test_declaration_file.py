# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration file: its forms, what is refused, and that the last good version stays in use."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.stand_in import Fault, StandIn
from tests.support.asking import eventually

from .source import helper_of_source
from .watching import PATIENCE, Watching, declare, observed

EDGE = {"name": "edge1", "base_url": "http://127.0.0.1:1", "adapters": []}
REFUSED = {
    "empty": ("", "the file is null; give a mapping"),
    "a list": ("[]", "the file is a list; give a mapping"),
    "no endpoints": ("defaults: {adapters: []}", "it has no endpoints"),
    "endpoints without entries": ("endpoints:", "it has no endpoints"),
    "no YAML": ("endpoints: [\n  - {", "it is no YAML"),
    "a tag": ("endpoints: !vault |\n  abc", "it is no YAML"),
    "a misspelt key": ("endpoint: []", "unknown option 'endpoint'"),
    "endpoint is a number": ("endpoints: [8000]", "endpoint 1 is 8000; give a mapping"),
    "no base_url": ("endpoints: [{name: edge1, adapters: []}]", "endpoint 1 has no base_url"),
    "password in the URL": ("endpoints: [{base_url: 'http://u:p@edge1', adapters: []}]", "has a user or password"),
    "no adapters at all": ("endpoints: ['http://edge1:8000']", "endpoint 1 has no adapters"),
    "misspelt option of an endpoint": ([EDGE | {"purge": True}], "unknown option 'purge'"),
    "the same endpoint twice": ([EDGE, EDGE], "it has endpoint 'edge1' twice"),
    "adapters are a mapping": (
        [EDGE | {"adapters": {"sql": "/srv/sql"}}],
        "the declaration of endpoint 1 is a mapping; give a list of adapters",
    ),
    "adapter is text": (
        [EDGE | {"adapters": ["sql"]}],
        "adapter 1 of the declaration of endpoint 1 is 'sql'; give a mapping",
    ),
    "adapter without a name": (
        [EDGE | {"adapters": [{"path": "/srv/a"}]}],
        "adapter 1 of the declaration of endpoint 1 has no name",
    ),
    "adapters are null": (
        [EDGE | {"adapters": None}],
        "the declaration of endpoint 1 is null; give a list of adapters",
    ),
    "adapter by src": ([EDGE | {"adapters": [{"name": "a", "src": "/srv/a"}]}], "declares 'a' by src"),
    "an action as a state": (
        [EDGE | {"adapters": [{"name": "a", "path": "/a", "state": "reloaded"}]}],
        "only present and absent can be declared",
    ),
    "prune is text": ([EDGE | {"prune": "perhaps"}], "option prune of endpoint 1 is 'perhaps'; give true or false"),
    "prune_limit is true": (
        [EDGE | {"prune_limit": True}],
        "option prune_limit of endpoint 1 is true; give a whole number",
    ),
    "text that Ansible would evaluate": (
        [EDGE | {"adapters": [{"name": "{{ 7 * 7 }}", "path": "/srv/a"}]}],
        "endpoint 1 has '{{ 7 * 7 }}', which Ansible would evaluate as a template",
    ),
    "timeout of nothing": ([EDGE | {"timeout": 0}], "timeout must be more than 0"),
    "key in a variable that is not set": (
        [EDGE | {"api_key_env": "NO_SUCH_KEY"}],
        "names the variable 'NO_SUCH_KEY' in api_key_env, which is not set",
    ),
}


@pytest.mark.parametrize(("written", "problem"), REFUSED.values(), ids=REFUSED)
def test_malformed_file_is_refused(tmp_path, written, problem):
    file = tmp_path / "declaration.yml"
    file.write_text(written if isinstance(written, str) else json.dumps({"endpoints": written}))
    reader = helper_of_source("_declaration_file")
    sentence = rf"^Could not use the declaration file '{re.escape(str(file))}': .*{re.escape(problem)}.*\.$"
    with pytest.raises(reader.VllmError, match=sentence):
        reader.read_declaration(file, {})


def test_malformed_file_is_told_and_the_last_good_one_stays(server, file, artifacts):
    good = {"name": "edge1", "base_url": server.url, "adapters": [{"name": "sql", "path": str(artifacts["first"])}]}
    server.load("sql", artifacts["first"])
    declare(file, good)
    with Watching(file) as watching:
        observed(server, 1)
        declare(file, good | {"purge": True})
        (event,) = watching.next()
        assert (event["state"], event["file"]) == ("rejected", str(file))
        assert event["msg"].startswith(
            f"Could not use the declaration file '{file}': endpoint 1 has the unknown option 'purge'"
        )
        assert event["msg"].endswith(". The last good version stays in use.")
        server.unload("sql")
        assert watching.next()[0]["state"] == "drifted"


def test_file_that_goes_and_comes_back(server, file, artifacts):
    declare(file, {"base_url": server.url, "adapters": []})
    with Watching(file) as watching:
        observed(server, 1)
        file.unlink()
        (event,) = watching.next()
        assert event["state"] == "rejected"
        assert "it cannot be read (No such file or directory)" in event["msg"]
        observed(server)
        declare(file, {"base_url": server.url, "adapters": []})
        assert watching.next()[0]["state"] == "accepted"
        observed(server)
        assert watching.events == []


def test_without_any_good_file_nothing_is_watched_until_there_is_one(server, file, artifacts):
    with Watching(file) as watching:
        (event,) = watching.next()
        assert event["msg"].endswith(". Nothing is watched until it is corrected.")
        declare(file, {"base_url": server.url, "adapters": [{"name": "sql", "path": str(artifacts["first"])}]})
        assert [event["state"] for event in watching.next(2)] == ["accepted", "drifted"]


def test_change_of_the_file_adds_removes_and_redeclares(server, file, artifacts):
    with StandIn() as leaving, StandIn() as coming:
        first = {"name": "sql", "path": str(artifacts["first"])}
        second = {"name": "sql", "path": str(artifacts["second"])}
        server.load("sql", artifacts["first"])
        declare(
            file,
            {"name": "stays", "base_url": server.url, "prune_exclude": ["sql"]},
            {"name": "leaves", "base_url": leaving.url},
            adapters=[],
        )
        with Watching(file) as watching:
            observed(server, 1)
            observed(leaving, 1)
            declare(
                file,
                {"name": "stays", "base_url": server.url, "adapters": [second]},
                {"name": "comes", "base_url": coming.url, "adapters": [first]},
            )
            told = {event["endpoint"]: event["difference"][0]["drift"] for event in watching.next(2)}
            assert told == {"stays": "path", "comes": "missing"}
            left = len(leaving.log)
            observed(server, 5)
            assert len(leaving.log) == left
            declare(file, {"name": "stays", "base_url": server.url, "adapters": [first]})
            (event,) = watching.next()
            assert (event["endpoint"], event["state"]) == ("stays", "recovered")


def test_change_of_the_file_is_acted_on_before_the_interval_is_over(server, file, artifacts):
    interval = 20
    declare(file, {"base_url": server.url, "adapters": []})
    with Watching(file, interval=interval) as watching:
        observed(server, 1)
        began = time.monotonic()
        declare(file, {"base_url": server.url, "adapters": [{"name": "sql", "path": str(artifacts["first"])}]})
        watching.next()
        assert time.monotonic() - began < interval


def test_answer_that_comes_after_the_change_is_not_compared_with_what_was_declared(server, file, artifacts):
    edge = {"name": "edge1", "base_url": server.url, "timeout": 60}
    server.faults.add(Fault("GET", "/v1", "silence"))
    with StandIn() as coming:
        declare(file, edge, adapters=[{"name": "sql", "path": str(artifacts["first"])}])
        with Watching(file, debounce=1) as watching:
            observed(server, 1)
            declare(file, edge, {"name": "comes", "base_url": coming.url}, adapters=[])
            observed(coming, 1)
            server.faults.clear()
            observed(server)
            assert watching.events == []


def test_file_that_is_still_being_written_is_not_believed(server, file, artifacts):
    """A file cut in the middle can be valid and declare less: with pruning, that would be drift."""
    server.load("sql", artifacts["first"])
    server.load("notes", artifacts["second"])
    adapters = [{"name": "sql", "path": str(artifacts["first"])}, {"name": "notes", "path": str(artifacts["second"])}]
    endpoint = {"base_url": server.url, "prune": True}
    declare(file, endpoint, adapters=adapters)
    with Watching(file) as watching:
        observed(server, 1)
        for size in range(1, 25):
            file.write_text(json.dumps({"defaults": {"adapters": adapters[:1]}, "endpoints": [endpoint]}) + " " * size)
            observed(server, 1)
        declare(file, endpoint, adapters=adapters)
        observed(server, 10)
        assert watching.events == []


def test_forms_of_the_file(server, tmp_path, artifacts):
    """YAML with aliases and a bare URL, whose endpoint is named after its host, as in the inventory."""
    file = tmp_path / "declaration.yaml"
    file.write_text(
        f"""
        # For every endpoint
        defaults:
          adapters:
            - lora_name: sql
              lora_path: {artifacts["first"]}/
              base_model_name: tiny-alias
        endpoints:
          - {server.url}/v1/
        """
    )
    with Watching(file) as watching:
        (event,) = watching.next()
        assert event["endpoint"] == "127.0.0.1"
        assert event["base_url"] == server.url
        assert event["declared"]["adapters"] == [
            {"name": "sql", "path": f"{artifacts['first']}/", "base_model": "tiny-alias"}
        ]
        server.load("sql", artifacts["first"])
        assert watching.next()[0]["state"] == "recovered"


def test_own_options_come_before_the_defaults(server, file):
    with StandIn() as other:
        endpoints = ({"name": "own", "base_url": server.url, "timeout": 3}, {"name": "default", "base_url": other.url})
        adapters = [{"name": "sql", "path": "/srv/sql"}]
        declare(file, *endpoints, adapters=adapters, timeout=2, use_proxy=False)
        with Watching(file) as watching:
            told = {event["endpoint"]: event["connection"] for event in watching.next(2)}
    assert told == {"own": {"timeout": 3, "use_proxy": False}, "default": {"timeout": 2, "use_proxy": False}}


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"declaration_file": None}, "declaration_file is missing"),
        ({"interval": "soon"}, "option interval of the event source is 'soon'"),
        ({"interval": 0}, "interval is 0; give a number from 0.1"),
        ({"interval": "nan"}, "option interval of the event source is 'nan'"),
        ({"jitter": 2}, "jitter is 2; give a number from 0 to 1"),
        ({"debounce": 1.5}, "option debounce of the event source is 1.5; give a whole number"),
        ({"debounce": 0}, "debounce is 0; give a number from 1"),
        ({"repeat_after": -1}, "repeat_after is -1; give a number from 0.1"),
        ({"intervall": 30}, "the event source has the unknown option 'intervall'"),
    ],
)
def test_option_of_the_source_that_cannot_be_used(file, args, problem):
    with pytest.raises(Exception, match=re.escape(problem)) as caught, Watching(file, **args) as watching:
        assert eventually(lambda: not watching.is_running, PATIENCE)
    assert caught.value.code == "invalid_request"


def test_numbers_may_be_text_as_variables_of_a_rulebook_are(server, file: Path):
    declare(file, {"base_url": server.url, "adapters": []})
    with Watching(file, interval="0.2", debounce="1", jitter="0.5", repeat_after="9"):
        observed(server)
