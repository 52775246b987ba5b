# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests that the collection sends to a vLLM server, each repeated only as far as that is safe."""

from __future__ import annotations

import contextlib
import email.utils
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from .._adapters.models import REHEARSAL_SUFFIX, Observed, shown_name
from .._errors import VllmError, also_report, quoted
from .._vllm.answers import (
    DEAD_ENGINE_HINT,
    VERSION_ROUTE,
    Answer,
    common_error,
    describe_answer,
    error_body,
    load_error,
    read_error,
    read_version,
    runtime_lora_disabled,
    unload_error,
)
from .._vllm.endpoint import Endpoint
from .._vllm.metrics import METRICS_ROUTE, LoraState, read_metrics
from .._vllm.model_list import ATTEMPT, HEALTH_ROUTE, read_model_list, require_engine
from .transport import Transport

_LOAD_ROUTE = "/v1/load_lora_adapter"
_UNLOAD_ROUTE = "/v1/unload_lora_adapter"
_SHORTEST_PAUSE = 0.05
_SLOWEST_TURN = 4
# Seconds between two readings of the metrics.
_DRAIN_PAUSE = 0.5
# So that no number of repetitions makes a pause that cannot be computed.
_LAST_DOUBLING = 30
_WORTH_A_RETRY = (429, 502, 503, 504)

if TYPE_CHECKING:
    Watch = Callable[[str, float], contextlib.AbstractContextManager]


def _unwatched(_activity: str, _limit: float) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext()


class Client:
    """One vLLM server. Every method raises :class:`VllmError`.

    Reads are retried as they are. A write is retried only when it certainly did not happen (it never left, or was
    answered 429); an answer that was lost is marked ``outcome_unknown``, and the caller reads the list before judging.

    :ivar watch: gets an activity that can take long, and its limit in seconds, and returns a context for its time.
    """

    watch: Watch = staticmethod(_unwatched)

    def __init__(self, endpoint: Endpoint, transport: Transport | None = None) -> None:
        self.endpoint = endpoint
        self._transport = transport or Transport(endpoint)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *unused: object) -> None:
        self._transport.close()

    def observe(self) -> Observed:
        """Return what the server serves, from one GET of ``/v1/models``, and where a list alone proves nothing one of
        ``/health``."""
        observed = self.read_list()
        self.require_engine(observed)
        return observed

    def read_list(self) -> Observed:
        """Return what the server lists, which can be more than a dead engine serves."""
        return read_model_list(self._get("/v1/models", ATTEMPT), self.endpoint.base_url)

    def require_engine(self, observed: Observed) -> None:
        """Raise ``server_error`` where the list is one that outlives its engine, and the engine is dead."""
        if observed.rust_front_end:
            require_engine(self._health(ATTEMPT))

    def version(self) -> str | None:
        """Return the version that the server names, or None where it names none."""
        return read_version(self._get(VERSION_ROUTE, "read the version"))

    def healthy(self) -> bool:
        """Return whether the engine lives: a dead one answers 500 (up to 0.10.2) or 503. Where a proxy hides
        ``/health``, it is given the benefit of the doubt."""
        return self.health().status < 500

    def health(self) -> Answer:
        """Return how the server answers when asked for its health, see :meth:`healthy`."""
        return self._health("ask for its health")

    def status(self, path: str) -> int:
        """Return the status that a GET is answered with. Routes that only take POST answer 405, missing ones 404."""
        return self._get(path, "probe").status

    def as_anonymous(self) -> Client:
        """Return a client of the same server that has neither key nor certificate, and no connection in common."""
        return Client(replace(self.endpoint, api_key=None, client_cert=None, client_key=None))

    def runtime_lora(self) -> bool:
        """Return whether the load route exists, without side effects: it answers 405 to a GET, and 404 where it is
        off."""
        return self._probe_load_route().status == 405

    def require_runtime_lora(self) -> None:
        """Raise ``runtime_lora_disabled`` where the load route does not exist."""
        answer = self._probe_load_route()
        if answer.status != 405:
            raise runtime_lora_disabled(answer, "find the route that loads adapters")

    def load(self, name: str, path: str, is_3d_lora_weight: bool = False, in_place: bool = False) -> None:
        """Load an adapter. Servers before 0.15 ignore ``load_inplace``, those before 0.22 ``is_3d_lora_weight``."""
        payload: dict = {"lora_name": name, "lora_path": path}
        if is_3d_lora_weight:
            payload["is_3d_lora_weight"] = True
        if in_place:
            payload["load_inplace"] = True
        rehearses, shown, limit = name.endswith(REHEARSAL_SUFFIX), quoted(shown_name(name)), self.endpoint.load_timeout
        attempt = f"{'rehearse' if rehearses else 'load'} adapter {shown} from {quoted(path)}"
        try:
            with self.watch(f"{'rehearsing' if rehearses else 'loading'} adapter {shown}", limit):
                self._post(_LOAD_ROUTE, payload, attempt, limit, load_error)
        except VllmError as error:
            # From 0.18 on a bad artifact is answered 500 like a broken engine; only /health tells the two apart.
            if error.code == "artifact_rejected" and (error.http_status or 0) >= 500:
                with also_report([error]):
                    healthy = self.healthy()
                if not healthy:
                    error.code = "server_error"
                    error.hint = DEAD_ENGINE_HINT
            raise

    def unload(self, name: str) -> None:
        """Unload an adapter."""
        self._post(
            _UNLOAD_ROUTE,
            {"lora_name": name},
            "unload adapter " + quoted(shown_name(name)),
            self.endpoint.timeout,
            unload_error,
            # To give up in the middle of a swap would leave the name unserved.
            patience=self.endpoint.load_timeout,
        )

    def post(self, path: str, payload: dict, attempt: str) -> Answer:
        """Send a request that changes nothing, and return its answer, whatever its status."""
        return self._send(path, payload, attempt, self.endpoint.timeout)

    def lora_state(self) -> LoraState:
        """Return what ``/metrics`` tells of adapters. Where it cannot be read, nothing is known and nothing fails."""
        try:
            return read_metrics(self._get(METRICS_ROUTE, "read the metrics", _may_repeat_silence))
        except VllmError:
            return LoraState()

    def poll(self, name: str, done: Callable[[Observed], bool], seconds: float) -> Observed:
        """Read the list until ``done`` or until the time has passed, at least once; return what was read last.

        :param name: of the adapter that it is about.
        """
        with self.watch(f"looking for adapter {quoted(shown_name(name))} in the list of models", seconds):
            return self._poll(done, seconds)

    def _poll(self, done: Callable[[Observed], bool], seconds: float) -> Observed:
        until = time.monotonic() + seconds
        turn = 0
        while True:
            observed = self.observe()
            left = until - time.monotonic()
            if done(observed) or left <= 0:
                return observed
            time.sleep(min(left, max(_SHORTEST_PAUSE, self._pause(turn))))
            turn = min(turn + 1, _SLOWEST_TURN)

    def drain(self, names: Iterable[str], seconds: float) -> bool | None:
        """Wait until no request is for one of these adapters, or until the time has passed.

        :return: whether there may be such requests now; None if the metrics do not tell.
        """
        adapters = tuple(names)
        until = time.monotonic() + seconds
        with self.watch(f"waiting for the requests for {', '.join(map(quoted, adapters))} to end", seconds):
            while True:
                has_requests = self.lora_state().has_requests(adapters)
                left = until - time.monotonic()
                if not has_requests or left <= 0:
                    return has_requests
                time.sleep(min(left, _DRAIN_PAUSE))

    def _health(self, attempt: str) -> Answer:
        return self._get(HEALTH_ROUTE, attempt, _may_repeat_silence)

    def _probe_load_route(self) -> Answer:
        attempt = "find the route that loads adapters"
        answer = self._get(_LOAD_ROUTE, attempt)
        error = common_error(answer, attempt)
        if error is None and answer.status not in (404, 405):
            error = read_error(answer, attempt)
        if error:
            raise error
        return answer

    def _get(self, path: str, attempt: str, may_repeat: Callable[[Answer | VllmError], bool] | None = None) -> Answer:
        limit = self.endpoint.timeout
        send = partial(self._transport.request, "GET", path, attempt, limit)
        return self._repeat(send, may_repeat or _may_repeat_read, limit)

    def _post(
        self,
        path: str,
        payload: dict,
        attempt: str,
        limit: float,
        error_of: Callable[[Answer, str], VllmError],
        patience: float | None = None,
    ) -> None:
        answer = self._send(path, payload, attempt, limit, patience)
        if answer.status != 200:
            raise error_of(answer, attempt)

    def _send(self, path: str, payload: dict, attempt: str, limit: float, patience: float | None = None) -> Answer:
        send = partial(self._transport.request, "POST", path, attempt, limit, payload)
        return self._repeat(send, _may_repeat_write, patience or limit)

    def _repeat(
        self, send: Callable[[], Answer], may_repeat: Callable[[Answer | VllmError], bool], patience: float
    ) -> Answer:
        """Send until there is something to judge, at most ``retries`` times more than once.

        :param patience: the longest ``Retry-After`` to comply with, in seconds.
        """
        answered: Answer | None = None
        outcome: Answer | VllmError
        for turn in range(self.endpoint.retries + 1):
            try:
                outcome = answered = send()
            except VllmError as error:
                outcome = error
            if turn == self.endpoint.retries or not may_repeat(outcome):
                break
            asked = _seconds(outcome.retry_after) if isinstance(outcome, Answer) else None
            if asked is not None and asked > patience:
                break
            time.sleep(self._pause(turn) if asked is None else asked)
        if isinstance(outcome, VllmError):
            if answered:
                outcome.add(f"before that: {describe_answer(answered)}")
                outcome.detail = error_body(answered).message
            raise outcome
        return outcome

    def _pause(self, turn: int) -> float:
        """Seconds to wait: exponential, with jitter so that a fleet does not come back at once; at most ``timeout``."""
        doubled = self.endpoint.retry_delay * 2 ** min(turn, _LAST_DOUBLING)
        return min(doubled * random.uniform(0.5, 1.5), self.endpoint.timeout)


def _may_repeat_read(outcome: Answer | VllmError) -> bool:
    if isinstance(outcome, Answer):
        return outcome.status in _WORTH_A_RETRY
    return outcome.is_unreachable and outcome.code != "tls"


def _may_repeat_silence(outcome: Answer | VllmError) -> bool:
    return not isinstance(outcome, Answer) and _may_repeat_read(outcome)


def _may_repeat_write(outcome: Answer | VllmError) -> bool:
    if isinstance(outcome, Answer):
        return outcome.status == 429
    return outcome.unsent and outcome.code != "tls" and outcome.is_unreachable


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After header: seconds, or a date."""
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.strip().isdigit():
        return float(retry_after.strip()[:9])
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
        return max(0.0, moment.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
