# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of the controller that stays: checksum of an archive, or digest of a manifest → digest of the files."""

from __future__ import annotations

import contextlib
import os

from ansible import constants as C
from ansible.utils.display import Display
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.store import (
    INDEX,
    locked,
    read_index,
    write_index,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

#: The directory of the controller that stays between runs.
HOME: str = os.path.join(C.ANSIBLE_HOME, "sovereign_vllm")  # type: ignore[attr-defined]  # Ansible adds its settings to this module.


def known_digest(checksum: str) -> str | None:
    """Return the digest of the artifact that had this checksum when it was read or staged, or None.

    It only tells the path. Staging compares the files again.
    """
    return _known().get(checksum)


def remember_digest(checksum: str | None, digest: str) -> None:
    """Remember the digest for a checksum. If the index cannot be written, the next run reads the artifact again."""
    if checksum is None or _known(quietly=True).get(checksum) == digest:
        return
    with contextlib.suppress(OSError, VllmError):
        os.makedirs(HOME, exist_ok=True)
        with locked(HOME):
            write_index(HOME, {**read_index(HOME), checksum: digest})


def _known(quietly: bool = False) -> dict[str, str]:
    index = read_index(HOME)
    # An index has one digest at least.
    if not index and not quietly and os.path.lexists(os.path.join(HOME, INDEX)):
        Display().warning(f"{os.path.join(HOME, INDEX)} cannot be used, so artifacts are read again; remove it.")
    return index
