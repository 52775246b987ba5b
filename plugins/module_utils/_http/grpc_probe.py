# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out if a port answers like gRPC, without a gRPC library and without calling anything."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

# HTTP/2 without TLS (RFC 9113, 3.4): a client begins with these bytes and a frame of settings, here an empty one. A server
# also begins with a frame of settings.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER = struct.Struct(">BHBBI")
_SETTINGS, _ACKNOWLEDGED = 4, 1
_EMPTY_SETTINGS = _HEADER.pack(0, 0, _SETTINGS, 0, 0)
_BYTES_PER_SETTING = 6


def probe_grpc(host: str, port: int, seconds: float) -> str:
    """Return ``open`` if the port answers in HTTP/2, ``other`` if something else accepts the connection, else ``closed``.

    :param seconds: for the whole probe.
    """
    until = time.monotonic() + seconds
    try:
        connection = socket.create_connection((host, port), seconds)
    except OSError:
        return "closed"
    with contextlib.closing(connection):
        try:
            connection.sendall(_PREFACE + _EMPTY_SETTINGS)
            return "open" if _is_settings(_read(connection, _HEADER.size, until)) else "other"
        except OSError:
            return "other"


def _read(connection: socket.socket, size: int, until: float) -> bytes:
    received = b""
    while len(received) < size:
        connection.settimeout(max(0.01, until - time.monotonic()))
        more = connection.recv(size - len(received))
        if not more:
            break
        received += more
    return received


def _is_settings(header: bytes) -> bool:
    if len(header) < _HEADER.size:
        return False
    high, low, kind, flags, stream = _HEADER.unpack(header)
    length = (high << 16) + low
    return kind == _SETTINGS and not flags & _ACKNOWLEDGED and stream == 0 and length % _BYTES_PER_SETTING == 0
