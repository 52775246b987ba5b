# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS contexts, made once for all endpoints that share their files: each holds the certificates of a system's store."""

from __future__ import annotations

import os
import ssl

from .....plugins.module_utils._certificates import new_context
from .....plugins.module_utils._endpoint import Authorities, Endpoint, authorities


class TlsContexts:
    """Contexts by TLS options. One is made anew when a file of it has changed, since certificates are renewed."""

    def __init__(self) -> None:
        self._made: dict[tuple, tuple[tuple, ssl.SSLContext]] = {}

    def context(self, endpoint: Endpoint) -> ssl.SSLContext:
        """Return the context for an endpoint.

        :raises UnusableCertificate: when a file cannot be read or used.
        """
        trusted = authorities(endpoint.ca_path, os.environ)
        options = (endpoint.validate_certs, trusted, endpoint.client_cert, endpoint.client_key)
        files = [*_files(trusted), endpoint.client_cert, endpoint.client_key]
        versions = tuple(_version(file) for file in files if file)
        if options not in self._made or self._made[options][0] != versions:
            self._made[options] = (versions, new_context(endpoint, trusted))
        return self._made[options][1]


def _files(trusted: tuple[Authorities, ...]) -> list[str | None]:
    return [source.path for source in trusted] or [ssl.get_default_verify_paths().cafile]


def _version(file: str) -> int | None:
    """What changes with the file; None where there is none, of which the context will complain."""
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return None
