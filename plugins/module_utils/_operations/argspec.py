# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options, once for modules, actions and inventory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible.module_utils.basic import env_fallback

from .._adapters.declaration import ADAPTER_OPTIONS
from .._vllm.endpoint import CONNECTION_OPTIONS, Endpoint


def connection_spec() -> dict:
    """Return the options of every module that talks to a server."""
    return {name: _with_fallback(spec) for name, spec in CONNECTION_OPTIONS.items()}


def _with_fallback(spec: Mapping) -> dict:
    own = {key: value for key, value in spec.items() if key != "env"}
    return {**own, "fallback": (env_fallback, [spec["env"]])} if "env" in spec else own


def write_spec() -> dict:
    """Return the options that modules which load adapters have besides."""
    return {
        "load_timeout": {"type": "float", "default": 300.0},
        "reload_strategy": {"type": "str", "choices": ["replace", "in_place"], "default": "replace"},
    }


def adapter_spec() -> dict:
    """Return the options that declare one adapter."""
    return {name: dict(spec) for name, spec in ADAPTER_OPTIONS.items()}


def endpoint_of(options: Mapping) -> Endpoint:
    """Return the server that the connection options describe.

    :raises VllmError: ``invalid_request`` when an option cannot be used.
    """
    names = {field.name for field in dataclasses.fields(Endpoint)}
    return Endpoint(**{name: value for name, value in options.items() if name in names})
