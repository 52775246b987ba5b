# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS contexts, made once for all endpoints that share their files: each holds the certificates of a system's store."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from .....plugins.module_utils._endpoint import Endpoint


class UnusableCertificate(Exception):
    """A file of this machine is missing or no certificate, which is not the endpoint's fault."""


class TlsContexts:
    """Contexts by TLS options. One is made anew when a file of it has changed, since certificates are renewed."""

    def __init__(self) -> None:
        self._made: dict[tuple, tuple[tuple, ssl.SSLContext]] = {}

    def context(self, endpoint: Endpoint) -> ssl.SSLContext:
        """Return the context for an endpoint.

        :raises UnusableCertificate: when a file cannot be read or used.
        """
        options = (endpoint.validate_certs, endpoint.ca_path, endpoint.client_cert, endpoint.client_key)
        try:
            versions = tuple(os.stat(file).st_mtime_ns for file in options[1:] if file)
            if options not in self._made or self._made[options][0] != versions:
                self._made[options] = (versions, _new(*options))
        except OSError:
            raise UnusableCertificate from None
        return self._made[options][1]


def _new(validate_certs: bool, ca_path: str | None, client_cert: str | None, client_key: str | None) -> ssl.SSLContext:
    if ca_path and Path(ca_path).is_dir():
        context = ssl.create_default_context(capath=ca_path)
    else:
        context = ssl.create_default_context(cafile=ca_path)
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert:
        context.load_cert_chain(client_cert, client_key)
    return context
