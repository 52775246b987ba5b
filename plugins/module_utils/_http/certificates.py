# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS context of one server, the same for modules, inventory and event source."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import threading
from collections.abc import Iterator, Sequence

from .._errors import printable, quoted
from .._vllm.endpoint import Authorities, Endpoint
from .._vllm.no_answer import UNUSABLE_FILE, NoAnswer


def new_context(endpoint: Endpoint, trusted: Sequence[Authorities]) -> ssl.SSLContext:
    """Return the context for an endpoint, with the strictness of this Python's ``ssl.create_default_context()``.

    :param trusted: as ``authorities`` of ``_vllm.endpoint`` chose them. They are not read if the server is not verified.
    :raises NoAnswer: with the file's name, when a file of this machine is missing or is not what it should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    with contextlib.suppress(AttributeError):
        context.hostname_checks_common_name = False
    if not endpoint.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif trusted:
        for source in trusted:
            _trust(context, source)
    else:
        context.load_default_certs()
        # Some distributions have a requests without certifi, which uses the system's store.
        with contextlib.suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    if endpoint.client_cert:
        key = endpoint.client_key
        with _naming(f"client_cert is {quoted(endpoint.client_cert)}" + (f", client_key {quoted(key)}" if key else "")):
            context.load_cert_chain(endpoint.client_cert, key, _refuse_to_ask)
    return context


class SharedContexts:
    """Makes one context for all endpoints with the same certificates, since to read those of all authorities takes longer than to
    ask a server. Call it like :func:`new_context`, from any thread."""

    def __init__(self) -> None:
        self._made: dict[tuple, ssl.SSLContext] = {}
        self._one_at_a_time = threading.Lock()

    def __call__(self, endpoint: Endpoint, trusted: Sequence[Authorities]) -> ssl.SSLContext:
        key = (endpoint.validate_certs, tuple(trusted), endpoint.client_cert, endpoint.client_key)
        with self._one_at_a_time:
            if key not in self._made:
                self._made[key] = new_context(endpoint, trusted)
            return self._made[key]


def _trust(context: ssl.SSLContext, source: Authorities) -> None:
    with _naming(f"{source.named_by} is {quoted(source.path)}"):
        if source.is_directory or os.path.isdir(source.path):
            context.load_verify_locations(capath=source.path)
        else:
            context.load_verify_locations(cafile=source.path)


@contextlib.contextmanager
def _naming(files: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError:
        raise NoAnswer(UNUSABLE_FILE, f"{files}: no matching certificate or key in PEM") from None
    except (OSError, ValueError) as problem:
        raise NoAnswer(UNUSABLE_FILE, f"{files}: {printable(getattr(problem, 'strerror', None) or problem)}") from None


def _refuse_to_ask() -> bytes:
    """OpenSSL would ask at the terminal for the password of an encrypted key, and wait."""
    raise ValueError("the key is encrypted")
