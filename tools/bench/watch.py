# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client in a process of its own that lists the models back to back, and tells when a name was not among them."""

from __future__ import annotations

import http.client
import itertools
import json
import multiprocessing
import statistics
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.parse import urlsplit


@dataclass
class Watched:
    """What the watcher saw. Times are in seconds.

    gaps: each from the last answer with the name to the next one with it, so at most one interval too long.
    """

    lists: int = 0
    interval: float = 0.0
    gaps: list[float] = field(default_factory=list)


class Watch(AbstractContextManager):
    """Watches a name for the length of a `with` block; `seen` holds the result after it.

    The name is served when the block begins and when it ends.
    """

    def __init__(self, url: str, name: str, headers: dict[str, str]) -> None:
        self.seen = Watched()
        # A fresh interpreter: a forked one would share this one's connections.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_watch, args=(url, name, headers, theirs), daemon=True)

    def __enter__(self) -> Watch:
        self._process.start()
        self._pipe.recv()  # its first list
        return self

    def __exit__(self, *exception: object) -> None:
        self._pipe.send("enough")
        answers = self._pipe.recv()
        self._process.join()
        present = [at for at, is_present in answers if is_present]
        self.seen = Watched(
            lists=len(answers),
            interval=statistics.median(
                later - earlier for (earlier, _before), (later, _after) in itertools.pairwise(answers)
            ),
            gaps=_gaps(answers),
        )
        assert present[-1:] == [answers[-1][0]], "the name is not served any more"


def _gaps(answers: list[tuple[float, bool]]) -> list[float]:
    gaps = []
    last_present, is_missing = answers[0][0], False
    for at, is_present in answers:
        if is_present:
            if is_missing:
                gaps.append(at - last_present)
            last_present, is_missing = at, False
        else:
            is_missing = True
    return gaps


def _watch(url: str, name: str, headers: dict[str, str], pipe: Connection) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    answers: list[tuple[float, bool]] = []
    is_last = False
    while not is_last:
        is_last = pipe.poll()  # asked before the request, so that the last list is younger than the end of the block
        connection.request("GET", "/v1/models", headers=headers)
        cards = json.loads(connection.getresponse().read())["data"]
        answers.append((time.monotonic(), any(card["id"] == name for card in cards)))
        if len(answers) == 1:
            pipe.send("watching")
    pipe.send(answers)
