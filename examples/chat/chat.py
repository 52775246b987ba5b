# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page that asks the models of an inventory: choose a site and an adapter, ask, and see the answer and the site that gave it.

    python3 chat.py -i sites.vllm.yml --port 8080

Needs only ansible-core, requests and the collection. The browser sends requests only to this program, which asks the sites. The
addresses of the sites come from the inventory and their keys from the environment, and the browser gets neither. The key is in
VLLM_API_KEY, or for a site with a different key in the variable that its host variable vllm_api_key_env names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PAGE = Path(__file__).with_name("chat.html")
_FRESH_FOR = 10.0  # seconds until the inventory is read again
_LONGEST_QUESTION = 16_384  # bytes
_LONGEST_WAIT = 120.0  # seconds for an answer
_TOKENS = 48


class Sites:
    """The sites as `ansible-inventory` lists them, read again after `_FRESH_FOR`."""

    def __init__(self, inventory: str) -> None:
        self._inventory = inventory
        self._lock = threading.Lock()
        self._variables: dict[str, dict] = {}
        self._asked = float("-inf")

    def variables(self) -> dict[str, dict]:
        """Return the variables of each site by its name, in the order of the inventory."""
        with self._lock:
            if time.monotonic() - self._asked > _FRESH_FOR:
                command = ["ansible-inventory", "-i", self._inventory, "--list"]
                listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                found = json.loads(listed, object_hook=_text)["_meta"]["hostvars"]
                self._variables = {site: found[site] for site in sorted(found) if "vllm_base_url" in found[site]}
                self._asked = time.monotonic()
            return self._variables

    def overview(self) -> list[dict]:
        """Return the sites as the page shows them."""
        return [
            {
                "site": site,
                "reachable": bool(variables["vllm_reachable"]),
                "seen": variables["vllm_observed_at"],
                "base_models": [model["id"] for model in variables["vllm_base_models"]],
                "adapters": [adapter["name"] for adapter in variables["vllm_served_adapters"]],
            }
            for site, variables in self.variables().items()
        ]

    def ask(self, site: str, model: str, question: str) -> str:
        """Return the answer of a model. Raises LookupError if the site does not serve it, and OSError if the request fails."""
        variables = self.variables()[site]
        served = [base["id"] for base in variables["vllm_base_models"]]
        served += [adapter["name"] for adapter in variables["vllm_served_adapters"]]
        if model not in served:
            raise LookupError(model)
        url, limit = variables["vllm_base_url"], {"model": model, "max_tokens": _TOKENS}
        key = os.environ.get(variables.get("vllm_api_key_env", "VLLM_API_KEY"))
        try:
            said = _post(
                url + "/v1/chat/completions", dict(limit, messages=[{"role": "user", "content": question}]), key
            )
            return said["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            # A base model without a chat template can still complete a text.
            if error.code not in (400, 404):
                raise
            return _post(url + "/v1/completions", dict(limit, prompt=question), key)["choices"][0]["text"]


def _text(decoded: dict) -> object:
    """Unwrap text that Ansible marks so that templates never evaluate it. Here it is only text."""
    return decoded.get("__ansible_unsafe", decoded)


def _post(url: str, body: dict, key: str | None) -> dict:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if key:
        request.add_header("Authorization", "Bearer " + key)
    with urllib.request.urlopen(request, timeout=_LONGEST_WAIT) as answer:
        return json.load(answer)


class Handler(BaseHTTPRequestHandler):
    """Three routes: the page, the sites, and a question."""

    sites: Sites

    def parse_request(self) -> bool:
        # The owner of any name can let it point here, and the browser would treat a page of that name as this page.
        if super().parse_request():
            if self.headers.get("Host", "").split(":")[0] in ("127.0.0.1", "localhost"):
                return True
            self._json(HTTPStatus.MISDIRECTED_REQUEST, {"problem": "Ask for localhost or 127.0.0.1."})
        return False

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(HTTPStatus.OK, PAGE.read_bytes(), "text/html; charset=utf-8")
        elif self.path == "/sites":
            try:
                self._json(HTTPStatus.OK, self.sites.overview())
            except (subprocess.CalledProcessError, OSError, ValueError, KeyError):
                self._json(
                    HTTPStatus.BAD_GATEWAY, {"problem": "The inventory could not be read: try ansible-inventory."}
                )
        else:
            self._json(HTTPStatus.NOT_FOUND, {"problem": "There is no such page."})

    def do_POST(self) -> None:
        # Before a page of another origin can send JSON, the browser asks for permission here, and gets none.
        if self.path != "/ask" or self.headers.get_content_type() != "application/json":
            self._json(HTTPStatus.NOT_FOUND, {"problem": "There is no such page."})
            return
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= _LONGEST_QUESTION:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if length else HTTPStatus.LENGTH_REQUIRED
            self._json(status, {"problem": "Too long." if length else "There is no question."})
            return
        try:
            asked = json.loads(self.rfile.read(length))
            site, model, question = (str(asked[key]) for key in ("site", "model", "question"))
            self._json(HTTPStatus.OK, {"site": site, "model": model, "answer": self.sites.ask(site, model, question)})
        except (ValueError, TypeError, KeyError, LookupError):
            self._json(HTTPStatus.BAD_REQUEST, {"problem": "The site does not serve this model. Reload the page."})
        except OSError as error:
            status = f" (HTTP {error.code})" if isinstance(error, urllib.error.HTTPError) else ""
            self._json(HTTPStatus.BAD_GATEWAY, {"problem": f"{site} did not answer{status}."})

    def _json(self, status: HTTPStatus, body: object) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: questions are private."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Ask the models of an inventory.")
    parser.add_argument("-i", "--inventory", required=True, help="a file ending in vllm.yml")
    parser.add_argument("--port", type=int, default=8080, help="on 127.0.0.1; 0 takes any free one (default: 8080)")
    arguments = parser.parse_args()
    Handler.sites = Sites(arguments.inventory)
    with ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler) as server:
        print(f"Open http://127.0.0.1:{server.server_port}/ in a browser; Ctrl-C ends this.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
