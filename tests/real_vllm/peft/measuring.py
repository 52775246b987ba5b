# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real vLLM makes of an adapter, told by the log-probabilities of the tokens of a prompt."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.real_vllm import RealServer
from tests.real_vllm.peft.kinds import MAX_RANK, PROMPT, TIED, Kind, Outcome
from tests.real_vllm.real_server import is_ready
from tests.support.asking import Reply, ask, load, unload

# On one machine equal weights give equal sums; PEFT adds them up in another order. An adapter moves some token by more than 0.1.
TOLERANCE = 0.005


@dataclass(frozen=True)
class Measurement:
    """detail: the largest distances, or what the server said."""

    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class Result:
    """What a real vLLM does with an adapter, and what we say of its files.

    measured: None where PEFT could not make it, which `error` then tells.
    """

    kind: Kind
    measured: Measurement | None
    problems: list[str]
    error: str = ""


def measure_all(
    server: RealServer, kinds: Iterable[Kind], model: Path, directory: Path, made: dict[str, Any]
) -> Iterator[Result]:
    """Measure one kind after the other.

    model: what the server serves; directory: of the adapters; made: what making.py wrote down.
    """
    base = log_probabilities(server.url, "tiny", PROMPT)
    expected = made["bases"][TIED if model.name == TIED else "tiny"]
    assert distance(base, expected) <= TOLERANCE, (
        "PEFT and vLLM do not run the same base model: nothing can be compared"
    )
    for kind in kinds:
        truth, path = made["kinds"][kind.name], directory / kind.slug / kind.inside
        if "error" in truth:
            yield Result(kind, None, [], truth["error"])
        else:
            measured = _measure(server, kind, path, truth["log_probabilities"], base)
            yield Result(kind, measured, _problems(path, model))


def _problems(path: Path, model: Path) -> list[str]:
    """What we have against it, asked with all that the user of this server knows."""
    config = path / "adapter_config.json"
    named = config.exists() and json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"]
    pickled = not (path / "adapter_model.safetensors").exists()
    # Where PEFT did not learn the name of the base model, the files themselves have to show what is wrong.
    base_model = str(model) if named else None
    return inspect_artifact(str(path), max_rank=MAX_RANK, base_model=base_model, allow_pickle=pickled)["problems"]


def _measure(server: RealServer, kind: Kind, path: Path, truth: list[float], base: list[float]) -> Measurement:
    """Load, ask and unload one adapter; a server that dies of it is started again.

    truth: what PEFT says; base: what the server says of its base model.
    """
    try:
        found = _asked(server.url, kind, path, truth, base)
    except (OSError, http.client.HTTPException) as error:
        found = Measurement(Outcome.OTHER, repr(error))
    if is_ready(server.url, None):
        return found
    server.stop()
    server.start()
    return Measurement(Outcome.OTHER, f"the server died after this: {found.detail}")


def _asked(url: str, kind: Kind, path: Path, truth: list[float], base: list[float]) -> Measurement:
    # The name was never used, and the directory stays: vLLM may answer from prefixes of a name, and read files again.
    reply = load(url, kind.slug, path)
    if reply.status != 200:
        return Measurement(Outcome.REFUSED, f"{reply.status} {_message(reply)}")
    answer = _complete(url, kind.slug, kind.prompt)
    unload(url, kind.slug)
    if answer.status != 200:
        return Measurement(Outcome.OTHER, f"loaded, then {answer.status} {_message(answer)}")
    return _compared(kind, _log_probabilities(answer), truth, base)


def _compared(kind: Kind, served: list[float], truth: list[float], base: list[float]) -> Measurement:
    from_peft, from_base = distance(served, truth), distance(served, base)
    detail = f"{from_peft:.4f} from PEFT, {from_base:.4f} from the base model"
    if from_base <= TOLERANCE and not kind.untrained:
        return Measurement(Outcome.NO_EFFECT, detail)
    return Measurement(Outcome.SERVED if from_peft <= TOLERANCE else Outcome.OTHER, detail)


def distance(one: list[float], other: list[float]) -> float:
    """The largest difference of two log-probabilities of one token."""
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def log_probabilities(url: str, model: str, prompt: tuple[int, ...]) -> list[float]:
    """Of each token of the prompt but the first, after those before it, as the server has them."""
    return _log_probabilities(_complete(url, model, prompt))


def _complete(url: str, model: str, prompt: tuple[int, ...]) -> Reply:
    request = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
    return ask(url, "POST", "/v1/completions", request, timeout=120)


def _log_probabilities(answer: Reply) -> list[float]:
    choice = answer.json["choices"][0]
    # The first token comes after none. The others have one entry, their own.
    return [next(iter(entry.values()))["logprob"] for entry in choice["prompt_logprobs"][1:]]


def _message(reply: Reply) -> str:
    return reply.json["error"]["message"]
