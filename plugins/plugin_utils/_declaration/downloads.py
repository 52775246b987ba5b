# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads artifacts to the controller, each once for all hosts and runs: a folder by digest in Ansible's home."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.source import (
    check_source,
    pin_of,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import checked_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.checks import (
    CHECKS,
    refuse_revoked,
    valid_download,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.source import download
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.stage import make_home, stage
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.known_digests import (
    HOME,
    known_digest,
    remember_digest,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.progress import speaking

#: The folders by digest. They can be removed at any time.
ARTIFACTS = os.path.join(HOME, "artifacts")
_MEGABYTE = 10**6


def downloaded(name: str, src: str, options: Mapping, inspected: Callable[[str, Mapping], dict]) -> str:
    """Return the folder on the controller that holds the artifact of an address. It is downloaded if it is not there.

    Whoever changes the environment of a task, such as its proxies, does so before this is called.

    :param name: of the adapter.
    :param src: the address, ``https://...`` or ``oci://...``.
    :param options: ``digest``, ``CHECKS`` and ``SOURCE_OPTIONS``, all of them, the policy of trust with the text of its keys. An
        artifact that does not meet these is refused.
    :param inspected: as ``inspect_artifact()`` with these options, and reads the same folder only once for all hosts of a run.
    :raises VllmError: if it cannot be downloaded or used. No new folder is left then.
    """
    wanted, checksum = (
        None if options[key] is None else checked_digest(key, options[key]) for key in ("digest", "checksum")
    )
    check_source(name, src, bool(wanted or checksum))
    pin = pin_of(src, checksum)
    refuse_revoked(name, (wanted, pin, known_digest(pin) if pin else None), options["revoked"])

    def present() -> str | None:
        # Another address can have a signature beside the same files.
        digest = (known_digest(pin) or pin) if pin else wanted
        folder = _folder(str(digest))
        if not os.path.isdir(folder):
            return None
        found = inspected(folder, {**dict.fromkeys(CHECKS), "trust": options["trust"], "name": name})
        if found["digest"] != digest:
            # Nothing is served from here.
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return None if found["code"] == "untrusted" else folder

    def use(path: str) -> str:
        digest = valid_download({**options, "name": name, "src": src}, path, wanted)["digest"]
        folder = _folder(digest)
        stage(path, folder, digest, _keep, options["max_size"])
        return folder

    make_home(ARTIFACTS, _keep)
    far = [0, 0]

    def progress(done: int, total: int | None) -> None:
        far[:] = done, total or 0

    def how_far() -> str:
        of = f" of {far[1] / _MEGABYTE:.0f}" if far[1] else ""
        return f"{far[0] / _MEGABYTE:.0f}{of} MB"

    with speaking("controller", f"downloading adapter '{printable(name)}'", how_far):
        everything = {"name": name, **options}
        folder = download(name, src, everything, ARTIFACTS, present, use, os.environ, progress)
    remember_digest(pin, "sha256:" + os.path.basename(folder))
    return folder


def _folder(digest: str) -> str:
    return os.path.join(ARTIFACTS, digest.partition(":")[2])


def _keep(_path: str) -> bool:
    """Leave owner and mode of a directory of the controller as they are."""
    return False
