# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of the module that sees whether what is listed also answers, changes its base model, and has the right weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar

from .._adapters.models import Observed
from .._adapters.results import joined_failure
from .._errors import VllmError, also_report, failure, invalid_option, quoted, request_error
from .._http.client import Client
from .._http.generator import Generator
from .._vllm.effect import distance, has_effect
from .._vllm.fingerprint import ATTEMPTS, STALE_PREFIX_CACHE, TOLERANCE, Fingerprint, Origin, read_fingerprint
from .._vllm.generation import NO_COMPLETIONS, Reading
from .._vllm.releases import BLOCK_SIZE_OF_A_CPU, mixes_up_models
from .operation import SERVER_OPTIONS, ServerOperation

#: Of several kinds, so that most adapters change some of them; the first is longer than a block of a GPU's prefix cache.
DEFAULT_PROMPTS = (
    "The river flows through the valley, and the village stands on its left bank. In the morning the first boat leaves "
    "for the town, and in the evening it comes back with",
    "Question: What is the capital of France?\nAnswer:",
    "def add(a, b):\n    return",
    "Dear customer, thank you for your message.",
)
# A limit for the cost: all prompts go out with each reading.
_MOST_PROMPTS = 64
_NO_EFFECT_HINT = (
    "see that its tensors are named after layers of the base model, that lora_alpha and lora_B are not 0, and that one of "
    "prompts is a request that it was trained for"
)


class SmokeTest(ServerOperation):
    """Ask models for tokens."""

    options: ClassVar = {
        **SERVER_OPTIONS,
        "models": {"type": "list", "elements": "str", "required": True},
        "differs_from_base": {"type": "bool", "default": False},
        "fingerprint": {"type": "bool", "default": False},
        "expect": {"type": "dict"},
        "expect_if": {"type": "str", "choices": ["always", "same_origin"], "default": "always"},
        "tolerance": {"type": "float", "default": TOLERANCE},
        "warn_of": {"type": "list", "elements": "str", "choices": [NO_COMPLETIONS, STALE_PREFIX_CACHE], "default": []},
        "prompts": {"type": "list", "elements": "str", "default": list(DEFAULT_PROMPTS)},
    }

    def ask(self, client: Client, options: Mapping, check_mode: bool) -> dict:
        """Ask each model, and list all errors."""
        models = list(dict.fromkeys(options["models"]))
        examination = Examination(client, options, models)
        failures: dict[str, VllmError] = {}
        for model in () if check_mode else models:
            with also_report(failures.values()):
                try:
                    examination.examine(model)
                except VllmError as error:
                    if error.is_unreachable:
                        raise
                    failures[model] = error
        result: dict = {"changed": False}
        if failures:
            result = failure(joined_failure(failures, len(models), "models"))
            result["errors"] = {model: dict(error.as_dict(), msg=error.message) for model, error in failures.items()}
        return {**result, **examination.result()}


class _NotMeasurable(Exception):
    """The server works, and yet nothing can be measured. The text tells why."""


class Examination:
    """The questions of one task, and what came of them.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """

    def __init__(self, client: Client, options: Mapping, models: Sequence[str]) -> None:
        self._client = client
        self._generator = Generator(client)
        self._models = models
        self._prompts = tuple(options["prompts"])
        self._tolerance = options["tolerance"]
        self._seeks_effect = options["differs_from_base"]
        self._warned_of = options["warn_of"]
        self._only_same_origin = options["expect_if"] == "same_origin"
        expected = options["expect"] or {}
        self._expected = {model: read_fingerprint(model, expected[model]) for model in models if model in expected}
        self._takes_fingerprints = options["fingerprint"] or options["expect"] is not None
        if not 0 < len(self._prompts) <= _MOST_PROMPTS or not all(self._prompts):
            problem = f"must have 1 to {_MOST_PROMPTS} texts, and none of them empty"
            raise invalid_option("prompts", problem, "give a few sentences")
        if not (math.isfinite(self._tolerance) and self._tolerance >= 0):
            raise invalid_option(
                "tolerance", "must be 0 or more", "give a difference of log-probabilities, such as 0.1"
            )
        self._observed: Observed | None = None
        self._version: str | None = None
        self._answered: set[str] = set()
        self._effective: list[str] = []
        self._fingerprints: dict[str, dict] = {}
        self._warnings: list[str] = []

    def result(self) -> dict:
        """Return the keys that tell what was found."""
        result: dict = {"answered": [model for model in self._models if model in self._answered]}
        if self._seeks_effect:
            result["effective"] = self._effective
        if self._takes_fingerprints:
            result["fingerprints"] = self._fingerprints
        return {**result, "warnings": self._warnings} if self._warnings else result

    def examine(self, model: str) -> None:
        """Ask one model all questions.

        :raises VllmError: if an answer is not as it should be, or does not come.
        """
        if not (self._seeks_effect or self._takes_fingerprints):
            with self._only_warned(model, self._warned_of):
                self._complete(model)
            return
        observed = self._observe()
        if not (observed.adapter(model) or observed.base_model(model)):
            problem, hint = "/v1/models does not list it", "load it, and give the server's own address as base_url"
            raise request_error("not_converged", f"ask {quoted(model)} for a token", observed.url, problem, hint)
        with self._only_warned(model, [NO_COMPLETIONS, *self._warned_of]):
            try:
                self._measure(model, observed)
            except _NotMeasurable as reason:
                self._complete(model)
                self._warn(model, f"{reason}, so all that is known is that it answered")

    @contextlib.contextmanager
    def _only_warned(self, model: str, codes: Collection[str]) -> Iterator[None]:
        """Make errors with these codes warnings."""
        try:
            yield
        except VllmError as error:
            if error.code not in codes:
                raise
            if error.code == NO_COMPLETIONS:
                known = ", so all that is known is that /v1/models lists it" if self._observed else ""
                self._warn(model, f"the server generates no text{known}")
            else:
                self._warnings.append(error.message)

    def _observe(self) -> Observed:
        if self._observed is None:
            self._observed = self._client.observe()
            self._version = self._client.version()
        return self._observed

    def _complete(self, model: str) -> None:
        self._generator.complete(model)
        self._answered.add(model)

    def _read(self, model: str, prompts: Sequence[str], cached: bool = False) -> Reading:
        reading = self._generator.read(model, prompts, cached)
        if reading is None:
            raise _NotMeasurable("the server gives no log-probabilities")
        self._answered.add(model)
        return reading

    def _warn(self, model: str, reason: str) -> None:
        self._warnings.append(f"Could not measure {quoted(model)} at {self._generator.url}: {reason}.")

    def _measure(self, model: str, observed: Observed) -> None:
        adapter = observed.adapter(model)
        if self._seeks_effect and adapter and adapter.parent:
            self._require_effect(model, adapter.parent)
            self._effective.append(model)
        if self._takes_fingerprints:
            self._compare_weights(model, observed)
        if model not in self._answered:
            self._complete(model)  # a base model has no parent to differ from

    def _require_effect(self, model: str, parent: str) -> None:
        """Raise ``adapter_without_effect`` if the adapter answers as its base model does."""
        base: list[Reading] = []
        adapter: list[Reading] = []
        verdict = None
        while verdict is None:
            base.append(self._read(parent, self._prompts))
            self._require_true_answers()
            adapter.append(self._read(model, self._prompts))
            verdict = has_effect(base, adapter)
        if not verdict:
            apart = min(distance(one, other) for one in base for other in adapter)
            raise request_error(
                "adapter_without_effect",
                f"see an effect of adapter {quoted(model)}",
                self._generator.url,
                f"it answers {len(self._prompts)} prompts as its base model {quoted(parent)} does (log-probabilities "
                f"differ by {apart:.2g}, no more than between answers of the base model itself)",
                _NO_EFFECT_HINT,
            )

    def _require_true_answers(self) -> None:
        """See that the base model's answers are its own, where requests for adapters at the same time can change them."""
        state = self._client.lora_state() if mixes_up_models(self._version) else None
        if state and state.block_size == BLOCK_SIZE_OF_A_CPU and (state.running or state.waiting):
            raise _NotMeasurable(
                f"vLLM {self._version} on a CPU answers requests for the base model with the weights of an adapter while "
                f"requests for adapters run (now for {', '.join(state.running or state.waiting or ())})"
            )

    def _compare_weights(self, model: str, observed: Observed) -> None:
        """Take a fingerprint, and raise an error if it is not as expected, or shows that the prefix cache is stale."""
        origin = self._origin(model, observed)
        expected = self._expected.get(model)
        if expected and self._only_same_origin and not expected.origin.is_same_as(origin):
            expected = None
        problem: VllmError | None = None
        for _attempt in range(ATTEMPTS):
            taken = self._fingerprint(model, expected.prompts if expected else self._prompts, origin)
            problem = self._problem(model, taken, expected)
            if problem is None:
                break
        self._fingerprints[model] = taken.as_dict()
        if problem:
            raise problem
        if expected and expected.route != taken.route:
            self._warn(model, f"its expected fingerprint was taken by {expected.route}, so it was not compared")

    def _origin(self, model: str, observed: Observed) -> Origin:
        adapter = observed.adapter(model)
        base = observed.base_model(adapter.parent if adapter else model)
        name, root = (base.id, base.root) if base else (None, None)
        return Origin(adapter.root if adapter else None, name, root, self._version)

    def _fingerprint(self, model: str, prompts: Sequence[str], origin: Origin) -> Fingerprint:
        cached = self._read(model, prompts, cached=True)
        fresh = self._read(model, prompts)
        return Fingerprint(origin, self._generator.route, tuple(prompts), fresh, cached)

    def _problem(self, model: str, taken: Fingerprint, expected: Fingerprint | None) -> VllmError | None:
        url, problem = self._generator.url, None
        if expected and expected.route == taken.route:
            problem = taken.other_weights(model, url, expected, self._tolerance)
        return problem or taken.stale_prefix_cache(model, url, self._tolerance)
