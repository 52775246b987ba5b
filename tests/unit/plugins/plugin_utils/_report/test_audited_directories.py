# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the node has the directories that a server lists, and what is said about them."""

from __future__ import annotations

import sys

import pytest

if sys.version_info < (3, 10):
    pytest.skip("The controller has Python 3.10 or later.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_directories import judged, on_node, places


@pytest.mark.parametrize(
    ("root", "store", "server_store", "place"),
    [
        ("/srv/lora/sql/1", "/srv/lora", None, "/srv/lora/sql/1"),
        ("/elsewhere/sql/", "/srv/lora", None, "/elsewhere/sql"),
        ("/elsewhere/sql", "/srv/lora", "/srv/lora/", "/elsewhere/sql"),
        ("/adapters/sql/1", "/srv/lora/", "/adapters", "/srv/lora/sql/1"),
        ("/adapters/sql/../b", "/srv/lora", "/adapters/", "/srv/lora/b"),
        # In a container, nothing but the store is known.
        ("/elsewhere/sql", "/srv/lora", "/adapters", None),
        ("/adapters-2/sql", "/srv/lora", "/adapters", None),
        ("/adapters/../etc", "/srv/lora", "/adapters", None),
        ("acme/sql", "/srv/lora", None, None),
    ],
)
def test_place_on_the_node(root: str, store: str, server_store: str | None, place: str | None) -> None:
    assert on_node(root, store, server_store) == place
    found, notes = places({"sql": root}, {"store": store, "server_store": server_store})
    assert found == ({"sql": place} if place else {})
    assert ["'sql' were not checked" in note for note in notes] == ([] if place else [True])


def test_findings() -> None:
    paths = {"sql": "/a", "b": "/b", "c": "/c", "twin": "/a"}
    states = {
        "/a": {"state": "gone", "detail": ""},
        "/b": {"state": "present", "detail": ""},
        "/c": {"state": "unreadable", "detail": "Permission denied"},
    }
    found = judged(paths, states)
    assert found.gone == ["sql", "twin"]
    assert [(finding["id"], finding["severity"]) for finding in found.findings] == [("directory_gone", "high")] * 2
    assert "adapter 'sql', but its directory '/a' is gone" in found.findings[0]["message"]
    (note,) = found.notes
    assert "'/c' of 'c' was not checked (Permission denied)" in note
