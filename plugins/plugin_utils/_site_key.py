# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of a site that has one of its own: hosts carry the name of the environment variable, never the key."""

from __future__ import annotations

import os

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import invalid_option, quoted

#: The host variable that names the environment variable.
NAMED_BY = "vllm_api_key_env"


def key_in(variable: str) -> str:
    """Return the key that this environment variable of the controller holds.

    :raises VllmError: ``invalid_request`` where it is not set: the key of other sites is not this one's business.
    """
    key = os.environ.get(variable)
    if not key:
        problem = f"names the environment variable {quoted(variable)}, which is not set"
        raise invalid_option("api_key_env", problem, "set it where Ansible runs; the server was not asked")
    return key
