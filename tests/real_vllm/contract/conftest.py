# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both servers are started once, and asked everything once; the tests then compare the answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.asking import Reply, ask

from .questions import questions
from .servers import Server, like, real_server


@pytest.fixture(scope="session")
def real() -> Iterator[Server]:
    yield from real_server()


@pytest.fixture(scope="session")
def stand_in(real: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from like(real, tmp_path_factory.mktemp("adapters"))


def ask_all(server: Server) -> dict[str, Reply]:
    """Question → reply."""
    replies = {}
    for question in questions(server):
        headers = server.headers if question.headers is None else question.headers
        replies[question.name] = ask(server.url, question.method, question.path, question.body, headers, timeout=120)
    return replies


@pytest.fixture(scope="session")
def real_replies(real: Server) -> dict[str, Reply]:
    return ask_all(real)


@pytest.fixture(scope="session")
def stand_in_replies(stand_in: Server) -> dict[str, Reply]:
    return ask_all(stand_in)
