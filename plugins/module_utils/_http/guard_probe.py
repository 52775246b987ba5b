# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out which configuration a guard answers with, from its own node and without a key."""

from __future__ import annotations

import http.client
import ssl

from .._vllm.answers import GUARD_HEADER
from .._vllm.guard import Guard

_SECONDS = 5.0


def configuration_in_effect(guard: Guard) -> str | None:
    """Return the name of the configuration that answers, or None if no guard answers there."""
    host, port = guard.probe_address
    if guard.certificate:
        # Nothing secret is sent, and the certificate is not made for the address of the node.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        # The guard itself answers this path.
        connection.request("GET", "/")
        return connection.getresponse().getheader(GUARD_HEADER)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
