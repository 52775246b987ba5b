# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads an artifact from a web server or a registry, or from one of its mirrors, and hands it on as a local path."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from .._adapters.source import RemoteSource, candidates, remote_source
from .._errors import VllmError, quoted
from .._http.download import Web
from .._operations.operation import require_requests
from .archive import archive_checksum
from .files import ArtifactError
from .layout import (
    INDEX,
    INDEX_TYPES,
    LAYOUT,
    MANIFEST_TYPES,
    MAX_LEVELS,
    MAX_MANIFEST,
    Layer,
    blob_path,
    layers_of,
    next_manifest,
    too_many_levels,
    wanted_layers,
)
from .source_credentials import Credentials
from .source_hosts import Hosts, ranged, read_all
from .source_partial import fill
from .store import store_errors

if TYPE_CHECKING:
    from .source_partial import Progress

_T = TypeVar("_T")
#: Begins the names of directories of downloads, in the directory of an adapter. They are never a version.
DOWNLOAD = ".download-"
_LOCK = ".download.lock"
#: Bytes that an archive can have more than its content.
_SLACK = 1 << 20


def no_progress(_done: int, _total: int | None) -> None:
    """Tell nobody."""


def download(
    name: str,
    src: str,
    options: Mapping,
    home: str,
    present: Callable[[], _T | None],
    use: Callable[[str], _T],
    environment: Mapping[str, str],
    progress: Progress = no_progress,
    web: Callable[..., Web] = Web,
) -> _T:
    """Download an artifact, and return the result of ``use`` for it. The mirrors are tried in order.

    :param name: of the adapter.
    :param options: those of ``SOURCE_OPTIONS``, ``digest``, ``checksum`` and ``max_size``.
    :param home: a directory for the download, which exists. Killed downloads leave their beginning there, and the next one for
        the same digest continues it.
    :param present: returns the result if another run has just downloaded the artifact, or None.
    :param use: gets the path of an archive or of an OCI image layout, and raises ``ArtifactError`` if it cannot be used.
    :param environment: holds secrets, and names auth files.
    :raises VllmError: of the last mirror, with notes of those before.
    """
    require_requests("install requests for this Python, or have the controller download the artifact")
    source = remote_source(src)
    reach = {key: options[f"source_{key}"] for key in ("ca_path", "validate_certs", "use_proxy")}
    credentials = Credentials(options["source_credentials"], options["source_auth_file"], environment)
    hosts = Hosts(name, web(**reach), credentials, options["source_plain_http"])
    pins = [source.digest, options["checksum"], options["digest"]]
    key = hashlib.sha256(json.dumps([pins, None if any(pins) else src]).encode()).hexdigest()
    places = candidates(source, options["source_mirrors"])
    refused: list[VllmError] = []
    with _exclusive(home):
        found = present()
        if found is not None:
            return found
        for place in places:
            one = _Download(hosts, place, options, os.path.join(home, DOWNLOAD + key[:16]), progress)
            try:
                return _use(one, use)
            except VllmError as error:
                if error.code not in _OF_A_SOURCE or one.is_verified:
                    raise
                refused.append(error)
    last = refused.pop()
    for before in refused:
        last.add(f"before that: {before.clause().rstrip('.')} ({before.code})")
    raise last


# Codes that another mirror can do better.
_OF_A_SOURCE = ("download_failed", "unauthorized", "forbidden", "artifact_not_found", "artifact_invalid", "untrusted")


@contextlib.contextmanager
def _exclusive(home: str) -> Iterator[None]:
    """Keep two downloads into the same directory apart. The lock ends with its process."""
    with store_errors(home):
        lock = open(os.path.join(home, _LOCK), "ab")  # noqa: SIM115  # the next line closes it
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _use(download_: _Download, use: Callable[[str], _T]) -> _T:
    """Return the result of ``use``. If the download began with bytes of an earlier one, it is made anew before it is given up."""
    while True:
        is_continued = download_.is_begun
        try:
            found = use(download_.fetch())
        except ArtifactError:
            download_.remove()
            if not is_continued:
                raise
        else:
            download_.remove()
            return found


class _Download:
    """The download of one artifact from one place, into a directory of its own."""

    def __init__(self, hosts: Hosts, source: RemoteSource, options: Mapping, folder: str, progress: Progress) -> None:
        self._hosts = hosts
        self._source = source
        self._folder = folder
        self._archive_path = os.path.join(folder, "archive")
        self._progress = progress
        #: Whether no other place can have other bytes.
        self.is_verified = False
        self._checksum = options["checksum"] and options["checksum"].lower()
        self._max_size = options["max_size"]
        self._limit = self._max_size + _SLACK

    @property
    def is_begun(self) -> bool:
        """Return whether an earlier download left bytes that are compared with nothing as they are read."""
        return any(os.path.exists(self._archive_path + ending) for ending in ("", ".part"))

    def remove(self) -> None:
        """Remove what was downloaded."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def fetch(self) -> str:
        """Return the path of an archive or layout. The bytes of a layout are verified."""
        self._remove_others()
        with store_errors(self._folder):
            os.makedirs(os.path.join(self._folder, "blobs", "sha256"), exist_ok=True)
        if self._source.repository:
            self._write_layout()
            return self._folder
        return self._archive()

    def _remove_others(self) -> None:
        """Remove the beginnings of downloads that nobody wants any more."""
        home, own = os.path.split(self._folder)
        for entry in os.listdir(home):
            if entry.startswith(DOWNLOAD) and entry != own:
                shutil.rmtree(os.path.join(home, entry), ignore_errors=True)

    def _archive(self) -> str:
        path = self._archive_path
        shown = quoted(self._source.shown)
        fill(
            path,
            lambda start: self._hosts.open_archive(self._source, ranged(start)),
            self._limit,
            # `checksum` can also be the digest of the files, so the user of the archive compares it.
            None,
            shown,
            f"{shown} has more than {self._max_size} bytes: raise max_size if this size is right.",
            self._progress,
        )
        self.is_verified = self._checksum is not None and archive_checksum(path) == self._checksum
        return path

    def _write_layout(self) -> None:
        """Write an OCI image layout with the layers that vLLM needs."""
        layers = layers_of(self._manifests())
        archives = [layer for layer in layers if layer.name is None]
        self._require_size(archives)
        for layer in archives:
            self._blob(layer)
        wanted = wanted_layers(self._folder, layers, self._max_size)
        self._require_size([*archives, *wanted])
        for layer in wanted:
            self._blob(layer)
        self._write(LAYOUT, {"imageLayoutVersion": "1.0.0"})
        self.is_verified = True

    def _manifests(self) -> bytes:
        """Return the manifest of the artifact, which an index can lead to."""
        digest = self._source.digest or ""
        for level in range(MAX_LEVELS):
            content, kind = self._manifest(digest)
            if level == 0:
                descriptor = {"mediaType": kind, "digest": digest, "size": len(content)}
                self._write(INDEX, {"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": [descriptor]})
            following = next_manifest(content)
            if following is None:
                return content
            digest = following
        raise too_many_levels()

    def _manifest(self, digest: str) -> tuple[bytes, str]:
        accepted = {"Accept": ", ".join((*MANIFEST_TYPES, *INDEX_TYPES))}
        with self._hosts.open_registry(self._source, f"manifests/{digest}", accepted) as reply:
            content = read_all(reply, MAX_MANIFEST)
            kind = reply.header("Content-Type").partition(";")[0]
        if content is None:
            raise ArtifactError(f"The manifest has more than {MAX_MANIFEST} bytes: push only the adapter.")
        found = "sha256:" + hashlib.sha256(content).hexdigest()
        if found != digest:
            problem = f"The registry {quoted(self._source.host)} answers with the manifest {found}, not {digest}: "
            raise ArtifactError(problem + "use another registry.")
        path = blob_path(self._folder, digest)
        with store_errors(path), open(path, "wb") as stream:
            stream.write(content)
        return content, kind

    def _require_size(self, layers: list[Layer]) -> None:
        total = sum(layer.size for layer in layers)
        if total > self._limit:
            problem = (
                f"The layers have {total} bytes, more than {self._max_size}: raise max_size if this size is right."
            )
            raise ArtifactError(problem)

    def _blob(self, layer: Layer) -> None:
        where = f"blobs/{layer.digest}"
        what = f"the layer {quoted(layer.name)}" if layer.name else f"the layer {layer.digest}"
        fill(
            blob_path(self._folder, layer.digest),
            lambda start: self._hosts.open_registry(self._source, where, ranged(start)),
            layer.size,
            layer.digest,
            what,
            f"The registry sends more bytes of {what} than the manifest tells: use another registry.",
            self._progress,
        )

    def _write(self, name: str, content: dict) -> None:
        path = os.path.join(self._folder, name)
        with store_errors(path), open(path, "w", encoding="utf-8") as stream:
            json.dump(content, stream)
