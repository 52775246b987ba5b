# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server and everybody who touches it, for a few steps of a random run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.stand_in import PROFILES, Fault, Request, StandIn
from tests.stand_in.registry import Refused
from tests.support.server import Server

from .chance import Step
from .judgement import Account

Result = dict[str, Any]
# Without those that cannot load: what they refuse is in test_rust_front_end.py.
SUPPORTED = [name for name, profile in PROFILES.items() if not name.startswith("0.6") and not profile.cannot_load]

# Seconds. A run that is not disturbed is far from them on any machine.
LIMITS = {"timeout": 0.5, "load_timeout": 0.5, "retries": 1, "retry_delay": 0.01}
PATIENCE = {"timeout": 60, "load_timeout": 60, "retries": 1, "retry_delay": 0.01}


class World:
    """A stand-in of a random release."""

    def __init__(self, seed: int, episode: int, artifacts: Path) -> None:
        self.chance = Random(f"{seed}/{episode}")
        self.artifacts = artifacts
        profile, room = self.chance.choice(SUPPORTED), self.chance.choice((1, 2, 8))
        self.stand_in = StandIn(profile=profile, max_cpu_loras=room, keep_alive=60).start()
        self.server = Server(self.stand_in.url)

    def close(self) -> None:
        self.stand_in.close()

    def asked(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.stand_in.log]

    def options(self, step: Step, limits: dict[str, Any]) -> dict[str, Any]:
        """The options as the operation takes them."""
        options = {**step.options, "base_url": self.stand_in.url, **limits}
        if step.operation == "info":
            del options["load_timeout"]
        if "adapters" in options:
            options["adapters"] = [self._with_path(adapter) for adapter in options["adapters"]]
        return {name: value for name, value in self._with_path(options).items() if value is not None}

    def _with_path(self, adapter: dict[str, Any]) -> dict[str, Any]:
        return {**adapter, "path": f"{self.artifacts}/{adapter['path']}"} if "path" in adapter else dict(adapter)

    def disturb(self, step: Step) -> Account:
        """Let others act, put the faults in place, and open the account of the run."""
        for deed in step.world:
            self._do(*deed)
        account = Account(step, self.server.served())
        self.stand_in.clear_log()
        self.stand_in.faults.add(*(Fault(**fault) for fault in step.faults))
        self.stand_in.on_request = self._interrupt(step, account)
        return account

    def settle(self, account: Account) -> Account:
        """End the disturbance and note what is served now. A server that was cut off had not forgotten anything."""
        self.stand_in.on_request = None
        self.stand_in.faults.clear()
        account.log = list(self.stand_in.log)
        account.cut_off = any(request.fault in ("die", "die_after") for request in account.log)
        if account.cut_off:
            self.stand_in.start()
        account.after = self.server.served()
        return account

    def _interrupt(self, step: Step, account: Account) -> Callable[[Request], None] | None:
        if step.interruption is None:
            return None
        number, *deed = step.interruption

        def on_request(_request: Request) -> None:
            if len(self.stand_in.log) == number + 1 and not account.disturbed:
                account.disturbed = True
                self._do(*deed)

        return on_request

    def _do(self, verb: str, name: str, artifact: str) -> None:
        """What somebody else does, if it can be done."""
        if verb == "restart":
            self.stand_in.forget()
            return
        try:
            if verb == "load":
                self.stand_in.load(name, self.artifacts / artifact)
            else:
                self.stand_in.unload(name)
        except Refused:
            pass
