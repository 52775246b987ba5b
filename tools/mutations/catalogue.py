# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults: each breaks one promise, by an exact replacement of text."""

from __future__ import annotations

from tools.mutations.mutation import Mutation, playbook, unit

_ONE_ADAPTER = "one_adapter.py::TestEveryGeneration::test_{}[0.32]"
_WHOLE_NODE = "whole_node.py::TestEveryWayToAnswer::test_{}[0.32]"

MUTATIONS = (
    # What is believed
    Mutation(
        "a 404 to the list is no empty list",
        "_vllm/model_list",
        "    if answer.status != 200:",
        '    if answer.status == 404:\n        return Observed(base_url, (BaseModel("", None, 1),), ())\n'
        "    if answer.status != 200:",
        unit("_vllm/model_list.py"),
    ),
    Mutation(
        "a list without a base model is not believed",
        "_vllm/model_list",
        "if not observed.base_models:",
        "if False:",
        unit("_vllm/model_list.py"),
    ),
    Mutation(
        "ids can repeat",
        "_vllm/model_list",
        '        for card in cards\n        if card.get("max_model_len") is None and card.get("parent")',
        '        for card in {card["id"]: card for card in cards}.values()\n'
        '        if card.get("max_model_len") is None and card.get("parent")',
        unit("_vllm/model_list.py"),
    ),
    Mutation(
        "a rehearsal is no adapter of the user's",
        "_adapters/models",
        "tuple(a for a in self.adapters if not a.name.endswith(REHEARSAL_SUFFIX))",
        "self.adapters",
        unit("_adapters/plan.py"),
    ),
    Mutation(
        "503 is unreachable, not failed",
        "_vllm/answers",
        "if status in (502, 503, 504):",
        "if status in (502, 504):",
        unit("_vllm/answers.py"),
    ),
    # What is decided
    Mutation(
        "paths compare normalised",
        "_adapters/models",
        "normalised(adapter.root) == normalised(path)",
        "adapter.root == path",
        unit("_adapters/plan.py"),
    ),
    Mutation(
        "the name of a base model is refused",
        "_adapters/plan",
        "if observed.base_model(adapter.name):",
        "if False:",
        unit("_adapters/plan.py"),
    ),
    Mutation(
        "a base model that is not served is refused",
        "_adapters/plan",
        "if adapter.base_model and not observed.base_model(adapter.base_model):",
        "if False:",
        unit("_adapters/plan.py"),
    ),
    Mutation(
        "prune spares what is excluded",
        "_adapters/pruning",
        "return any(fnmatchcase(name, glob) for glob in self.prune_exclude)",
        "return False",
        unit("_adapters/plan.py"),
    ),
    Mutation(
        "adapters that are not declared are not in sync",
        "_adapters/plan",
        "all(entry.declared or entry.excluded for entry in self.entries)",
        "True",
        unit("_adapters/plan.py"),
    ),
    Mutation(
        "nothing is written to another server than required",
        "_adapters/plan",
        "    if server:\n",
        "    if False:\n",
        unit("_adapters/plan.py"),
    ),
    Mutation(
        "a release that is not known is not the required one",
        "_vllm/requirements",
        "        if version is None:",
        "        if False:",
        unit("_vllm/requirements.py"),
    ),
    Mutation(
        "only the expected plan is carried out",
        "_converge/converge",
        "if expect_plan is not None and expect_plan != decided.plan_id:",
        "if False:",
        playbook("plans.py"),
    ),
    Mutation(
        "prune_limit itself is allowed",
        "_adapters/pruning",
        "len(to_prune) > self.prune_limit",
        "len(to_prune) >= self.prune_limit",
        unit("_adapters/plan.py"),
    ),
    # What is done
    Mutation(
        "check mode does not write",
        "_converge/converge",
        "    if check_mode:",
        "    if check_mode and not decided.changed:",
        playbook(_ONE_ADAPTER.format("check_mode_tells_what_would_change_and_only_reads")),
    ),
    Mutation(
        "the list has the last word after a write",
        "_converge/converge",
        "if entry.name not in failures and not _is_in_effect(entry, observed):",
        "if False:",
        playbook("swap.py::test_yes_that_the_list_does_not_show_is_a_failure"),
    ),
    Mutation(
        "a new artifact is rehearsed",
        "_converge/steps",
        "    load(client, rehearsal)\n",
        "",
        playbook(_WHOLE_NODE.format("changes_cost_two_reads_the_release_and_the_writes")),
    ),
    Mutation(
        "a rehearsal is in the list before the served adapter is touched",
        "_converge/steps",
        "        _require_rehearsed(client, rehearsal)\n",
        "",
        playbook("swap.py::test_server_that_ignores_loads_keeps_what_it_serves"),
    ),
    Mutation(
        "a failed swap is rolled back",
        "_converge/steps",
        "                load(client, replace(entry.reversal, before=None))\n",
        "                pass\n",
        playbook("swap.py::test_failed_swap_is_rolled_back_on_every_generation"),
    ),
    Mutation(
        "a write whose answer was lost is not repeated",
        "_http/client",
        'return outcome.unsent and outcome.code != "tls" and outcome.is_unreachable',
        "return outcome.is_unreachable",
        playbook("swap.py::test_lost_answer_to_a_load_is_settled_by_the_list"),
    ),
    Mutation(
        "a server that has gone ends the run",
        "_converge/converge",
        "                _require_answer(client, error)",
        "                pass",
        playbook("hostile_answers.py::test_nothing_more_is_written_to_a_server_that_has_gone"),
    ),
    Mutation(
        "retries are bounded",
        "_http/client",
        "        for turn in range(self.endpoint.retries + 1):",
        "        object.__setattr__(self.endpoint, 'retries', 5)\n        for turn in range(self.endpoint.retries + 1):",
        playbook("hostile_answers.py::test_retries_are_counted"),
    ),
    Mutation(
        "a request that a proxy may have passed on is not repeated",
        "_http/transport",
        "unsent=_stopped_at_proxy(causes)",
        "unsent=True",
        playbook("connection.py::test_write_whose_answer_got_lost_behind_a_proxy_is_settled_by_the_list"),
    ),
    Mutation(
        "the list cannot prove that the same path was read anew",
        "_converge/steps",
        "    if entry.keeps_path:",
        "    if False:",
        playbook("swap_in_place.py::test_files_that_cannot_be_read_anew_are_no_success[0.32]"),
    ),
    Mutation(
        "a load in place is rehearsed",
        "_converge/steps",
        "    with _rehearsed(client, entry):\n        try:\n            _load_in_place",
        "    with contextlib.nullcontext():\n        try:\n            _load_in_place",
        playbook("swap_in_place.py::test_refused_rehearsal_touches_nothing"),
    ),
    Mutation(
        "a server that has gone is told with what it refused before",
        "_converge/converge",
        "with also_report(failures.values()):",
        "with also_report([]):",
        playbook("refusing_servers.py::test_server_that_goes_after_a_refusal_is_told_with_the_refusal"),
    ),
    Mutation(
        "Retry-After is honoured",
        "_http/client",
        "time.sleep(self._pause(turn) if asked is None else asked)",
        "time.sleep(self._pause(turn))",
        playbook("hostile_answers.py::test_the_server_says_when_to_come_back"),
    ),
    # What strangers could do
    Mutation(
        "redirects are not followed",
        "_http/transport",
        "retries=False,\n            redirect=False,",
        "retries=3,\n            redirect=True,",
        playbook("hostile_answers.py::test_redirect_leads_nowhere"),
    ),
    Mutation(
        "a body has a largest size",
        "_http/transport",
        "if len(body) > BODY_LIMIT:",
        "if False:",
        playbook("hostile_answers.py::test_body_is_read_up_to_a_limit"),
    ),
    Mutation(
        "certificates are verified",
        "_http/certificates",
        "if not endpoint.validate_certs:",
        "if True:",
        playbook("certificates.py::test_certificate_has_to_be_good"),
    ),
    Mutation(
        "the key of a host is for its own server",
        "_vllm/endpoint",
        "return _server(other) == server",
        "return True",
        ("tests/unit/plugins/plugin_utils/_host/test_connection.py",),
    ),
    Mutation(
        "a request that waits can be for any adapter",
        "_vllm/metrics",
        "        if self.queued:",
        "        if False:",
        unit("_vllm/generation.py"),
    ),
    Mutation(
        "a loopback address is not asked from elsewhere",
        "_vllm/endpoint",
        "return is_loopback_host(_server(url)[1])",
        "return False",
        playbook("ask_from.py"),
    ),
    Mutation(
        "the key is not repeated",
        "_vllm/answers",
        'text = text.replace(form, "********")',
        "pass",
        unit("_vllm/answers.py"),
    ),
    Mutation(
        "a server cannot steer a terminal",
        "_errors",
        'return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))',
        "return str(text)",
        unit("_vllm/answers.py", "_adapters/properties.py"),
    ),
    Mutation(
        "a download is compared with its digest",
        "_artifact/source_partial",
        "if wanted in (None, found.digest):",
        "if True:",
        unit("_artifact/bad_sources.py"),
    ),
    Mutation(
        "an archive stays in its directory",
        "_artifact/archive",
        '    if b".." in parts:',
        '    if b"..." in parts:',
        unit("_artifact/archive.py"),
    ),
)
