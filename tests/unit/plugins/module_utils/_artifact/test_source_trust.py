# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A download is verified like any other artifact, before it is staged: its signature comes with its files."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

from tests.support.archives import files_of, gzipped
from tests.support.artifact_server import ArtifactServer, Response, fetch, sha256
from tests.support.signing import key_text, signed_by_the_tool


@pytest.mark.parametrize("kind", ["registry", "web server"])
def test_signature_of_a_download(server: ArtifactServer, store: Path, kind: str) -> None:
    files = files_of(signed_by_the_tool(store.parent / "signed", "p256"))

    def address(content: dict[str, bytes]) -> dict[str, str]:
        if kind == "registry":
            return {"src": server.push(server.files_as_layers(content))}
        archive = gzipped(content)
        server.files[f"/{sha256(archive)}"] = Response(archive)
        return {"src": f"{server.url}/{sha256(archive)}", "checksum": sha256(archive)}

    trust = [{"names": ["sql"], "keys": [key_text("p256.pub")], "mode": "enforce"}]
    unsigned = {name: content for name, content in files.items() if name != "model.sig"}
    changed = {**files, "adapter_config.json": files["adapter_config.json"] + b"\n"}
    for content in (unsigned, changed):
        with pytest.raises(VllmError) as refused:
            fetch(server, store=store, trust=trust, **address(content))
        assert refused.value.code == "untrusted"
        assert [path.name for path in (store / "sql").iterdir() if not path.name.startswith(".")] == []
    staged = fetch(server, store=store, trust=trust, **address(files))
    assert staged["signature"]["verified"] is True
    # It is verified again in the store, without a download.
    asked = len(server.log)
    assert fetch(server, store=store, trust=trust, **address(files))["changed"] is False
    assert len(server.log) == asked
    with pytest.raises(VllmError) as revoked:
        fetch(server, store=store / "other", revoked=[staged["digest"]], **address(files))
    assert revoked.value.code == "revoked"
