# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two servers that are compared: a real vLLM, and a stand-in that was told to be like it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.real_vllm import RealServer
from tests.stand_in import Profile, StandIn, profile_for, rust_profile_for, write_examples
from tests.support.asking import ask

KEY = "contract-key"


@dataclass(frozen=True)
class Server:
    """adapters: the directory of the adapters of EXAMPLES, as the server sees it; offline: it cannot reach a hub."""

    url: str
    adapters: Path
    key: str | None
    version: str
    base: str
    offline: bool

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def _describe(url: str, adapters: Path, key: str | None, offline: bool) -> Server:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    version = ask(url, "GET", "/version").json["version"]
    cards = ask(url, "GET", "/v1/models", headers=headers).json["data"]
    return Server(url, adapters, key, version, cards[0]["id"], offline)


def real_server() -> Iterator[Server]:
    """The server at VLLM_EXTERNAL_URL, or else a CPU build on loopback, which is installed if need be."""
    url, adapters = os.environ.get("VLLM_EXTERNAL_URL"), os.environ.get("VLLM_EXTERNAL_ADAPTERS")
    if url and not adapters:
        raise RuntimeError("VLLM_EXTERNAL_URL is set: VLLM_EXTERNAL_ADAPTERS must name its directory of adapters too")
    with nullcontext() if url else RealServer(api_key=KEY) as ours:
        if ours:
            yield _describe(ours.url, ours.adapters, KEY, offline=True)
        else:
            yield _describe(url.rstrip("/"), Path(adapters), os.environ.get("VLLM_API_KEY"), offline=False)


def _profile(real: Server) -> Profile:
    if "rust_frontend_version" in ask(real.url, "GET", "/version").json:
        return rust_profile_for(real.version)
    return profile_for(real.version)


def like(real: Server, directory: Path) -> Iterator[Server]:
    """A stand-in with the profile, the base models and the key of a real server."""
    cards = ask(real.url, "GET", "/v1/models", headers=real.headers).json["data"]
    bases = [card for card in cards if card["max_model_len"] is not None]
    with StandIn(
        profile=_profile(real),
        base_models=[card["id"] for card in bases],
        base_root=bases[0]["root"],
        max_model_len=bases[0]["max_model_len"],
        api_key=real.key or (),
    ) as stand_in:
        yield _describe(stand_in.url, write_examples(directory), real.key, offline=True)
