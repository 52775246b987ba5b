# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of a Kubernetes API server as the example needs: it stores what is applied, and has replicas at once.

No controller runs behind it. The Deployment is available as soon as it is stored, and its replicas are the stand-ins.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

# (group and version, plural name, kind) of what can be asked for.
_RESOURCES = [
    ("v1", "services", "Service"),
    ("v1", "persistentvolumeclaims", "PersistentVolumeClaim"),
    ("apps/v1", "deployments", "Deployment"),
    ("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
]
_VERBS = ["create", "delete", "get", "list", "patch", "update"]


class Cluster:
    """A context manager. `replicas`: (host, port) by the name of the pod; `stored`: what was applied, by kind and name."""

    def __init__(self, replicas: dict[str, tuple[str, int]]) -> None:
        self.replicas = replicas
        self.stored: dict[str, dict[str, dict[str, Any]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Cluster:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def write_kubeconfig(self, file: Path) -> Path:
        """Write with what kubectl and kubernetes.core find this cluster."""
        cluster = {"name": "emulated", "cluster": {"server": self.url}}
        context = {"name": "emulated", "context": {"cluster": "emulated", "user": "anyone"}}
        users = [{"name": "anyone", "user": {}}]
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "emulated"}
        file.write_text(yaml.safe_dump({**config, "clusters": [cluster], "contexts": [context], "users": users}))
        return file

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        if found := _discovery(path):
            return 200, found
        parts = path.split("/namespaces/")[1].split("/")  # namespace, plural name, and the name of one
        kind = next(kind for _version, plural, kind in _RESOURCES if plural == parts[1])
        of_kind = self.stored.setdefault(kind, {})
        name = parts[2] if len(parts) > 2 else (body or {}).get("metadata", {}).get("name")
        if method == "GET" and name is None:
            items = self._slices() if kind == "EndpointSlice" else list(of_kind.values())
            return 200, {"kind": f"{kind}List", "apiVersion": _version(kind), "metadata": {}, "items": items}
        if method == "GET":
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            return (200, of_kind[name]) if name in of_kind else (404, missing)
        of_kind[name] = _merged(of_kind.get(name, {}), body or {})
        of_kind[name]["metadata"].update(namespace=parts[0], uid=f"{kind}-{name}")
        if kind == "Deployment":
            of_kind[name]["status"] = {"conditions": [{"type": "Available", "status": "True"}]}
        return (201 if method == "POST" else 200), of_kind[name]

    def _slices(self) -> list[dict[str, Any]]:
        """One for each replica of the Deployment behind the headless service, once both are there."""
        service = self.stored.get("Service", {}).get("inference-replicas")
        if not service or "inference" not in self.stored.get("Deployment", {}):
            return []
        return [
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"inference-replicas-{name}",
                    "labels": {"kubernetes.io/service-name": "inference-replicas"},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": port}],
                "endpoints": [{"addresses": [host], "conditions": {}, "targetRef": {"kind": "Pod", "name": name}}],
            }
            for name, (host, port) in self.replicas.items()
        ]


def _version(kind: str) -> str:
    return next(version for version, _plural, known in _RESOURCES if known == kind)


def _discovery(path: str) -> dict[str, Any] | None:
    """What an API server tells of itself."""
    if path == "/version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        versions = sorted({version for version, _plural, _kind in _RESOURCES if "/" in version})
        entries = [{"groupVersion": version, "version": version.split("/")[1]} for version in versions]
        groups = [
            {"name": entry["groupVersion"].split("/")[0], "versions": [entry], "preferredVersion": entry}
            for entry in entries
        ]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    version = path.removeprefix("/apis/").removeprefix("/api/")
    resources = [
        {"name": plural, "singularName": "", "namespaced": True, "kind": kind, "verbs": _VERBS}
        for of_version, plural, kind in _RESOURCES
        if of_version == version
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources} if resources else None


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: _merged(old.get(key), value) for key, value in new.items()}}


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = cluster.answer(self.command, urlsplit(self.path).path, body)
            content = json.dumps(answer).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_PUT = do_GET

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    return Handler
