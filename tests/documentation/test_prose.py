# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain English: `python -m tools.check_prose WORD` shows the sentences and task names to change."""

from __future__ import annotations

from tools.check_prose import Found, check, summary, task_names


def test_texts_are_plain_english() -> None:
    found = check()
    assert sum(file.sentences for file in found.values()) > 1000
    clauses, rare, tasks = summary(found.values())
    assert clauses < 2, "percent of the sentences begin with a clause"
    assert rare < 1, "words in 1,000 are rare"
    assert tasks == 0, [name for file in found.values() for name in file.tasks]


def test_clauses_and_rare_words_are_found() -> None:
    found = Found()
    found.read(
        "What is as declared costs one request. Whether to wait for the server. It is loaded\nanew at the next run."
    )
    assert (found.sentences, found.clauses) == (3, ["What is as declared costs one request."])
    assert len(found.rare) == 2


def test_task_names_begin_with_a_verb_and_repeat_the_noun() -> None:
    play = {
        "hosts": "all",
        "name": "Serve adapters",
        "tasks": [{"name": "Note that it is not", "ansible.builtin.debug": {}}],
    }
    found = Found()
    found.read_tasks([*task_names([play]), "What is served", "Record that the rollback failed"])
    assert found.tasks == ["Note that it is not", "What is served"]
