# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations that faults hit: tasks, and what is served before and after them."""

from __future__ import annotations

from dataclasses import dataclass, field

ONE, SET = "sovereign.vllm.vllm_lora_adapter", "sovereign.vllm.vllm_lora_adapters"

IN_PLACE = "in place"


@dataclass(frozen=True)
class Operation:
    """One operation. before, after: artifact by name; "other" is served everywhere, and nobody's business.

    writes: how many a run takes that nothing disturbs; swaps: whether it puts another artifact under a served name.
    """

    module: str
    options: str = "{}"
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    writes: int = 0
    swaps: bool = False

    def task(self, name: str) -> str:
        return f"- name: {name}\n  {self.module}: {self.options}\n"


def _adapters(**artifacts: str) -> str:
    return ", ".join(f'{{name: {name}, path: "{{{{ artifacts }}}}/{path}"}}' for name, path in artifacts.items())


OPERATIONS = {
    "load": Operation(ONE, '{name: sql, path: "{{ artifacts }}/new"}', {}, {"sql": "new"}, 1),
    "reload": Operation(
        ONE, '{name: sql, path: "{{ artifacts }}/old", state: reloaded}', {"sql": "old"}, {"sql": "old"}, 4, swaps=True
    ),
    "replace": Operation(
        ONE, '{name: sql, path: "{{ artifacts }}/new"}', {"sql": "old"}, {"sql": "new"}, 4, swaps=True
    ),
    IN_PLACE: Operation(
        ONE,
        '{name: sql, path: "{{ artifacts }}/new", reload_strategy: in_place}',
        {"sql": "old"},
        {"sql": "new"},
        3,
        swaps=True,
    ),
    "unload": Operation(ONE, "{name: sql, state: absent}", {"sql": "old"}, {}, 1),
    "set": Operation(
        SET,
        f"{{adapters: [{_adapters(sql='new', tickets='old', notes='new')}]}}",
        {"sql": "old", "tickets": "old"},
        {"sql": "new", "tickets": "old", "notes": "new"},
        5,
        swaps=True,
    ),
    "set with prune": Operation(
        SET,
        f"{{adapters: [{_adapters(sql='old', notes='new')}], prune: true, prune_exclude: [other]}}",
        {"sql": "old", "stray": "old"},
        {"sql": "old", "notes": "new"},
        2,
    ),
    "info": Operation("sovereign.vllm.vllm_base_model_info", "{}", {"sql": "old"}, {"sql": "old"}),
}
WRITING = tuple(name for name, operation in OPERATIONS.items() if operation.writes)
