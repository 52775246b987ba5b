# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the files of a bundle to their places at the site: artifacts into the store, carried files into ``carried``.

Each file is read once: it is copied and compared with the manifest in one pass. Nothing is at its place before all files of the
bundle have been compared.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import checked_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import digest_of
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import EVIDENCE, names_that_vllm_reads
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.store import (
    UNFINISHED,
    locked,
    remove_unfinished,
    version_directory,
)
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.bundling import DECLARED, write_pieces
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import Layout, sync_directory
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.result_files import put_in_place, store_errors
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import Sealed

# Artifacts. While the disk takes one of them, another one is compared.
_AT_ONCE = 2
_FOLDERS = ("artifacts", "collections", "wheels", "site")


@dataclass(frozen=True)
class Declared:
    """An adapter that the bundle declares by its digest, and its directory in the store."""

    name: str
    digest: str
    target: Path


@dataclass(frozen=True)
class Declaration:
    """The inventory in a bundle.

    :param text: to be written as it is.
    :param hosts: name → its variables.
    """

    text: bytes
    hosts: Mapping[str, Mapping]
    adapters: list[Declared]


def read_declaration(bundle: Sealed) -> Declaration:
    """Return the inventory of the bundle.

    :raises VllmError: ``bundle_damaged`` if it is not as it was signed, or is none.
    """
    if DECLARED not in bundle.files:
        raise bundle.damaged(f"it has no {DECLARED}")
    text = bundle.read(DECLARED)
    try:
        hosts = yaml.safe_load(text)["vllm"]["hosts"]
        if sorted(hosts) != bundle.hosts:
            raise ValueError(hosts)
        return Declaration(text, hosts, [one for host in hosts.values() for one in _declared(host)])
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError):
        raise bundle.damaged(f"{DECLARED} is not an inventory of its hosts") from None


def _declared(host: Mapping) -> Iterator[Declared]:
    for one in host["lora_adapters"]:
        if "digest" in one and "src" not in one and one.get("state") != "absent":
            digest = checked_digest("digest", one["digest"])
            yield Declared(one["name"], digest, Path(version_directory(host["lora_store"], one["name"], digest)))


@dataclass
class Staging:
    """The files of a bundle on their way.

    :param renames: a complete directory → its place.
    :param replacements: a complete file → the file that it replaces.
    """

    bundle: Sealed
    adapters: list[Declared]
    layout: Layout
    renames: dict[Path, Path] = field(default_factory=dict)
    replacements: dict[Path, Path] = field(default_factory=dict)

    def check(self) -> None:
        """Check by the manifest alone that the bundle can be staged.

        :raises VllmError: ``bundle_damaged`` or ``artifact_not_found``.
        """
        self._check_folders()
        self._check_artifacts()

    def run(self) -> list[Path]:
        """Copy and compare all files, then put each directory in its place. Return the places of new directories.

        :raises VllmError: ``bundle_damaged``, ``artifact_not_found`` or ``store_error``. Nothing is in its place then.
        """
        homes = sorted({adapter.target.parent for adapter in self.adapters})
        made: list[Path] = []
        with contextlib.ExitStack() as stack:
            for home in homes:
                made += _make_directories(home)
                stack.enter_context(locked(str(home)))
                remove_unfinished(str(home))
            try:
                with ThreadPoolExecutor(_AT_ONCE) as pool:
                    list(pool.map(self._stage, sorted(self._folders())))
                self._stage_carried()
                return self._commit()
            except BaseException:
                for beside in (*self.renames, *(file.parent for file in self.replacements)):
                    shutil.rmtree(beside, ignore_errors=True)
                for home in reversed(made):
                    _remove_empty(home)
                raise

    def _folders(self) -> dict[str, dict[str, tuple[str, int]]]:
        """Return digest → the files of the artifact in the bundle."""
        found: dict[str, dict[str, tuple[str, int]]] = {}
        for path, known in self.bundle.below("artifacts").items():
            folder, _slash, name = path.partition("/")
            found.setdefault(f"sha256:{folder}", {})[name] = known
        return found

    def _check_folders(self) -> None:
        for path in self.bundle.files:
            if path.split("/")[0] not in _FOLDERS or (path.startswith("site/") and path != DECLARED):
                raise self.bundle.damaged(f"{quoted(path)} is no file of a bundle")

    def _check_artifacts(self) -> None:
        """Check that each artifact has the digest that it is named after, and that no declared one is missing."""
        folders = self._folders()
        for digest, files in folders.items():
            hashes = {os.fsencode(name): known for name, (known, _size) in files.items()}
            hashes = {name: known for name, known in hashes.items() if name not in EVIDENCE}
            if digest_of(hashes) != digest or sorted(names_that_vllm_reads(hashes)) != sorted(hashes):
                raise self.bundle.damaged(f"the files of an artifact do not have its digest {digest}")
        for adapter in self.adapters:
            if adapter.digest not in folders and not adapter.target.is_dir():
                raise VllmError(
                    "artifact_not_found",
                    f"the bundle does not carry the artifact {adapter.digest} of adapter {quoted(adapter.name)}, and the store does "
                    f"not have it in {quoted(adapter.target)}",
                    "have headquarters make a bundle with bundle_full=true",
                )

    def _stage(self, digest: str) -> None:
        besides, evident = [], []
        for target in dict.fromkeys(one.target for one in self.adapters if one.digest == digest):
            if target.exists():
                # The version may have been staged without its signature.
                evident.append(target)
                continue
            with store_errors(target.parent):
                beside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=target.parent))
                os.chmod(beside, 0o755)
            besides.append(beside)
            self.renames[beside] = target
        folder = f"artifacts/{digest.partition(':')[2]}"
        for name in self.bundle.below(folder):
            # A file without a place is only compared.
            places = [beside / name for beside in besides]
            if os.fsencode(name) in EVIDENCE:
                places += [self._beside(target / name) for target in evident]
            write_pieces(self.bundle.verified(f"{folder}/{name}"), *places)

    def _beside(self, target: Path) -> Path:
        """Return the path of a new file that replaces another one at the end."""
        with store_errors(target.parent):
            file = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=target.parent.parent)) / target.name
        self.replacements[file] = target
        return file

    def _stage_carried(self) -> None:
        for folder in ("collections", "wheels"):
            files = self.bundle.below(folder)
            if not files:
                continue
            with store_errors(self.layout.carried):
                self.layout.carried.mkdir(exist_ok=True)
                for entry in self.layout.carried.glob(".*"):
                    if entry not in self.renames:
                        shutil.rmtree(entry)  # of a run that was killed
                beside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.layout.carried))
                os.chmod(beside, 0o755)
            self.renames[beside] = self.layout.carried / folder
            for name in files:
                write_pieces(self.bundle.verified(f"{folder}/{name}"), beside / name)

    def _commit(self) -> list[Path]:
        with store_errors(self.layout.directory):
            for beside, target in self.renames.items():
                sync_directory(beside)
                put_in_place(beside, target)
            for file, target in self.replacements.items():
                file.chmod(0o644)
                file.replace(target)
                sync_directory(target.parent)
                file.parent.rmdir()
        return list(self.renames.values())


def _make_directories(path: Path) -> list[Path]:
    """Make the directory and its parents. Return those that were missing, the outer ones first."""
    missing = [one for one in (path, *path.parents) if not one.exists()][::-1]
    with store_errors(path):
        for one in missing:
            one.mkdir(exist_ok=True)
    return missing


def _remove_empty(directory: Path) -> None:
    with contextlib.suppress(OSError):
        (directory / ".lock").unlink(missing_ok=True)
        directory.rmdir()
