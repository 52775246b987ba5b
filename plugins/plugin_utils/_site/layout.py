# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a site that looks after itself: its files, its lock, and the ledger of the bundles that it has applied.

Below ``agent_directory``, by default ``/var/lib/sovereign_vllm``:

- ``site/hosts.yml``: the inventory with the resolved declaration of the last applied bundle. It is replaced as a whole.
- ``next/hosts.yml``: the same of a bundle that is being applied. No agent reads it.
- ``ledger.json``: ``format``, ``node`` (the name of this node), ``applied`` (serial of the last applied bundle, or null) and
  ``started`` (``serial`` and ``manifest``, the SHA-256 of its manifest, of a bundle that is not applied yet, or null).
- ``allowed_signers``: the keys that may sign bundles for this site, as ssh-keygen reads them.
- ``results/result-<node>-<serial>``: the newest results, signed.
- ``carried/collections`` and ``carried/wheels``: files of the last bundle that carried some, verified.
- ``fingerprints``: what ``lora_fingerprints`` records here.
- ``lock``: whoever changes the site holds an exclusive ``flock`` on this file.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.node_lock import node_lock
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host import files

FORMAT = 1
DEFAULT_DIRECTORY = "/var/lib/sovereign_vllm"
INVENTORY = "hosts.yml"
# Ansible ignores such a file in the directory of an inventory.
_PART = ".part-"


@dataclass(frozen=True)
class Layout:
    """The paths below ``agent_directory``."""

    directory: Path

    @property
    def inventory(self) -> Path:
        return self.directory / "site" / INVENTORY

    @property
    def next_inventory(self) -> Path:
        return self.directory / "next" / INVENTORY

    @property
    def allowed_signers(self) -> Path:
        return self.directory / "allowed_signers"

    @property
    def ledger(self) -> Path:
        return self.directory / "ledger.json"

    @property
    def results(self) -> Path:
        return self.directory / "results"

    @property
    def carried(self) -> Path:
        return self.directory / "carried"

    @property
    def fingerprints(self) -> Path:
        return self.directory / "fingerprints"

    @property
    def lock(self) -> Path:
        return self.directory / "lock"


@contextlib.contextmanager
def site_lock(layout: Layout) -> Iterator[int]:
    """Hold the lock of the site, and yield its descriptor. Programs that inherit it hold the lock as well, until they end.

    :raises VllmError: ``site_busy`` if another run holds it, ``store_error`` if the directory cannot be used.
    """
    with contextlib.ExitStack() as held:
        try:
            descriptor = held.enter_context(node_lock(str(layout.lock)))
        except OSError as error:
            hint = "set agent_directory to the directory of this site, and run as a user who may write there"
            raise VllmError("store_error", f"{layout.lock} cannot be opened ({error.strerror})", hint) from None
        yield descriptor


@dataclass(frozen=True)
class Started:
    """A bundle that is being applied, or whose application was interrupted or taken back.

    :param manifest: the SHA-256 of its manifest, in hexadecimal digits.
    """

    serial: int
    manifest: str


@dataclass(frozen=True)
class Ledger:
    """What the site remembers of bundles. See the file at the top.

    :param applied: serial of the last bundle that was applied.
    """

    node: str | None = None
    applied: int | None = None
    started: Started | None = None

    def check(self, serial: int, manifest: str) -> None:
        """Check that a bundle may be applied. The ledger decides this, and no clock.

        :raises VllmError: ``bundle_superseded`` if the bundle was applied already, or if it is older than the last one.
        """
        hint = "take the newest bundle, or have headquarters make another one"
        if self.applied is not None and serial == self.applied:
            raise VllmError("bundle_superseded", f"bundle {serial} was applied here already", hint)
        newest = max(self.applied or 0, self.started.serial if self.started else 0)
        if serial < newest:
            raise VllmError("bundle_superseded", f"bundle {serial} is older than {newest}, the newest one here", hint)
        if self.started and serial == self.started.serial and manifest != self.started.manifest:
            problem = f"another bundle with the serial {serial} was begun here"
            raise VllmError("bundle_superseded", problem, hint)

    def begin(self, node: str, serial: int, manifest: str) -> Ledger:
        return replace(self, node=node, started=Started(serial, manifest))

    def complete(self, serial: int) -> Ledger:
        return replace(self, applied=serial, started=None)

    def as_dict(self) -> dict:
        started = {"serial": self.started.serial, "manifest": self.started.manifest} if self.started else None
        return {"format": FORMAT, "node": self.node, "applied": self.applied, "started": started}


def read_ledger(layout: Layout) -> Ledger:
    """Return the ledger, an empty one if the site has none.

    :raises VllmError: ``store_error`` if it cannot be read. Without it, an old bundle could not be told from a new one.
    """
    try:
        content = json.loads(layout.ledger.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        problem = f"the ledger {layout.ledger} cannot be read ({error.strerror})"
        raise VllmError("store_error", problem, "run as a user who may read it") from None
    except ValueError as error:
        raise _damaged(layout, str(error)) from None
    try:
        return _ledger(content)
    except (KeyError, TypeError, ValueError):
        raise _damaged(layout, "it holds something else") from None


def _ledger(content: Mapping) -> Ledger:
    if content["format"] != FORMAT:
        raise ValueError(content["format"])
    node, applied, started = content["node"], content["applied"], content["started"]
    return Ledger(
        None if node is None else str(node),
        None if applied is None else int(applied),
        Started(int(started["serial"]), str(started["manifest"])) if started else None,
    )


def _damaged(layout: Layout, why: str) -> VllmError:
    hint = "restore it from a copy; without it, an old bundle cannot be told from a new one"
    return VllmError("store_error", f"the ledger {layout.ledger} cannot be used ({why})", hint)


def write_ledger(layout: Layout, ledger: Ledger) -> None:
    """Replace the ledger at once, so that a power cut leaves the former one or this one."""
    replace_file(layout.ledger, json.dumps(ledger.as_dict(), indent=2).encode() + b"\n")


def replace_file(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Make the file have this content, on the disk, or leave it as it was. The caller holds the lock of the site, or has made the
    directory for itself.

    :raises VllmError: ``store_error`` if it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for part in file.parent.glob(f"{_PART}*"):
            part.unlink()  # of a run that was killed
        files.replace_file(file, content, mode, _PART)
        sync_directory(file.parent)
    except OSError as error:
        hint = "check that the disk has room, and that the user of this run may write there"
        raise VllmError("store_error", f"{quoted(file)} cannot be written ({error.strerror})", hint) from None


def sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def path_in(variable: str, value: object, default: str | None = None) -> Path:
    """Return an absolute path that a variable gives.

    :raises VllmError: ``invalid_request`` if it gives none.
    """
    text = str(value or default or "").strip()
    if not text or "\0" in text:
        raise refused(f"{variable} is not set", "give its path")
    return Path(os.path.abspath(os.path.expanduser(text)))
