# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and lists of signers that cannot be used: the reason is in the sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.signing import require_signer, sign

from tests.support.sealed import new_key


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return new_key(tmp_path / "key")


def test_a_key_that_cannot_sign(tmp_path: Path, key: Path) -> None:
    others_can_read = tmp_path / "open"
    others_can_read.write_bytes(key.read_bytes())
    others_can_read.chmod(0o644)
    (tmp_path / "text").write_text("no key")
    for file, says in (
        (others_can_read, "Permissions 0644"),
        (tmp_path / "text", "cannot sign"),
        (tmp_path / "missing", "is no file"),
        (tmp_path, "is no file"),
    ):
        with pytest.raises(VllmError, match=says) as error:
            sign(b"content", file, "bundle", "bundle_signing_key")
        assert error.value.code == "invalid_request"
        # ssh-keygen draws a frame of these around a warning.
        assert "@@" not in error.value.message and "\\n" not in error.value.message


@pytest.mark.parametrize(
    ("line", "says"),
    [
        # The rest of the sentence is that of the release of ssh-keygen.
        ("headquarters", "allowed_signers:1: "),
        ("headquarters namespaces=sovereign.vllm.bundle {key}", "allowed_signers:1: bad options"),
        ('headquarters namespaces="sovereign.vllm.result" {key}', "allowed_signers:1: key is not permitted"),
        ('headquarters valid-before="20200101" {key}', "allowed_signers:1: key has expired"),
        (None, "No such file or directory"),
    ],
)
def test_a_list_of_signers_that_names_no_signer(line: str | None, says: str, tmp_path: Path, key: Path) -> None:
    signature = sign(b"content", key, "bundle", "key")
    signers = tmp_path / "allowed_signers"
    if line is not None:
        signers.write_text(line.format(key=key.with_suffix(".pub").read_text()))
    with pytest.raises(VllmError, match=says) as error:
        require_signer(b"content", signature, signers, "bundle", "the bundle")
    assert error.value.code == "untrusted"


def test_the_name_of_the_signer(tmp_path: Path, keys: SimpleNamespace) -> None:
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"headquarters {keys.headquarters.with_suffix('.pub').read_text()}")
    signature = sign(b"content", keys.headquarters, "bundle", "key")
    assert require_signer(b"content", signature, signers, "bundle", "the bundle") == "headquarters"
