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
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

PAGE = Path(__file__).with_name("chat.html")
_FRESH_FOR = 10.0  # seconds until the inventory is read again
_LONGEST_QUESTION = 16_384  # bytes
_LONGEST_WAIT = (10.0, 120.0)  # seconds to connect, and to wait for the next part of an answer
_TOKENS = 48

# Codes of the inventory's errors, in the page's words. Any other is a site that answers and cannot be used.
_STATES = {
    **dict.fromkeys(("unreachable", "timeout", "tls", "dns"), "offline"),
    **dict.fromkeys(("unauthorized", "forbidden"), "wrong key"),
    "not_vllm": "another server answers",
}


class Problem(Exception):
    """What went wrong with a site, as a sentence for the page."""


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
                # Otherwise an inventory with a mistake would be an empty one.
                strict = {**os.environ, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true"}
                listed = subprocess.run(command, env=strict, capture_output=True, text=True, check=True).stdout
                found = json.loads(listed, object_hook=_text)["_meta"]["hostvars"]
                self._variables = {site: found[site] for site in sorted(found) if "vllm_base_url" in found[site]}
                self._asked = time.monotonic()
            return self._variables

    def overview(self) -> list[dict]:
        """Return the sites as the page shows them. `problem` is empty for a site that can be asked."""
        return [
            {
                "site": site,
                "problem": _STATES.get(variables["vllm_error"]["code"], "unusable") if variables["vllm_error"] else "",
                "seen": variables["vllm_observed_at"],
                "base_models": [model["id"] for model in variables["vllm_base_models"]],
                "adapters": [adapter["name"] for adapter in variables["vllm_served_adapters"]],
            }
            for site, variables in self.variables().items()
        ]

    def ask(self, site: str, model: str, question: str) -> Iterator[str]:
        """Yield the answer of a model in parts, as they come.

        Raises LookupError if the site does not serve the model, and Problem if the site gives no answer.
        """
        variables = self.variables()[site]
        served = [base["id"] for base in variables["vllm_base_models"]]
        served += [adapter["name"] for adapter in variables["vllm_served_adapters"]]
        if model not in served:
            raise LookupError(model)
        url, asked = variables["vllm_base_url"], {"model": model, "max_tokens": _TOKENS, "stream": True}
        key_variable = variables.get("vllm_api_key_env", "VLLM_API_KEY")
        by_chat = {**asked, "messages": [{"role": "user", "content": question}]}
        try:
            answer = _post(url + "/v1/chat/completions", by_chat, os.environ.get(key_variable))
            if answer.status_code in (400, 404):
                # A base model without a chat template can still complete a text.
                completed = {**asked, "prompt": question}
                answer = _post(url + "/v1/completions", completed, os.environ.get(key_variable))
            with answer:
                _require_answer(site, key_variable, answer)
                yield from _parts(site, answer)
        except requests.RequestException:
            raise Problem(f"{site} is offline: it did not answer.") from None


def _text(decoded: dict) -> object:
    """Unwrap text that Ansible marks so that templates never evaluate it. Here it is only text."""
    return decoded.get("__ansible_unsafe", decoded)


def _post(url: str, body: dict, key: str | None) -> requests.Response:
    headers = {"Authorization": "Bearer " + key} if key else {}
    return requests.post(url, json=body, headers=headers, timeout=_LONGEST_WAIT, stream=True, allow_redirects=False)


def _require_answer(site: str, key_variable: str, answer: requests.Response) -> None:
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise Problem(f"{site} refuses the key: set {key_variable} to the key of this site, and start this page again.")
    if answer.is_redirect or kind not in ("application/json", "text/event-stream"):
        raise Problem(f"Another server answers for {site}, such as a login page or a proxy.")
    if not answer.ok:
        raise Problem(f"{site} could not answer (HTTP {answer.status_code}).")


def _parts(site: str, answer: requests.Response) -> Iterator[str]:
    """Yield the text of server-sent events: `data: {...}` for each part, and `data: [DONE]` at the end."""
    for line in answer.iter_lines():
        data = line.removeprefix(b"data: ")
        if data == line:
            continue
        if data == b"[DONE]":
            return
        part = json.loads(data)
        if "error" in part:
            break
        for choice in part["choices"]:
            yield choice.get("text") or (choice.get("delta") or {}).get("content") or ""
    raise Problem(f"{site} stopped in the middle of the answer.")


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
            answer = self.sites.ask(*(str(asked[key]) for key in ("site", "model", "question")))
            first = next(answer, "")
        except (ValueError, TypeError, KeyError, LookupError):
            self._json(HTTPStatus.BAD_REQUEST, {"problem": "The site does not serve this model. Reload the page."})
        except Problem as problem:
            self._json(HTTPStatus.BAD_GATEWAY, {"problem": str(problem)})
        else:
            self._stream(first, answer)

    def _stream(self, first: str, rest: Iterator[str]) -> None:
        """Answer with a line of JSON for each part. The last line is `{"end": true}`, or has the problem."""
        self._head(HTTPStatus.OK, "application/x-ndjson")
        self._line({"text": first})
        try:
            for text in rest:
                self._line({"text": text})
            self._line({"end": True})
        except Problem as problem:
            self._line({"problem": str(problem)})

    def _line(self, value: object) -> None:
        self.wfile.write(json.dumps(value).encode() + b"\n")
        self.wfile.flush()

    def _json(self, status: HTTPStatus, body: object) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self._head(status, kind, len(body))
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        # Without a length, the end of the connection is the end of the answer.
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
        self.end_headers()

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
