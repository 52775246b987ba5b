# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server itself: a port, its connections, a log, and the life and death of what stands behind it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import control
from .answers import Answer
from .app import App
from .artifacts import AdapterNotFound, AdapterRejected
from .connection import Connection, head
from .engine import Engine
from .faults import Faults
from .misbehaviour import Exchange, misbehave
from .profiles import PROFILES, Profile, profile_for
from .registry import Registry
from .request import Request
from .settings import Settings


class StandIn:
    """A stand-in for one vLLM server (see Settings for the keyword arguments), used as a context manager.

    profile: a name of PROFILES, any release such as "0.25.1", or a Profile.
    log: every request in order of arrival; faults: what goes wrong; on_request: called with each Request before it is
    answered, to change the world between two requests; on_part: called with the number of each part of a streamed answer.
    Raises ValueError when a static adapter does not load, as the real server exits then.
    """

    def __init__(self, profile: str | Profile = "0.32", **settings: Any) -> None:
        self.settings = Settings(**settings)
        if isinstance(profile, str):
            profile = PROFILES[profile] if profile in PROFILES else profile_for(profile)
        self.profile = replace(profile, version=self.settings.version or profile.version)
        delay = self.settings.death_delay
        self.death_delay = self.profile.death_delay if delay is None else delay
        self.log: list[Request] = []
        self.faults = Faults()
        self.on_request: Callable[[Request], object] | None = None
        self.on_part: Callable[[int], object] | None = None
        self._lock = threading.RLock()
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._reserved: socket.socket | None = None
        self._port = self.settings.port
        self.forget()

    # Life and death

    def start(self) -> StandIn:
        """Listen. Connections are served by threads of this process."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.settings.host, self._port))
        self._port = listener.getsockname()[1]
        with self._lock:
            self._release_port()
            listener.listen(128)
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return self

    def kill(self, spare: Connection | None = None) -> None:
        """Close the port and all connections, but one to spare, at once: a dead server.

        The port stays reserved for restart().
        """
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is None:
                return
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            for sock in self._connections - {spare and spare.connection}:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            self._reserved = socket.socket()
            self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._reserved.bind((self.settings.host, self._port))

    def restart(self) -> None:
        """Start anew on the same port: vLLM has forgotten all but its static adapters."""
        self.kill()
        self.forget()
        self.start()

    def close(self) -> None:
        """Stop for good."""
        self.kill()
        self.faults.clear()
        with self._lock:
            self._release_port()

    def _release_port(self) -> None:
        if self._reserved:
            self._reserved.close()
            self._reserved = None

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def forget(self) -> None:
        """Forget what was loaded at run time, as a restart does, without closing the port."""
        apps = [self._boot_one() for _replica in range(self.settings.replicas)]
        self.apps = apps
        self._turn = itertools.cycle(apps)
        self._dying = False

    def _boot_one(self) -> App:
        engine = Engine(self.profile, self.settings)
        registry = Registry(self.profile, engine, self.settings)
        for name, module in self.settings.static.items():
            module = module if isinstance(module, Mapping) else {"path": str(module)}
            try:
                registry.load(name, str(module["path"]), parent=module.get("base_model_name"))
            except (AdapterNotFound, AdapterRejected) as error:
                raise ValueError(f"static adapter {name!r} does not load: {error}") from error
        engine.load_delay = self.settings.load_delay
        return App(registry, self.settings)

    # What tests look at and do

    @property
    def url(self) -> str:
        return f"{'https' if self.settings.ssl_context else 'http'}://{self.settings.host}:{self._port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def writes(self) -> list[Request]:
        """The requests in the log that ask for a change."""
        return [request for request in self.log if request.method in ("POST", "DELETE", "PUT", "PATCH")]

    def clear_log(self) -> None:
        self.log.clear()

    def load(self, name: str, path: str | Path) -> None:
        """Somebody else loads an adapter, on every replica, unseen by the log. Raises as Registry.load."""
        for app in self.apps:
            app.registry.load(name, str(path))

    def unload(self, name: str) -> None:
        """Somebody else unloads an adapter, on every replica, unseen by the log. Raises as Registry.unload."""
        for app in self.apps:
            app.registry.unload(name)

    # Serving

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(sock, address), daemon=True).start()

    def _converse(self, sock: socket.socket, address: Any) -> None:
        with self._lock:
            if self._listener is None:
                sock.close()
                return
            self._connections.add(sock)
        plain = sock
        try:
            sock.settimeout(self.settings.keep_alive)
            if self.settings.ssl_context:
                sock = self.settings.ssl_context.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._connections.discard(plain)
                    self._connections.add(sock)
            Connection(sock, address, self)
        except OSError:
            pass  # the client has gone, or does not speak TLS
        finally:
            with self._lock:
                self._connections.discard(sock)
            sock.close()

    def serve(self, request: Request, connection: Connection) -> None:
        """Answer one request, or misbehave."""
        if self.settings.control and control.is_control(request):
            connection.send(control.answer(self, request))
            return
        with self._lock:
            self.log.append(request)
        if self.on_request:
            self.on_request(request)
        with self._lock:
            app = next(self._turn)  # after on_request, which may have restarted the server
        request.authorized = app.is_authorized(request)
        fault = self.faults.take(request.method, request.path)
        if fault:
            request.fault = fault.kind
            misbehave(Exchange(self, request, connection, fault, lambda: app.answer(request)))
        else:
            answer = app.answer(request)
            request.status = answer.status
            self._send(answer, connection)
        self._bury(app)

    def _send(self, answer: Answer, connection: Connection) -> None:
        if not answer.parts:
            connection.send(answer)
            return
        connection.write(head(answer, None))
        for number, part in enumerate(answer.parts):
            if self.on_part:
                self.on_part(number)
            connection.write(part)
        connection.end()

    def _bury(self, app: App) -> None:
        """A server whose engine has died ends soon after."""
        with self._lock:
            if app.engine.dead and not self._dying:
                self._dying = True
                timer = threading.Timer(self.death_delay, self._die, (app,))
                timer.daemon = True
                timer.start()

    def _die(self, app: App) -> None:
        if app in self.apps:  # not restarted meanwhile
            self.kill()
