# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server and registry on loopback that answers as it is told, also badly. And what is pushed to a registry."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.source import SOURCE_OPTIONS

from .archives import stage

DEFAULTS = {name: option.get("default") for name, option in SOURCE_OPTIONS.items()}
TAR, TAR_GZIP = "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TITLE, FILEPATH = "org.opencontainers.image.title", "org.cncf.model.filepath"
UNPACK = {"io.deis.oras.content.unpack": "true"}


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Response:
    """claimed: the Content-Length, if it is not the true one; ranges: whether the server can answer with a part."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    claimed: int | None = None
    ranges: bool = False
    endless: bool = False
    trickles: bool = False


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.log.append((self.path, dict(self.headers), self.rfile.read(length).decode()))
        found = self.server.answer(self.path, self.headers)
        start, status = 0, found.status
        if found.ranges and self.headers.get("Range"):
            start, status = int(self.headers["Range"][len("bytes=") : -1]), 206
        body = found.body[start:]
        self.send_response(416 if start >= len(found.body) > 0 else status)
        for name, value in found.headers.items():
            self.send_header(name, value)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(found.body) - 1}/{len(found.body)}")
        if not (found.endless or found.trickles):
            self.send_header("Content-Length", str(len(body) if found.claimed is None else found.claimed - start))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            self.wfile.write(body)
            while found.endless or found.trickles:
                self.wfile.write(bytes(1 if found.trickles else 1 << 16))
                time.sleep(0.05 if found.trickles else 0)
        except OSError:
            pass  # The client had enough.

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    log: list[tuple[str, dict, str]]
    answer: Callable[[str, Mapping[str, str]], Response]


class ArtifactServer:
    """files: path → answer. Others are 404. guard: returns the answer to a request that is refused, or None.

    tls: to speak https. log: path, headers and body of each request.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, Response] = {}
        self.guard: Callable[[str, Mapping[str, str]], Response | None] = lambda path, headers: None
        self.log: list[tuple[str, dict, str]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.log, self._server.answer = self.log, self._answer
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http{'s' if tls else ''}://{self.host}"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> ArtifactServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str, headers: Mapping[str, str]) -> Response:
        return self.guard(path, headers) or self.files.get(path.partition("?")[0], Response(b"nothing here", 404))

    @property
    def asked(self) -> list[str]:
        return [path for path, _headers, _body in self.log]

    def push(self, layers: list[dict], repository: str = "adapters/sql", **more: object) -> str:
        """Offer blobs and a manifest of them; returns its address."""
        content = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": layers, **more}).encode()
        return self.push_manifest(content, repository)

    def push_manifest(self, content: bytes, repository: str = "adapters/sql", kind: str = MANIFEST) -> str:
        place = f"/v2/{repository}/manifests/{sha256(content)}"
        self.files[place] = Response(content, headers={"Content-Type": kind})
        return f"oci://{self.host}/{repository}@{sha256(content)}"

    def layer(self, content: bytes, kind: str, repository: str = "adapters/sql", **annotations: str) -> dict:
        """Offer a blob; returns what a manifest says of it. annotations: by the names of this file's constants."""
        self.files[f"/v2/{repository}/blobs/{sha256(content)}"] = Response(content, ranges=True)
        names = {globals()[name.upper()]: value for name, value in annotations.items()}
        return {"mediaType": kind, "digest": sha256(content), "size": len(content), "annotations": names}

    def files_as_layers(self, files: Mapping[str, bytes], kind: str = "application/octet-stream") -> list[dict]:
        """Offer files as ORAS does: one layer each, with its name as the title."""
        return [self.layer(content, kind, title=name) for name, content in files.items()]


def fetch(server: ArtifactServer, src: str, store: Path, check_mode: bool = False, **options: object) -> dict:
    """Stage an artifact of this server, which may be asked by plain http."""
    given = {**DEFAULTS, "source_plain_http": [server.host], "src": src, **options}
    return stage(None, store, check_mode, **given)
