# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read ``/v1/models``. Only a full, well-formed list proves that an adapter is absent."""

from __future__ import annotations

from collections.abc import Sequence

from .._adapters.models import BaseModel, Card, Observed
from .._errors import NOT_VLLM_HINT, VllmError, quoted, request_error
from .answers import Answer, health_error, html_page, read_error

#: The attempt that a reading of the list is, for errors.
ATTEMPT = "read what is served"
#: Where a list that does not suffice is followed up, see :func:`require_engine`.
HEALTH_ROUTE = "/health"
# The owner of the models in the cards is the server's own name, in all releases. Other servers write another name.
_OWNER = "vllm"
_RUST_OWNER = "vllm-frontend-rs"
_OWNER_SHOWN = 100
_HINT = f"{NOT_VLLM_HINT}; nothing is concluded from this answer"


class _Malformed(Exception):
    """The list cannot be used; the text tells why."""


def read_model_list(answer: Answer, base_url: str) -> Observed:
    """Return what the answer lists.

    A card is a base model when ``max_model_len`` is set and an adapter when it is null and ``parent`` is set, in every
    release from 0.7 to 0.33. What has neither is a prompt adapter (up to 0.9.2), which nothing here manages.

    :raises VllmError: ``not_vllm`` where it is no list with at least one base model, or the list of another server than
        vLLM, and the error of the status.
    """
    if answer.status != 200:
        raise read_error(answer, ATTEMPT)
    try:
        cards = _cards(answer.json)
        _refuse_other_servers(cards)
        rust = any(card.get("owned_by") == _RUST_OWNER for card in cards)
        observed = Observed(base_url, _base_models(cards), _adapters(cards), rust)
        if not observed.base_models:
            raise _Malformed("a list that names no base model")
    except _Malformed as problem:
        raise _not_a_list(answer, str(problem)) from None
    return observed


def require_engine(health: Answer) -> None:
    """See that a server whose list outlives its engine is alive: with the Rust front-end ``/v1/models`` answers 200 with
    the full list for seconds to minutes after the engine has died (seen on 0.33.0).

    :raises VllmError: ``server_error`` where the answer of ``/health`` tells of a dead engine.
    """
    error = health_error(health, ATTEMPT)
    if error:
        raise error


def _refuse_other_servers(cards: Sequence[dict]) -> None:
    """SGLang, llama.cpp, Ollama and others answer this route as well, and have other routes for adapters, or none."""
    owners = [card["owned_by"] for card in cards if isinstance(card.get("owned_by"), str) and card["owned_by"]]
    if owners and not any(_OWNER in owner.lower() for owner in owners):
        owner = quoted(owners[0][:_OWNER_SHOWN])
        raise _Malformed(f"a model list whose owner (owned_by) is {owner}, so that it is another server than vLLM")


def _cards(decoded: object) -> list[dict]:
    if not isinstance(decoded, dict) or decoded.get("object") != "list" or not isinstance(decoded.get("data"), list):
        raise _Malformed("no model list")
    for card in decoded["data"]:
        if not isinstance(card, dict) or not isinstance(card.get("id"), str) or not card["id"]:
            raise _Malformed("a list with a model that has no id")
        for key, kind in (("root", str), ("parent", str), ("max_model_len", int)):
            if card.get(key) is not None and not isinstance(card[key], kind):
                raise _Malformed(f"a list whose models have a mistyped {key}")
    return decoded["data"]


def _base_models(cards: Sequence[dict]) -> tuple[BaseModel, ...]:
    """One base model for each root: the names that share a root are its aliases."""
    names: dict[str, list[dict]] = {}
    for card in cards:
        if card.get("max_model_len") is not None and not card.get("parent"):
            names.setdefault(card.get("root") or card["id"], []).append(card)
    return tuple(
        BaseModel(first["id"], first.get("root"), first["max_model_len"], _aliases(first["id"], others))
        for first, *others in names.values()
    )


def _aliases(name: str, cards: Sequence[dict]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(card["id"] for card in cards if card["id"] != name))


def _adapters(cards: Sequence[dict]) -> tuple[Card, ...]:
    return tuple(
        Card(card["id"], card.get("root") or "", card["parent"])
        for card in cards
        if card.get("max_model_len") is None and card.get("parent")
    )


def _not_a_list(answer: Answer, problem: str) -> VllmError:
    page = html_page(answer)
    came_back = answer.without_secret(f"the server answered 200 with {problem}") + (f" but {page}" if page else "")
    detail = answer.without_secret(answer.body)
    return request_error("not_vllm", ATTEMPT, answer.url, came_back, _HINT, http_status=200, detail=detail)
