# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter says what the module would do, without a request, and nothing of servers that were not seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import Fault, StandIn, write_adapter
from tests.support.inventory import Inventory
from tests.support.playbook import IN_WORKER, Run, TaskResult, run_playbook

KEYS = ("changed", "verdict", "server", "adapters", "summary")
SQL = {"name": "sql", "path": "/srv/sql"}
Cases = Mapping[str, tuple[list[dict[str, Any]], dict[str, Any]]]  # adapters, and what is said of pruning


class Audit:
    """One server that an inventory sees as the host `edge`."""

    def __init__(self, server: StandIn, directory: Path) -> None:
        self.server = server
        self._directory = directory
        self._inventory = Inventory(directory, {"endpoints": [{"name": "edge", "base_url": server.url}], "timeout": 5})

    def run(self, tasks: str, rc: int = 0, **variables: Any) -> Run:
        """Run tasks on localhost. The inventory asks the server first."""
        options = ["-i", str(self._inventory.file), "--limit", "localhost"]
        host = {**IN_WORKER, "url": self.server.url}
        return run_playbook(
            tasks, {"localhost": host}, self._directory / "run", rc=rc, options=options, variables=variables
        )

    def compare(self, cases: Cases) -> Iterator[tuple[str, TaskResult, dict, dict]]:
        """For each case what the module tells in check mode, and what the filter tells of the inventory and a result."""
        tasks = [INFO, *(task for case, how in cases.items() for task in compared(case, *how))]
        run = self.run("\n".join(f"- {json.dumps(task)}" for task in tasks))
        for case in cases:
            module, inventory, result = (run[f"{case}: {told}"] for told in ("module", "from inventory", "from result"))
            yield case, module, inventory.msg, result.msg


INFO = {"sovereign.vllm.vllm_base_model_info": {"base_url": "{{ url }}"}, "register": "info"}


def compared(case: str, adapters: list[dict[str, Any]], pruning: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tasks of one case."""
    given = {"adapters": adapters, "pruning": pruning}
    declared = "adapters"
    if any("trained_for" in adapter for adapter in adapters):
        declared = "(adapters | sovereign.vllm.lora_declaration([], [])).adapters"
    options = {"base_url": "{{ url }}", "adapters": f"{{{{ {declared} }}}}", **pruning}
    module = {"sovereign.vllm.vllm_lora_adapters": options, "check_mode": True, "ignore_errors": True}
    yield {"name": f"{case}: module", "vars": given, **module}
    for told, seen in (("from inventory", "hostvars['edge']"), ("from result", "info")):
        template = f"{{{{ {seen} | sovereign.vllm.lora_drift(adapters, **pruning) }}}}"
        yield {"name": f"{case}: {told}", "vars": given, "ansible.builtin.debug": {"msg": template}}


@pytest.fixture
def audit(tmp_path: Path) -> Any:
    with StandIn(base_models=("tiny", "alias")) as server:
        for name in ("sql", "summaries", "tenant-1"):
            server.load(name, write_adapter(tmp_path / name))
        yield Audit(server, tmp_path / "audit")


SERVED = "{{ directory }}"  # becomes the directory that the adapter of this name is served from
DECLARATIONS = {
    "nothing": ([], {}),
    "in sync": ([{"name": "sql", "path": SERVED}, {"lora_name": "summaries", "lora_path": SERVED + "/"}], {}),
    "missing": ([SQL | {"name": "new"}], {}),
    "moved": ([SQL], {}),
    "base model": ([{"name": "sql", "path": SERVED, "base_model": "alias"}], {}),
    "absent": ([{"name": "sql", "state": "absent"}, {"name": "never", "state": "absent"}], {}),
    "reloaded": ([{"name": "sql", "path": SERVED, "state": "reloaded"}], {}),
    "prune": ([{"name": "sql", "path": SERVED}], {"prune": True}),
    "prune some": ([SQL], {"prune": True, "prune_exclude": ["tenant-*"]}),
    "prune within the limit": ([], {"prune": True, "prune_limit": 3}),
    "undeclared": ([{"name": "sql", "path": SERVED}], {}),
    "undeclared and excluded": ([{"name": "sql", "path": SERVED}], {"prune_exclude": ["[st]*"]}),
    "required and met": ([], {"requires": {"base_models": [{"id": "alias"}]}}),
    "required and not met": (
        [SQL, SQL | {"name": "alias"}],
        {"prune": True, "requires": {"base_models": [{"id": "huge", "root": "/models/huge"}]}},
    ),
    "as the role takes them": (
        [
            {"name": "sql", "path": SERVED, "trained_for": "tiny"},
            {"name": "hub", "path": "org/adapter", "allow_hub": True},
            {"name": "summaries", "src": "/srv/summaries.tar.gz", "state": "absent"},
        ],
        {},
    ),
}
REFUSED = {
    "prune_limit": ([SQL], {"prune": True, "prune_limit": 1}),
    "name_conflict": ([SQL | {"name": "alias"}], {}),
    "base_model_mismatch": ([SQL | {"base_model": "large"}], {}),
}


def served_from(directory: Path, adapters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = json.dumps(adapters)
    for name in ("sql", "summaries"):
        before, found, after = text.partition(f'name": "{name}"')
        text = before + found + after.replace(SERVED, str(directory / name), 1)
    return json.loads(text)


def test_same_as_the_module_in_check_mode(audit: Audit, tmp_path: Path) -> None:
    cases = {case: (served_from(tmp_path, adapters), pruning) for case, (adapters, pruning) in DECLARATIONS.items()}
    for case, module, *both in audit.compare(cases):
        assert module.status == "ok", case
        for told in both:
            assert {key: told[key] for key in KEYS} == {key: module[key] for key in KEYS}, case
            assert (told["unreachable"], told["failed"], told["msg"], told["error"]) == (False, False, "", None), case
        assert [told["plan_id"] for told in both] == [module["plan_id"], None], "a result names no address"


def test_what_the_module_refuses_is_told(audit: Audit) -> None:
    for code, module, *both in audit.compare(REFUSED):
        assert (module.status, module.code) == ("failed", code)
        assert both[0]["msg"] == module.msg
        for told in both:
            assert (told["error"]["code"], told["failed"], told["unreachable"]) == (code, True, False)
            assert (told["changed"], told["adapters"]) == (False, [])
            assert (told["verdict"], told["plan_id"]) == (module["verdict"], None) == ("failed", None)


UNSEEN = """
- name: info
  sovereign.vllm.vllm_base_model_info: {base_url: "{{ url }}", retries: 0}
  register: info
  ignore_unreachable: true
  ignore_errors: true
- name: from inventory
  ansible.builtin.debug:
    msg: "{{ hostvars['edge'] | sovereign.vllm.lora_drift(adapters, prune=true) }}"
- name: from result
  ansible.builtin.debug:
    msg: "{{ info | sovereign.vllm.lora_drift(adapters, prune=true) }}"
- name: of a task that failed otherwise
  ansible.builtin.debug:
    msg: "{{ {'failed': true, 'msg': 'No such module.'} | sovereign.vllm.lora_drift(adapters) }}"
- name: of a host that ssh did not reach
  ansible.builtin.debug:
    msg: "{{ {'unreachable': true, 'msg': 'No route.'} | sovereign.vllm.lora_drift(adapters) }}"
- name: of what was last seen
  ansible.builtin.debug:
    msg: "{{ last_seen | sovereign.vllm.lora_drift(adapters) }}"
"""
LAST_SEEN = {
    "vllm_base_url": "http://edge:8000",
    "vllm_reachable": False,
    "vllm_error": {"code": "unauthorized", "msg": "Refused."},
    "vllm_base_models": [{"id": "tiny", "root": None, "max_model_len": 256, "aliases": []}],
    "vllm_served_adapters": [],
    "vllm_stale": True,
}


def test_nothing_is_planned_for_what_was_not_seen(audit: Audit) -> None:
    audit.server.kill()
    run = audit.run(UNSEEN, adapters=[SQL], last_seen=LAST_SEEN)
    for task in ("from inventory", "from result"):
        told = run[task].msg
        assert (told["unreachable"], told["failed"], told["changed"], told["adapters"]) == (True, False, False, [])
        assert set(told["summary"].values()) == {0}
        assert told["verdict"] == "unreachable"
        assert told["error"]["code"] == "unreachable"
        assert "the connection was refused" in told["msg"]
    otherwise = run["of a task that failed otherwise"].msg
    assert (otherwise["failed"], otherwise["changed"], otherwise["msg"]) == (True, False, "No such module.")
    by_ssh = run["of a host that ssh did not reach"].msg
    assert (by_ssh["unreachable"], by_ssh["changed"], by_ssh["msg"]) == (True, False, "No route.")
    told = run["of what was last seen"].msg
    assert (told["changed"], told["adapters"], told["failed"], told["unreachable"]) == (False, [], True, False)
    assert (told["error"]["code"], told["msg"], told["verdict"]) == ("unauthorized", "Refused.", "failed")


def test_the_release_is_what_the_inventory_saw(audit: Audit) -> None:
    """And not known where a result of a module does not tell it."""
    template = "{{ edge | sovereign.vllm.lora_drift([], requires={'version': '>=0.32'}) }}"
    tasks = f"""
    - name: inventory
      ansible.builtin.debug: {{msg: "{template.replace("edge", "hostvars['edge']")}"}}
    - sovereign.vllm.vllm_base_model_info: {{base_url: "{{{{ url }}}}"}}
      register: info
    - name: result
      ansible.builtin.debug: {{msg: "{template.replace("edge", "info")}"}}
    """
    run = audit.run(tasks)
    assert (run["inventory"].msg["verdict"], run["inventory"].msg["server"]) == ("undeclared", [])
    assert run["result"].msg["verdict"] == "drifted"
    assert "the version of the server is not known" in run["result"].msg["server"][0]


def test_a_fleet_in_one_template_without_a_request(audit: Audit, tmp_path: Path) -> None:
    fleet = """
    - name: fleet
      ansible.builtin.debug:
        msg: "{{ dict(groups.vllm | zip(groups.vllm | map('extract', hostvars)
          | map('sovereign.vllm.lora_drift', adapters, prune=true))) }}"
    """
    run = audit.run(fleet, adapters=[{"name": "sql", "path": str(tmp_path / "sql")}])
    assert run["fleet"].msg["edge"]["summary"] == {
        "none": 1,
        "missing": 0,
        "path": 0,
        "base_model": 0,
        "unexpected": 2,
        "server": 0,
        "revoked": 0,
    }
    assert [request.path for request in audit.server.log] == ["/v1/models", "/version"]


def test_what_servers_say_is_data(audit: Audit, tmp_path: Path) -> None:
    jinja = "{{ lookup('ansible.builtin.pipe', 'touch " + str(tmp_path / "ran") + "') }}"
    base_model = {"id": "tiny", "root": "tiny", "parent": None, "max_model_len": 256}
    adapter = {"id": jinja, "root": f"/srv/{jinja}/", "parent": "tiny", "max_model_len": None}
    answer = {"object": "list", "data": [base_model, adapter]}
    audit.server.faults.add(Fault("GET", "/v1/models", "answer", json=answer))
    tasks = """
    - ansible.builtin.set_fact:
        planned: "{{ hostvars['edge'] | sovereign.vllm.lora_drift([], prune=true) }}"
        refused: "{{ hostvars['edge'] | sovereign.vllm.lora_drift([], prune=true, prune_limit=0) }}"
    - name: told
      ansible.builtin.debug: {msg: ["{{ planned.adapters[0].name }}", "{{ refused.msg }}"]}
    """
    run = audit.run(tasks)
    name, sentence = run["told"].msg
    assert name == jinja
    assert jinja in sentence
    assert not (tmp_path / "ran").exists()


MISTAKES = {
    "no list": ("hostvars['edge'] | sovereign.vllm.lora_drift('sql=/srv/sql')", "is no list"),
    "nothing is declared": (
        "hostvars['edge'] | sovereign.vllm.lora_drift(none)",
        "the declaration is null; give a list",
    ),
    "unknown key": (
        "hostvars['edge'] | sovereign.vllm.lora_drift([{'name': 'sql', 'dir': '/srv'}])",
        "unknown option 'dir'",
    ),
    "no name": ("hostvars['edge'] | sovereign.vllm.lora_drift([{'path': '/srv/sql'}])", "has no name"),
    "src": (
        "hostvars['edge'] | sovereign.vllm.lora_drift([{'name': 'sql', 'src': 'sql.tar.gz'}])",
        "audit the site live, or declare the digest",
    ),
    "relative path": ("hostvars['edge'] | sovereign.vllm.lora_drift([{'name': 'a', 'path': 'b'}])", "Option path"),
    "twice": ("hostvars['edge'] | sovereign.vllm.lora_drift([adapter, adapter])", "'sql' more than once"),
    "prune is a word": ("hostvars['edge'] | sovereign.vllm.lora_drift([], prune='perhaps')", "prune is 'perhaps'"),
    "limit is a word": ("hostvars['edge'] | sovereign.vllm.lora_drift([], prune_limit='few')", "prune_limit is 'few'"),
    "limit is negative": ("hostvars['edge'] | sovereign.vllm.lora_drift([], prune_limit=-1)", "must not be negative"),
    "requires is a list": ("hostvars['edge'] | sovereign.vllm.lora_drift([], requires=['x'])", "requires is a list"),
    "a release is mistyped": (
        "hostvars['edge'] | sovereign.vllm.lora_drift([], requires={'version': '0.31+'})",
        "version of requires is '0.31+'",
    ),
    "unknown option": ("hostvars['edge'] | sovereign.vllm.lora_drift([], pruned=true)", "it has no option pruned"),
    "another host": ("hostvars['localhost'] | sovereign.vllm.lora_drift([])", "neither the variables of a host"),
    "a string": ("'edge' | sovereign.vllm.lora_drift([])", "neither the variables of a host"),
    "error is a string": ("{'failed': false, 'error': 'x'} | sovereign.vllm.lora_drift([])", "neither"),
    "half a result": ("{'base_models': [{'id': 'tiny'}], 'adapters': []} | sovereign.vllm.lora_drift([])", "neither"),
    "no base model": ("{'base_models': [], 'adapters': []} | sovereign.vllm.lora_drift([adapter])", "neither"),
}


def test_mistakes_are_told(audit: Audit) -> None:
    tasks = "".join(
        f"- name: {name}\n  ansible.builtin.debug: {{msg: {json.dumps('{{ ' + template + ' }}')}}}\n  ignore_errors: true\n"
        for name, (template, _sentence) in MISTAKES.items()
    )
    run = audit.run(tasks, adapter=SQL)
    for name, (_template, sentence) in MISTAKES.items():
        assert run[name].status == "failed", name
        assert sentence in run[name].msg, name
        assert "sovereign.vllm.lora_drift" in run[name].msg, name
        assert "Traceback" not in run[name].msg, name
