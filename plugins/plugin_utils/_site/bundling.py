# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the bundle of a node: its declaration, and the artifacts that the site does not have."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import digest_of
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError, chunks
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import open_artifact
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.clock import utc
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import as_yaml
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.declared import read_carried
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.environment import is_collection
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import INVENTORY, sync_directory
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import (
    CHUNK,
    directory_name,
    open_file,
    parsed_name,
    seal,
)

#: The inventory in a bundle.
DECLARED = f"site/{INVENTORY}"
KEY = "bundle_signing_key"
_UNFINISHED = ".unfinished-"
_HEADER = "# Written by the playbook sovereign.vllm.bundle. The next bundle replaces it.\n---\n"

# A host of a bundle is the node itself. The directory of the site is known only there.
_LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
_FINGERPRINTS = {"lora_fingerprints": "{{ inventory_dir | dirname }}/fingerprints"}

Files = dict[str, tuple[str, int]]


@dataclass(frozen=True)
class Extras:
    """What bundles carry beside declarations and artifacts.

    :param key: signs the bundles.
    :param files: the path in a bundle → the file.
    """

    key: Path
    files: Mapping[str, Path]


def files_to_carry(collection: Path | None, wheels: Path | None) -> dict[str, Path]:
    """Return the path in a bundle → the file. The given files can be links.

    :param collection: a tarball of the collection.
    :param wheels: a directory with wheels.
    :raises VllmError: ``invalid_request`` if one is missing, or is something else.
    """
    found = {}
    if collection:
        if not is_collection(collection):
            raise refused(
                f"bundle_collection {quoted(collection)} is not the tarball of sovereign.vllm",
                "give the file that ansible-galaxy collection download has written",
            )
        found[f"collections/{collection.name}"] = collection.resolve()
    if wheels:
        files = sorted(wheels.glob("*.whl"))
        if not files:
            raise refused(f"bundle_wheels {quoted(wheels)} is no directory with wheels", "fill it, as by pip download")
        found.update({f"wheels/{file.name}": file.resolve() for file in files})
    return found


@dataclass
class Bundle:
    """The bundle of one node, while it is written.

    :param hosts: what ``bundled_host()`` returns for each host of the node.
    :param present: digests that the site has.
    """

    node: str
    serial: int
    hosts: Sequence[Mapping]
    present: frozenset[str]
    carried: dict[str, str] = field(default_factory=dict)
    files: Files = field(default_factory=dict)

    def write(self, directory: Path, extras: Extras, loader: Any) -> Path:
        """Write the bundle beside its name, and rename it. A killed run leaves no bundle.

        :raises VllmError: if an artifact cannot be carried, or the directory cannot be written. Nothing is left then.
        """
        target = directory / directory_name("bundle", self.node, self.serial)
        beside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=directory))
        try:
            os.chmod(beside, 0o755)
            digests = {host["name"]: self._carry_artifacts(beside, host, loader) for host in self.hosts}
            self._write_text(beside, DECLARED, _HEADER + as_yaml(site_inventory(self.hosts, digests)))
            for path, file in extras.files.items():
                with open_file(file) as stream:
                    self.files[path] = copy_hashed(iter(lambda: stream.read(CHUNK), b""), beside / path)
            header = {"kind": "bundle", "node": self.node, "serial": self.serial, "made_at": utc()}
            seal(beside, {**header, "hosts": sorted(digests)}, self.files, extras.key, KEY)
            for folder, _folders, _files in os.walk(beside):
                sync_directory(Path(folder))
            os.rename(beside, target)
            sync_directory(directory)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return target

    def _carry_artifacts(self, beside: Path, host: Mapping, loader: Any) -> dict[str, str]:
        """Return name → digest of the adapters of a host whose artifacts the site has or gets."""
        return {one["name"]: self._carry(beside, one, loader) for one in host["artifacts"]}

    def _carry(self, beside: Path, artifact: Mapping, loader: Any) -> str:
        digest = artifact["digest"]
        if digest in self.present or digest in self.carried:
            return digest
        name = artifact["name"]
        if "src" not in artifact:
            raise VllmError(
                "artifact_not_found",
                f"adapter {quoted(name)} of {self.node} is declared by digest alone, and the site does not have it by its last result",
                "give src as well, or name the directory with the results of the site in drift_report_results",
            )
        source, found = read_carried(artifact, loader)
        if digest and found != digest:
            problem = f"Adapter {quoted(name)}: the digest of {quoted(source)} is {found}, not {digest}: correct src or digest."
            raise ArtifactError(problem)
        if found not in self.present and found not in self.carried:
            self._copy_artifact(beside, source, found)
            self.carried[found] = name
        return found

    def _copy_artifact(self, beside: Path, source: str, digest: str) -> None:
        folder = f"artifacts/{digest.partition(':')[2]}"
        hashes = {}
        with open_artifact(source) as listing:
            listing.require_files()
            for name in (*listing.files, *listing.evidence):
                path = f"{folder}/{name.decode('ascii')}"
                with listing.open(name) as stream:
                    self.files[path] = copy_hashed(chunks(stream), beside / path)
                if name in listing.files:
                    hashes[name] = self.files[path][0]
        if digest_of(hashes) != digest:
            raise ArtifactError(f"{quoted(source)} changed while it was read: try again.")

    def _write_text(self, beside: Path, path: str, text: str) -> None:
        self.files[path] = copy_hashed(iter([text.encode()]), beside / path)


def site_inventory(hosts: Iterable[Mapping], digests: Mapping[str, Mapping[str, str]]) -> dict:
    """Return the inventory of a node, in which staged adapters are declared by their digests.

    :param hosts: as :func:`bundled_host` returns them.
    :param digests: host → name of an adapter → digest.
    """
    return {"vllm": {"hosts": {host["name"]: _with_digests(host, digests[host["name"]]) for host in hosts}}}


def _with_digests(host: Mapping, digests: Mapping[str, str]) -> dict:
    adapters = [
        {**adapter, **({"digest": digests[adapter["name"]]} if adapter["name"] in digests else {})}
        for adapter in host["variables"]["lora_adapters"]
    ]
    fingerprints = _FINGERPRINTS if host["fingerprints"] else {}
    return {**_LOCAL, **host["variables"], **fingerprints, "lora_adapters": adapters}


def copy_hashed(pieces: Iterator[bytes], *files: Path) -> tuple[str, int]:
    """Write the pieces to new files, onto the disk, and return their SHA-256 and size. One pass does both.

    :raises VllmError: ``store_error`` if a file cannot be written.
    """
    digest, size = hashlib.sha256(), 0

    def hashed() -> Iterator[bytes]:
        nonlocal size
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            yield piece

    write_pieces(hashed(), *files)
    return digest.hexdigest(), size


def write_pieces(pieces: Iterator[bytes], *files: Path) -> None:
    """Write the pieces to new files, onto the disk.

    :raises VllmError: ``store_error`` if a file cannot be written.
    """
    try:
        with contextlib.ExitStack() as opened:
            for file in files:
                file.parent.mkdir(parents=True, exist_ok=True)
            streams = [opened.enter_context(open(file, "xb", buffering=0)) for file in files]
            for piece in pieces:
                for stream in streams:
                    _write(stream.fileno(), piece)
            for stream in streams:
                os.fsync(stream.fileno())
    except OSError as error:
        where = quoted(error.filename or (files[0] if files else "the source"))
        problem = f"{where} cannot be written ({error.strerror})"
        raise VllmError("store_error", problem, "check that the disk has room and can be written") from None


def _write(descriptor: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(descriptor, left) :]


def next_serial(node: str, directory: Path, known: Iterable[int]) -> int:
    """Return the serial of the next bundle of a node: the time in UTC as ``YYYYMMDDhhmmss``, and more than every serial of the
    node in the directory and in ``known``. So no file keeps it, and a clock that was set back does not repeat one."""
    found = [parsed_name(entry.name) for entry in directory.iterdir()]
    serials = [serial for name in found if name for kind, its, serial in [name] if (kind, its) == ("bundle", node)]
    return max(int(time.strftime("%Y%m%d%H%M%S", time.gmtime())), *(serial + 1 for serial in (*serials, *known, 0)))


@contextlib.contextmanager
def writable(directory: Path) -> Iterator[None]:
    """Make the directory of the bundles, keep two runs in it apart, and remove what a killed run has left in it.

    :raises VllmError: ``store_error`` if it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with open(directory / ".lock", "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for entry in directory.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(entry, ignore_errors=True)
            yield
    except OSError as error:
        problem = f"{quoted(error.filename or directory)} cannot be used ({error.strerror})"
        hint = "check that this user can write bundle_directory, and read what the bundle carries"
        raise VllmError("store_error", problem, hint) from None
