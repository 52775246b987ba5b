# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures by ssh-keygen: operators have such keys, and nothing depends on the clock of the site."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable, quoted

# Bundles and results have namespaces of their own, so that the signature of one kind never counts for the other.
_NAMESPACE = "sovereign.vllm.{}"
_MOST_SECONDS = 60


def sign(content: bytes, key: Path, kind: str, variable: str) -> bytes:
    """Return the signature of the content.

    :param kind: ``bundle`` or ``result``.
    :param key: file with a private key without passphrase, or with a public key whose private key the SSH agent has.
    :param variable: names the key in messages.
    :raises VllmError: ``invalid_request`` if the key cannot sign.
    """
    hint = "give the file of a private key without passphrase, or the file of a public key whose private key the SSH agent has"
    if not key.is_file():
        raise refused(f"{variable} {quoted(key)} is no file", hint)
    done = _run(["-Y", "sign", "-f", str(key), "-n", _NAMESPACE.format(kind)], content)
    if done.returncode or not done.stdout:
        raise refused(f"{variable} {quoted(key)} cannot sign ({_said(done)})", hint)
    return done.stdout


def require_signer(
    content: bytes, signature: bytes, allowed_signers: Path, kind: str, what: str, name: str | None = None
) -> str:
    """Return the name under which ``allowed_signers`` has the signer of the content.

    :param kind: ``bundle`` or ``result``.
    :param what: names the content in messages.
    :param name: the only name that counts. Without it, every signer in the file counts.
    :raises VllmError: ``untrusted`` if nobody in the file has signed exactly this content, as one of this kind.
    """
    try:
        with allowed_signers.open("rb"):
            pass
    except OSError as error:
        raise VllmError(
            "untrusted",
            f"the keys that may sign {what} cannot be read from {quoted(allowed_signers)} ({error.strerror})",
            "write this file, one line a key, as ssh-keygen(1) describes for allowed signers, and let this user read it",
        ) from None
    namespace = _NAMESPACE.format(kind)
    with tempfile.NamedTemporaryFile(suffix=".sig") as file:
        file.write(signature)
        file.flush()
        done = _run(["-Y", "find-principals", "-s", file.name, "-f", str(allowed_signers)], b"")
        for one in [name] if name else _names(done):
            done = _run(
                ["-Y", "verify", "-f", str(allowed_signers), "-I", one, "-n", namespace, "-s", file.name], content
            )
            if not done.returncode:
                return one
    whose = f"{quoted(name)} in {quoted(allowed_signers)}" if name else f"a signer in {quoted(allowed_signers)}"
    raise VllmError(
        "untrusted",
        f"the signature of {what} is not one of {whose} for the namespace {namespace} ({_said(done)})",
        "find out who made it; if its maker is to be trusted, add the public key to that file",
    )


def _names(done: subprocess.CompletedProcess[bytes]) -> Sequence[str]:
    lines = done.stdout.decode(errors="replace").splitlines() if not done.returncode else []
    return [name for line in lines for name in line.split(",") if name]


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return why ssh-keygen failed, in one line and without the frames that it draws."""
    lines = (line.strip("@ \t\r") for line in done.stderr.decode(errors="replace").splitlines())
    return printable("; ".join(line.rstrip(".") for line in lines if line))


def _run(arguments: Sequence[str], content: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        # In a session of its own it has no terminal to ask for a passphrase.
        return subprocess.run(
            ["ssh-keygen", *arguments],
            input=content,
            capture_output=True,
            env={**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"},
            start_new_session=True,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise refused(f"ssh-keygen cannot be run ({error})", "install OpenSSH 8.2 or later on this machine") from None
