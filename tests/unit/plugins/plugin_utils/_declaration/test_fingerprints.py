# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded fingerprints of a host: which stay, which are replaced, and which files are refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.fingerprints import (
    file_of,
    fingerprints_of_host,
    merged,
    read_expected,
    record,
)


def fingerprint(number: float = -1.0, **other: Any) -> dict[str, Any]:
    numbers = [{"a\ud800é": number}]
    origin = {"path": "/srv/sql", "base_model": "tiny", "root": "acme/tiny", "version": "0.33.0"}
    shown = {"route": "/v1/completions", "prompts": ["é"], "logprobs": numbers, "cached_logprobs": numbers}
    return {**origin, **shown, **other}


OLD = fingerprint()
NOTHING: dict[str, Any] = {"adapters": [], "served_names": {}, "taken": None, "restore": None}


@pytest.mark.parametrize(
    ("new", "stays"),
    [
        (fingerprint(-1.01), True),
        (fingerprint(-1.01, path="/srv//sql/"), True),
        (fingerprint(-1.01, base_model="another name"), True),
        (fingerprint(-1.01, path="/srv/other"), False),
        (fingerprint(-1.01, root="acme/other"), False),
        (fingerprint(-1.01, version="0.33.1"), False),
        (fingerprint(-1.01, version=None), False),
        (fingerprint(-1.01, route="/v1/chat/completions"), False),
    ],
)
def test_a_fingerprint_stays_while_its_origin_stays(new: dict[str, Any], stays: bool) -> None:
    assert merged({"sql": OLD}, {"sql": new}, ["sql"], []) == {"sql": OLD if stays else new}
    assert merged({"sql": OLD}, {"sql": new}, ["sql"], ["sql"]) == {"sql": new}


def test_names_that_are_not_declared_or_not_measured() -> None:
    new = fingerprint(-2.0)
    assert merged({"sql": OLD, "gone": OLD}, {"fresh": new, "other": new}, ["sql", "fresh", "never"], ["sql"]) == {
        "sql": OLD,
        "fresh": new,
    }


def test_a_file_is_read_back_as_it_was_written_and_goes_with_its_last_fingerprint(tmp_path: Path) -> None:
    directory = str(tmp_path / "seen")
    assert read_expected(directory, "edge1") == {}
    assert record(directory, "edge1", {"sql": OLD}, check_mode=True)["changed"] is True
    assert not Path(directory).exists()
    assert record(directory, "edge1", {"sql": OLD})["changed"] is True
    assert record(directory, "edge1", {"sql": OLD})["changed"] is False
    assert read_expected(directory, "edge1") == {"sql": OLD}
    assert read_expected(directory, "edge2") == {}
    assert record(directory, "edge1", {}, check_mode=True)["changed"] is True
    assert record(directory, "edge1", {})["changed"] is True
    assert record(directory, "edge1", {})["changed"] is False
    assert list(Path(directory).iterdir()) == []


@pytest.mark.parametrize("host", ["../edge", "a/b", ".hidden", "[::1]", "Büro"])
def test_no_name_of_a_host_leaves_the_directory(tmp_path: Path, host: str) -> None:
    assert file_of(str(tmp_path), host).parent == tmp_path
    record(str(tmp_path), host, {"sql": OLD})
    assert read_expected(str(tmp_path), host) == {"sql": OLD}


@pytest.mark.parametrize(
    "text",
    ["", "{}}", "[]", "[" * 100_000, '{"sql": {}}', json.dumps({"sql": fingerprint(path=1)}), "\udcff"],
    ids=["empty", "open", "list", "deep", "no fingerprint", "number as path", "no UTF-8"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    file_of(str(tmp_path), "edge1").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(VllmError, match=r"edge1\.json' has no usable fingerprints; restore the file") as caught:
        read_expected(str(tmp_path), "edge1")
    assert caught.value.code == "invalid_request"


def test_a_place_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    file_of(str(tmp_path), "edge1").mkdir()
    with pytest.raises(VllmError, match="cannot be read on the controller"):
        read_expected(str(tmp_path), "edge1")
    (tmp_path / "file").touch()
    with pytest.raises(VllmError, match="cannot be written on the controller"):
        record(str(tmp_path / "file" / "inner"), "edge1", {"sql": OLD})


def test_a_place_that_could_not_be_written_later_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"directory": str(tmp_path / "a" / "b"), **NOTHING}
    fingerprints_of_host(options, "edge1", False)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("os.access", lambda place, _mode: place != tmp_path)
    with pytest.raises(VllmError, match="no directory that this user may write to; set lora_fingerprints to another"):
        fingerprints_of_host(options, "edge1", False)


def test_only_a_path_that_is_read_again_may_have_other_weights(tmp_path: Path) -> None:
    """A reloaded artifact keeps the digest in its path, so its weights stay."""
    record(str(tmp_path), "edge1", {"sql": OLD, "tickets": OLD})
    adapters = [
        {"name": "sql", "path": "/srv/sql", "state": "reloaded"},
        {"name": "tickets", "src": "tickets", "state": "reloaded"},
    ]
    options = {**NOTHING, "directory": str(tmp_path), "adapters": adapters}
    read = fingerprints_of_host(options, "edge1", False)
    assert (read["changed"], list(read["recorded"]), list(read["expect"])) == (False, ["sql", "tickets"], ["tickets"])
    new = fingerprint(-2.0)
    names = {"sql": "sql", "tickets": "tickets"}
    fingerprints_of_host({**options, "served_names": names, "taken": dict.fromkeys(names, new)}, "edge1", False)
    assert read_expected(str(tmp_path), "edge1") == {"sql": new, "tickets": OLD}
    fingerprints_of_host({**options, "restore": read["recorded"]}, "edge1", False)
    assert read_expected(str(tmp_path), "edge1") == {"sql": OLD, "tickets": OLD}
