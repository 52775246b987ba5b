# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mistake in the file is one sentence that names the option, and nothing is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError

from .conftest import CLOSED, NewInventory, NewServer
from .in_process import parse

OTHER = "http://127.0.0.2:9"
SECRET = "sk-1d7e"


def one(**entry: Any) -> dict[str, Any]:
    return {"endpoints": [entry]}


MISTAKES = {
    "nothing to ask": ({}, "Option endpoints names no server, and there is no from_hosts"),
    "endpoints is no list": ({"endpoints": {"a": CLOSED}}, "endpoints"),
    "a number": ({"endpoints": [7]}, "Option endpoints[0] is neither a URL nor a dictionary"),
    "unknown option": ({"endpoints": [CLOSED], "timout": 3}, "Option timout does not exist"),
    "unknown key": (one(base_url=CLOSED, url=CLOSED), "Option endpoints[0].url does not exist"),
    "no URL": ({"endpoints": [OTHER, {"name": "edge"}]}, "Option endpoints[1].base_url is missing"),
    "URL is a number": (one(base_url=7), "Option endpoints[0].base_url is not a string"),
    "name is a number": (one(base_url=CLOSED, name=7), "Option endpoints[0].name is not a string"),
    "empty name": (one(base_url=CLOSED, name=" "), "Option endpoints[0].name is empty"),
    "variables are a list": (one(base_url=CLOSED, vars=["a"]), "Option endpoints[0].vars is not a dictionary"),
    "variable of ours": (one(base_url=CLOSED, vars={"vllm_stale": 1}), "Option endpoints[0].vars has 'vllm_stale'"),
    "same server": ({"endpoints": [CLOSED, "HTTP://127.0.0.1:9/v1/"]}, "repeats the server"),
    "same server, port left out": ({"endpoints": ["http://localhost", "http://LOCALHOST:80/"]}, "repeats the server"),
    "same server, range": (one(name="edge[1:3]", base_url=CLOSED), f"repeats the server '{CLOSED}'"),
    "same host": ({"endpoints": [CLOSED, "http://127.0.0.1:10"]}, "Option endpoints repeats the host '127.0.0.1'"),
    "same name": (
        {"endpoints": [{"name": "a", "base_url": CLOSED}, {"name": "a", "base_url": OTHER}]},
        "Option endpoints repeats the host 'a'",
    ),
    "range without end": ({"endpoints": ["http://e[1:]"]}, "endpoints[0].base_url has the range '[1:]'"),
    "range without colon": ({"endpoints": ["http://e[1]"]}, "endpoints[0].base_url has the range '[1]'"),
    "range of words": ({"endpoints": ["http://e[one:two]"]}, "endpoints[0].base_url has the range '[one:two]'"),
    "range of both kinds": ({"endpoints": ["http://e[a:2]"]}, "endpoints[0].base_url has the range '[a:2]'"),
    "range backwards": ({"endpoints": ["http://e[5:1]"]}, "endpoints[0].base_url has the range '[5:1]'"),
    "range of two lengths": ({"endpoints": ["http://e[01:100]"]}, "endpoints[0].base_url has the range '[01:100]'"),
    "range with step 0": ({"endpoints": ["http://e[1:3:0]"]}, "endpoints[0].base_url has the range '[1:3:0]'"),
    "open bracket": ({"endpoints": ["http://e[1:3"]}, "endpoints[0].base_url has a bracket without its partner"),
    "range in name": (one(name="e[1:", base_url=CLOSED), "endpoints[0].name has a bracket without its partner"),
    "ranges of two lengths": (
        one(name="e[1:3]", base_url="http://127.0.0.[1:4]"),
        "Option endpoints[0].base_url has the range '[1:4]', and the name has no range of the same length",
    ),
    "range in URL alone": (one(name="e", base_url="http://127.0.0.[1:4]"), "no range of the same length"),
    "workers is 0": ({"endpoints": [CLOSED], "workers": 0}, "Option workers is less than 1"),
    "workers is a word": ({"endpoints": [CLOSED], "workers": "many"}, "workers"),
    "timeout is 0": ({"endpoints": [CLOSED], "timeout": 0}, "Option timeout must be more than 0"),
    "key is a list": ({"endpoints": [CLOSED], "api_key": [SECRET]}, "Option api_key is not a string"),
    "key has a space": ({"endpoints": [CLOSED], "api_key": f"{SECRET} x"}, "Option api_key has characters"),
    "key in URL": ({"endpoints": [f"http://u:{SECRET}@edge"]}, "endpoints[0]: Option base_url has a user or password"),
    "key is undefined": (
        {"endpoints": [CLOSED], "api_key": "{{ nowhere }}"},
        "Option api_key is a template that fails",
    ),
    "from_hosts is a list": ({"from_hosts": ["all"]}, "from_hosts"),
    "from_hosts without pattern": ({"from_hosts": {"base_url": CLOSED}}, "Option from_hosts.pattern is missing"),
    "from_hosts with another key": (
        {"from_hosts": {"pattern": "all", "base_url": CLOSED, "port": 1}},
        "Option from_hosts.port does not exist",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_sentence_names_the_option(tmp_path: Path, mistake: str) -> None:
    options, sentence = MISTAKES[mistake]
    with pytest.raises(AnsibleError) as raised:
        parse(tmp_path, **options)
    assert sentence in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert SECRET not in str(raised.value)


def test_each_mistake_has_a_line(tmp_path: Path) -> None:
    endpoints = ["ftp://edge", CLOSED, {"name": "a"}, CLOSED]
    with pytest.raises(AnsibleError) as raised:
        parse(tmp_path, endpoints=endpoints)
    mistakes = str(raised.value).splitlines()
    assert [line.split(" ")[0] for line in mistakes] == ["endpoints[0]:", "Option", "Option"]
    assert "endpoints[2].base_url" in mistakes[1]
    assert "repeats the server" in mistakes[2]


def test_user_sees_the_sentence_and_no_traceback(new_server: NewServer, new_inventory: NewInventory) -> None:
    server = new_server()
    result = new_inventory(endpoints=[server.url, "http://edge[5:1]"]).run("--list")
    shown = " ".join(result.stderr.split())
    assert "Option endpoints[1].base_url has the range '[5:1]', which does not parse (it is empty)" in shown
    assert "Traceback" not in shown
    assert server.log == []


def test_missing_library_is_named(new_inventory: NewInventory) -> None:
    inventory = new_inventory(endpoints=[CLOSED])
    (inventory.directory / "requests.py").write_text("raise ImportError('not here')")
    result = inventory.run("--list", environment={"PYTHONPATH": str(inventory.directory)})
    shown = " ".join(result.stderr.split())
    assert "Failed to import the required Python library (requests)" in shown
    assert "Traceback" not in shown
