# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example for a gateway: users, nginx, a real LiteLLM, guards, servers, and rollouts under load."""

from __future__ import annotations

import collections
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.stand_in import Fault, StandIn
from tests.support.asking import ask
from tests.support.guide import shell
from tests.support.litellm import MASTER_KEY, LiteLLM
from tests.support.nginx import Nginx, free_port
from tests.support.playbook import IN_WORKER

from .guarded import ADMIN, SERVER, USER, Guarded

pytestmark = pytest.mark.timeout(600)
EXAMPLE = Path(__file__).parents[2] / "examples" / "gateway"
CLIENTS = 3
SITES = ("edge01", "edge02")
KEYS = {"VLLM_ADMIN_KEY": ADMIN, "LITELLM_MASTER_KEY": MASTER_KEY}


class Gateway:
    """The sites behind their guards, and LiteLLM behind nginx, as the example describes them.

    servers: the stand-in of each site.
    """

    def __init__(self, top: Path, nginx: Nginx, servers: dict[str, StandIn], examples: Path) -> None:
        self.top = top
        self.servers = servers
        self._nginx = nginx
        self._examples = examples
        self.guards = {name: Guarded(nginx, server.url, top / "runs") for name, server in servers.items()}
        for name, guarded in self.guards.items():
            assert guarded.place(name=name)["changed"]
        shutil.copytree(EXAMPLE, top / "gateway")
        (top / "etc").mkdir()
        # LiteLLM starts with a configuration as the example writes it, without a site.
        (top / "etc" / "config.yml").write_text(
            json.dumps({"model_list": [], "general_settings": {"master_key": MASTER_KEY}})
        )
        self.litellm = LiteLLM(top / "etc", {"VLLM_USER_KEY": USER})
        self.url = self._front()

    def _front(self) -> str:
        port = free_port()
        text = (EXAMPLE / "nginx.conf").read_text()
        for shown, real in {
            "127.0.0.1:4000": f"127.0.0.1:{self.litellm.port}",
            "listen 8080": f"listen 127.0.0.1:{port}",
        }.items():
            assert shown in text
            text = text.replace(shown, real)
        (self._nginx.directory / "gateway.conf").write_text(text)
        self._nginx.reload()
        return f"http://127.0.0.1:{port}"

    def roll_out(self, version: str, rc: int = 0, **variables: object) -> str:
        """Run rollout.yml with another version of the adapter."""
        source = self.top / "artifacts" / version
        shutil.copytree(self._examples / version, source, dirs_exist_ok=True)
        sites = {
            name: {**IN_WORKER, "vllm_base_url": guarded.url, "lora_store": str(self.top / "store" / name)}
            for name, guarded in self.guards.items()
        }
        inventory = {"all": {"hosts": {"gateway": IN_WORKER}, "children": {"vllm": {"hosts": sites}}}}
        (self.top / "gateway" / "inventory" / "hosts.yml").write_text(json.dumps(inventory))
        given = {
            "lora_adapters": [{"name": "sql", "src": str(source)}],
            "lora_grace_period": 1,
            "lora_serial": 2,
            "vllm_retries": 0,
            "gateway_directory": str(self.top / "etc"),
            "gateway_url": self.litellm.url,
            "gateway_reload_command": self.litellm.reload_command,
            **variables,
        }
        (self.top / "given.json").write_text(json.dumps(given))
        command = "ansible-playbook -i gateway/inventory -e @given.json gateway/rollout.yml"
        return shell(command, self.top, rc, KEYS, seconds=250)

    def complete(self, path: str = "/v1/completions", prompt: dict | None = None) -> tuple[int, str, str]:
        """Return the status, the model and the text of an answer."""
        body = {"model": "sql", "max_tokens": 4, **(prompt or {"prompt": "Audit"})}
        reply = ask(self.url, "POST", path, body, {"Authorization": f"Bearer {MASTER_KEY}"}, timeout=60)
        if reply.status != 200:
            return reply.status, "", reply.text
        choice = reply.json["choices"][0]
        return 200, reply.json["model"], choice.get("text") or choice["message"]["content"]


@contextmanager
def load(gateway: Gateway) -> Iterator[list[tuple[int, str, str]]]:
    """Clients that ask all the time. Every answer, and every failure, is in the list."""
    done = threading.Event()
    answers: list[tuple[int, str, str]] = []

    def ask_all_the_time() -> None:
        while not done.is_set():
            try:
                answers.append(gateway.complete())
            except Exception as error:
                answers.append((0, "", repr(error)))

    clients = [threading.Thread(target=ask_all_the_time) for _client in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield answers
    finally:
        done.set()
        for client in clients:
            client.join()


@pytest.fixture
def gateway(nginx: Nginx, examples: Path, tmp_path: Path) -> Iterator[Gateway]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(StandIn("0.32", api_key=SERVER, completion_delay=0.3)) for name in SITES}
        gateway = Gateway(tmp_path, nginx, servers, examples)
        stack.enter_context(gateway.litellm)
        gateway.litellm.wait()
        yield gateway


def served_name(gateway: Gateway) -> str:
    """Return the name under which all sites serve now, and which the gateway knows."""
    (name,) = {card.name for server in gateway.servers.values() for card in server.apps[0].registry.adapters}
    known = json.loads((gateway.top / "etc" / "served_names.json").read_text())
    assert known == {site: {"sql": name} for site in SITES}
    return name


def test_rollouts_lose_no_request(gateway: Gateway) -> None:
    gateway.roll_out("first", gateway_weights={"edge01": 1, "edge02": 1_000_000})
    old = served_name(gateway)
    for server in gateway.servers.values():
        server.clear_log()
    assert {gateway.complete()[0] for _request in range(8)} == {200}
    asked = {name: [request.path for request in server.log] for name, server in gateway.servers.items()}
    assert asked == {"edge01": [], "edge02": ["/v1/completions"] * 8}, "a canary has its share"
    chat = {"messages": [{"role": "user", "content": "Audit"}]}
    assert gateway.complete("/v1/chat/completions", chat)[:2] == (200, "sql")
    old_text, new_text = gateway.complete()[2], ""
    config = (gateway.top / "etc" / "config.yml").read_text()
    assert not [key for key in (USER, ADMIN, SERVER, MASTER_KEY) if key in config]

    with load(gateway) as answers:
        gateway.roll_out("second")
        new = served_name(gateway)
        new_text = gateway.complete()[2]
        # A site that fails after its wave has switched, also when it is asked again: all sites of the wave go back, and the gateway as well.
        gateway.servers["edge02"].faults.add(
            Fault("POST", "/v1/unload_lora_adapter", "answer", times=2, status=500, text="EngineCore is busy")
        )
        output = gateway.roll_out("first", rc=2)
        assert "The site serves again what it served before" in output
        at_the_end = len(answers)
    assert old != new == served_name(gateway)
    # Both sites were asked, by the new names as well.
    for server in gateway.servers.values():
        models = {request.body["model"] for request in server.log if request.path == "/v1/completions"}
        assert {old, new} <= models
    seen = collections.Counter(answers)
    # No request is lost, every answer is of one version alone, and in the end all are of the version that was restored.
    assert set(seen) == {(200, "sql", old_text), (200, "sql", new_text)}, seen
    assert old_text != new_text and "+" not in old_text + new_text
    assert {text for _status, _model, text in answers[at_the_end:]} <= {new_text}
    assert gateway.complete()[2] == new_text
    print(f"{len(answers)} requests")
