# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes that vLLM does not have, for playbooks that steer a stand-in in another process (--control).

POST /stand-in/faults      add faults: a JSON list of objects with the fields of Fault
GET, DELETE /stand-in/log  the requests so far, without keys; forget them
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .answers import Answer, json_answer
from .faults import Fault
from .request import Request

if TYPE_CHECKING:
    from .server import StandIn


def is_control(request: Request) -> bool:
    return request.path.startswith("/stand-in/")


def answer(stand_in: StandIn, request: Request) -> Answer:
    action = (request.method, request.path.removeprefix("/stand-in/"))
    if action == ("POST", "faults"):
        try:
            stand_in.faults.add(*(Fault(**fault) for fault in json.loads(request.raw)))
        except (TypeError, ValueError) as error:
            return json_answer(400, {"error": f"not a list of faults: {error}"})
    elif action == ("GET", "log"):
        return json_answer(200, [request.as_line() for request in stand_in.log])
    elif action == ("DELETE", "log"):
        stand_in.clear_log()
    else:
        return json_answer(404, {"error": f"no such control: {request.method} {request.path}"})
    return json_answer(200, {})
