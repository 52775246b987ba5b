# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fingerprint of a model's weights: log-probabilities of the next token of fixed prompts, and where they are from."""

from __future__ import annotations

from dataclasses import dataclass

from .._adapters.models import normalised
from .._errors import VllmError, invalid_option, quoted, request_error
from .effect import distance
from .generation import Reading, reading_of

STALE_PREFIX_CACHE = "stale_prefix_cache"
#: How far two fingerprints of the same weights may be apart, in nats, if nobody says otherwise.
TOLERANCE = 0.1
#: Noise can exceed the tolerance once; the closest of so many fingerprints counts.
ATTEMPTS = 3
_ORIGIN = ("path", "base_model", "root", "version")


@dataclass(frozen=True)
class Origin:
    """The place of weights that were measured.

    :ivar path: of the adapter, as the model list shows it; None for a base model.
    :ivar root: of the base model, as the model list shows it.
    :ivar version: of the server, or None if a proxy hides it.
    """

    path: str | None
    base_model: str | None
    root: str | None
    version: str | None

    def is_same_as(self, other: Origin) -> bool:
        """Return whether path, base model and release are the same, so that the weights should be the same, too.

        The name of the base model does not count: the administrator of the server may change it.
        """
        return self._compared == other._compared

    @property
    def _compared(self) -> tuple:
        return self.path and normalised(self.path), self.root, self.version

    @property
    def server(self) -> str:
        """The server, for a sentence."""
        return f"vLLM {quoted(self.version)} with base model {quoted(self.root or self.base_model)}"


@dataclass(frozen=True)
class Fingerprint:
    """One measurement. ``fresh`` is computed from the weights alone, ``cached`` with the server's prefix cache.

    :ivar route: by which the prompts were sent, since a chat template changes them.
    """

    origin: Origin
    route: str
    prompts: tuple[str, ...]
    fresh: Reading
    cached: Reading

    def as_dict(self) -> dict:
        """Return plain data, rounded, which :func:`read_fingerprint` takes back."""
        origin = {name: getattr(self.origin, name) for name in _ORIGIN}
        readings = {"logprobs": self.fresh.rounded(), "cached_logprobs": self.cached.rounded()}
        return {**origin, "route": self.route, "prompts": list(self.prompts), **readings}

    def other_weights(self, model: str, url: str, expected: Fingerprint, tolerance: float) -> VllmError | None:
        """Return ``other_weights`` if the fresh answers differ from those of ``expected`` by more than ``tolerance``."""
        apart = distance(self.fresh, expected.fresh)
        if apart <= tolerance:
            return None
        problem = (
            f"log-probabilities differ by up to {apart:.2f} from the expected fingerprint, and {tolerance:g} is allowed"
        )
        if expected.origin.server != self.origin.server:
            problem += f"; the fingerprint is of {expected.origin.server}, this server is {self.origin.server}"
        hint = "put the artifact that was recorded under a new path and load it from there, or record a new fingerprint"
        error = request_error("other_weights", f"recognise the weights of {quoted(model)}", url, problem, hint)
        stale = self.stale_prefix_cache(model, url, tolerance)
        if stale:
            error.add(f"besides, {stale.problem}")
        return error

    def stale_prefix_cache(self, model: str, url: str, tolerance: float) -> VllmError | None:
        """Return ``stale_prefix_cache`` if answers from the prefix cache differ from fresh ones by more than ``tolerance``."""
        apart = distance(self.fresh, self.cached)
        if apart <= tolerance:
            return None
        problem = (
            f"the prefix cache is stale: its answers differ by up to {apart:.2f} from those of the loaded weights, "
            f"and {tolerance:g} is allowed"
        )
        hint = "load the artifact from a new path under a new name, or restart the server"
        return request_error(STALE_PREFIX_CACHE, f"rely on the answers of {quoted(model)}", url, problem, hint)


def read_fingerprint(model: str, value: object) -> Fingerprint:
    """Return the fingerprint that :meth:`Fingerprint.as_dict` wrote.

    :raises VllmError: ``invalid_request`` if it is none.
    """
    told = value if isinstance(value, dict) else {}
    prompts, route = told.get("prompts"), told.get("route")
    fresh, cached = reading_of(told.get("logprobs")), reading_of(told.get("cached_logprobs"))
    are_texts = isinstance(prompts, list) and all(isinstance(prompt, str) and prompt for prompt in prompts)
    are_texts = are_texts and all(told.get(name) is None or isinstance(told[name], str) for name in (*_ORIGIN, "route"))
    sizes = {len(one.tops) if one else 0 for one in (fresh, cached)}
    if not (prompts and are_texts and route and fresh and cached and sizes == {len(prompts)}):
        advice = "give what fingerprints returned, unchanged"
        raise invalid_option("expect", f"has no usable fingerprint for {quoted(model)}", advice)
    origin = Origin(**{name: told.get(name) for name in _ORIGIN})
    return Fingerprint(origin, route, tuple(prompts), fresh, cached)
