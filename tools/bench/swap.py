# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of a change of path: the time without the name, and the speed of the adapter afterwards."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import DeclaredAdapter
from ansible_collections.sovereign.vllm.plugins.module_utils._converge.converge import converge
from ansible_collections.sovereign.vllm.plugins.module_utils._http.client import Client
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint

from tests.support.server import Server
from tools.bench.table import milliseconds, seconds, table
from tools.bench.watch import Watch

NAME = "bench-swap"
PROMPT = "The audit"  # shorter than a block of the prefix cache, so that no run finds it there
LONG, SHORT = 240, 48  # tokens: of the request in flight, and of the one that is timed


class TimedClient(Client):
    """The collection's own client, which notes when it asked to unload a name and when its load was answered.

    before_gap: called after the rehearsal, when the name is about to be unloaded.
    """

    unload_sent = load_answered = 0.0

    def before_gap(self) -> None:
        """Nothing, unless set."""

    def unload(self, name: str) -> None:
        if name == NAME:
            self.before_gap()
            self.unload_sent = time.monotonic()
        super().unload(name)

    def load(self, name: str, *how: Any, **more: Any) -> None:
        super().load(name, *how, **more)
        if name == NAME:
            self.load_answered = time.monotonic()


class Request(threading.Thread):
    """A completion that is asked for at once, in a thread of its own."""

    def __init__(self, complete: Callable[[], str]) -> None:
        super().__init__()
        self._complete = complete
        self.start()

    def run(self) -> None:
        self._text = self._complete()
        self._ended = time.monotonic()

    def result(self) -> tuple[str, float]:
        """Its text, and when it ended."""
        self.join()
        return self._text, self._ended


class SwapBench:
    """Works on a server that serves nothing under its names, and leaves nothing there.

    adapters: a directory with the artifacts `first` and `second`, and `rank64`, which the server refuses.
    """

    def __init__(self, server: Server, adapters: Path, rounds: int) -> None:
        self.server = server
        self.first, self.second, self.bad = (str(adapters / name) for name in ("first", "second", "rank64"))
        self.rounds = rounds
        self.client = TimedClient(Endpoint(server.url, api_key=server.api_key))
        self.headers = {"Authorization": f"Bearer {server.api_key}"} if server.api_key else {}

    def run(self) -> dict[str, Any]:
        """All figures; times in seconds."""
        self.put(NAME, self.first)
        paths = itertools.cycle([self.second, self.first])
        figures: dict[str, Any] = {"vllm": self.server.version(), "swaps": self.rounds}
        try:
            figures["gap_idle"] = [self.timed_swap(next(paths)) for _round in range(self.rounds)]
            figures["gap_watched"], figures["interval_watched"] = self.watched_swaps(paths)
            self.put(NAME, self.first)
            figures["in_flight"] = self.swaps_in_flight()
            figures["refused"] = self.refused_swaps()
            figures["decode"] = self.decode()
        finally:
            for name in self.server.served():
                if name.startswith("bench-"):
                    self.server.unload(name)
        return figures

    def put(self, name: str, path: str, strategy: str = "replace") -> None:
        """Converge one name, as the modules do. Raises what they would report, VllmError."""
        converged = converge(self.client, [DeclaredAdapter(name, path)], strategy, check_mode=False)
        for error in converged.failures.values():
            raise error

    def timed_swap(self, path: str) -> float:
        """From sending the unload to having the answer of the load: more than the name can be missing."""
        self.put(NAME, path)
        return self.client.load_answered - self.client.unload_sent

    def watched_swaps(self, paths: itertools.cycle[str]) -> tuple[list[float], float]:
        """The gaps that another client saw, and how often it looked."""
        with Watch(self.server.url, NAME, self.headers) as watch:
            for _round in range(self.rounds):
                self.put(NAME, next(paths))
        # A gap that falls between two of its looks is none to it.
        return watch.seen.gaps + [0.0] * (self.rounds - len(watch.seen.gaps)), watch.seen.interval

    def swaps_in_flight(self) -> dict[str, Any]:
        """Swaps under a request that is being answered: the gaps, and how many of these requests ended on old weights.

        A request that ended before the swap did says nothing, and is left out.
        """
        texts = {self.first: self.complete(LONG)}
        self.put(NAME, self.second)
        texts[self.second] = self.complete(LONG)
        requests: list[Request] = []

        def ask_and_wait() -> None:
            requests.append(Request(lambda: self.complete(LONG)))
            time.sleep(0.1)

        self.client.before_gap = ask_and_wait
        gaps, unharmed = [], 0
        old, new = self.second, self.first
        for _round in range(self.rounds):
            gap = self.timed_swap(new)
            text, ended = requests[-1].result()
            if ended > self.client.load_answered:
                gaps.append(gap)
                unharmed += text == texts[old] and texts[new].startswith(self.complete(SHORT))
            old, new = new, old
        del self.client.before_gap
        if not gaps:
            raise RuntimeError("No request was still in flight when its swap ended: the machine is too busy.")
        return {"gaps": gaps, "on_old_weights": unharmed}

    def refused_swaps(self) -> dict[str, Any]:
        """Swaps to an artifact that the server refuses, watched by another client: there is no gap."""
        codes = []
        with Watch(self.server.url, NAME, self.headers) as watch:
            for _round in range(self.rounds):
                try:
                    self.put(NAME, self.bad)
                except Exception as error:
                    codes.append(getattr(error, "code", repr(error)))
        return {"gaps": len(watch.seen.gaps), "lists": watch.seen.lists, "codes": sorted(set(codes))}

    def decode(self) -> dict[str, list[float]]:
        """How long a completion takes, side by side: freshly loaded, after a change of path, after one in place."""
        self.put("bench-fresh", self.second)
        self.put(NAME, self.first)
        self.put(NAME, self.second)
        self.put("bench-in-place", self.first)
        self.put("bench-in-place", self.second, "in_place")
        names = {"fresh": "bench-fresh", "replace": NAME, "in_place": "bench-in-place"}
        times: dict[str, list[float]] = {strategy: [] for strategy in names}
        for round_ in range(self.rounds + 1):
            for strategy, name in names.items():
                began = time.perf_counter()
                self.server.complete(name, SHORT, PROMPT)
                if round_:  # the first one warms up
                    times[strategy].append(time.perf_counter() - began)
        return times

    def complete(self, tokens: int) -> str:
        return self.server.complete(NAME, tokens, PROMPT)


def show(figures: dict[str, Any]) -> str:
    """The figures for people."""
    decode = figures["decode"]
    fresh = statistics.median(decode["fresh"])
    rounds, refused, in_flight = figures["swaps"], figures["refused"], figures["in_flight"]
    lines = [
        f"How long a name is not served while its path changes (reload_strategy replace, {rounds} swaps each)",
        table(
            ["", "median", "least", "most"],
            [
                ["idle: our client, from sending unload to the answer of load", *_spread(figures["gap_idle"])],
                ["the same, with a request in flight", *_spread(in_flight["gaps"])],
                ["as seen by a client that lists back to back", *_spread(figures["gap_watched"])],
            ],
        ),
        f"The watching client had a list every {milliseconds(figures['interval_watched'])}, and can be that much too high.",
        f"Requests in flight that ended on the weights they began with: {in_flight['on_old_weights']} of {len(in_flight['gaps'])}.",
        f"Swaps to a refused artifact ({', '.join(refused['codes'])}): {refused['gaps']} gaps in {refused['lists']} lists.",
        "",
        f"Time of {SHORT} tokens, side by side (median of {rounds})",
        table(
            ["", "median", "ratio"],
            [
                [
                    label,
                    seconds(statistics.median(decode[strategy])),
                    f"{statistics.median(decode[strategy]) / fresh:.2f}",
                ]
                for strategy, label in (
                    ("fresh", "freshly loaded"),
                    ("replace", "after a change of path, replace"),
                    ("in_place", "after a change of path, in_place"),
                )
            ],
        ),
    ]
    return "\n".join(lines)


def _spread(times: list[float]) -> list[str]:
    return [milliseconds(pick(times)) for pick in (statistics.median, min, max)]
