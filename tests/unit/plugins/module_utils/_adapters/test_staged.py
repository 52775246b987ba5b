# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths and names of adapters that are declared by their artifact."""

from __future__ import annotations

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import read_adapters
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.staged import at_paths, superseded
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "f" * 64


def resolved(*adapters: dict, **how: object) -> list[dict]:
    return at_paths("lora_adapters", read_adapters("lora_adapters", adapters), "/adapters", **how)


def test_a_digest_is_a_path() -> None:
    by_digest = {"name": "acme/sql", "digest": DIGEST.upper().replace("SHA", "sha"), "base_model": "tiny"}
    assert resolved(by_digest) == [
        {"name": "acme/sql", "path": "/adapters/acme%2Fsql/0123456789ab", "base_model": "tiny"}
    ]
    assert resolved(by_digest, versioned_names=True)[0]["name"] == "acme/sql-01234567"


def test_a_declared_digest_wins() -> None:
    found = resolved(
        {"name": "sql", "src": "sql.zip"},
        {"name": "tickets", "src": "tickets.zip", "digest": DIGEST},
        {"name": "notes", "path": "/srv/notes"},
        {"name": "gone", "src": "gone.zip", "state": "absent"},
        digests={"sql": OTHER, "tickets": OTHER},
        versioned_names=True,
    )
    assert found == [
        {"name": "sql-ffffffff", "path": "/adapters/sql/ffffffffffff"},
        {"name": "tickets-01234567", "path": "/adapters/tickets/0123456789ab"},
        {"name": "notes", "path": "/srv/notes"},
        {"name": "gone", "state": "absent"},
    ]


@pytest.mark.parametrize(
    ("adapter", "sentence"),
    [
        ({"name": "sql", "src": "sql.zip"}, "lora_adapters declares 'sql' by src"),
        ({"name": "sql", "digest": "4f2a"}, "digest of adapter 'sql' is '4f2a'"),
        ({"name": "sql", "src": "sql.zip", "checksum": "md5:1"}, "checksum of adapter 'sql' is 'md5:1'"),
        ({"name": "sql", "digest": DIGEST, "path": "/srv/sql"}, "given together with digest"),
        ({"name": "sql", "src": "sql.zip", "path": "/srv/sql"}, "given together with src"),
    ],
)
def test_refused(adapter: dict, sentence: str) -> None:
    with pytest.raises(VllmError, match=sentence):
        resolved(adapter)


def test_older_versions_are_known_by_name_and_root() -> None:
    served = [
        {"name": "sql-ffffffff", "root": "/adapters/sql/ffffffffffff"},
        {"name": "sql-01234567", "root": "/adapters/sql/0123456789ab"},
        {"name": "sql", "root": "/elsewhere/sql/0123456789ab/"},
        {"name": "sql-deadbeef", "root": "/home/someone/sql"},
        {"name": "sql-deadbeef0", "root": "/adapters/sql/0123456789ab"},
        {"name": "notes", "root": "/adapters/notes/0123456789ab"},
    ]
    assert superseded([{"name": "sql"}], ["sql-ffffffff"], served) == ["sql-01234567", "sql"]
