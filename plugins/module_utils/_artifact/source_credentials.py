# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials for hosts that artifacts are downloaded from: of the option, or of the containers' auth file.

No secret is ever in a message. Credential helpers are programs, and are not run.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .._adapters.values import refused
from .._errors import VllmError, invalid_option, quoted

_MAX_FILE = 1 << 20  # bytes
#: Docker Hub has one name for people, one for its registry, and one in auth files.
HUB, HUB_REGISTRY = "docker.io", "registry-1.docker.io"
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", HUB)
_FILE_HINT = "correct the file, or name another one by source_auth_file"


@dataclass(frozen=True)
class Credential:
    """What is sent to one host.

    :ivar username: with a password, sent by Basic, also to get a token.
    :ivar password: or, without a username, a bearer token.
    :ivar identity_token: is exchanged for a token of the registry.
    """

    username: str | None = None
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def header(self) -> str:
        """The header ``Authorization``; empty if the credential can only be exchanged."""
        if self.identity_token:
            return ""
        if self.username is None:
            return f"Bearer {self.password}"
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Credentials:
    """The credentials of all hosts. Variables and files are read when their host is asked.

    :param entries: of the option ``source_credentials``.
    :param auth_file: the only auth file to read; None for the usual places.
    """

    def __init__(self, entries: Iterable[Mapping], auth_file: str | None, environment: Mapping[str, str]) -> None:
        self._entries = list(entries)
        self._auth_file = auth_file
        self._environment = environment

    def declared(self, host: str) -> Credential | None:
        """Return the credential of the option for a host, or None.

        :raises VllmError: ``invalid_request`` if its variable is not set, or it cannot be sent.
        """
        for entry in self._entries:
            if entry["host"].lower() == host:
                return _usable(host, Credential(entry.get("username"), self._secret(entry)))
        return None

    def of_registry(self, host: str, repository: str = "") -> Credential | None:
        """Return the credential of the option or of an auth file for a registry, or None.

        :raises VllmError: as ``declared``, and if an auth file cannot be used.
        """
        found = self.declared(host)
        if found:
            return found
        for file in self._files():
            entries = _read(file, bool(self._auth_file)).get("auths")
            for key in _keys(host, repository):
                entry = entries.get(key) if isinstance(entries, dict) else None
                if isinstance(entry, dict) and entry:
                    return _usable(host, _credential(file, key, entry))
        return None

    def helper_note(self, host: str) -> str:
        """Return a sentence about a credential helper that an auth file names for a host, or nothing."""
        for file in self._files():
            content = _read(file, bool(self._auth_file))
            helpers = content.get("credHelpers")
            if content.get("credsStore") or (isinstance(helpers, dict) and set(_keys(host, "")) & set(helpers)):
                return f"{file} names a credential helper for it, and helpers are not run"
        return ""

    def _secret(self, entry: Mapping) -> str:
        if entry.get("secret"):
            return entry["secret"]
        variable = entry.get("secret_env")
        if not variable:
            problem = f"has no secret_env for {quoted(entry['host'])}"
            raise invalid_option("source_credentials", problem, "name the environment variable that holds the secret")
        secret = self._environment.get(variable)
        if not secret:
            problem = f"names the environment variable {quoted(variable)}, which is not set"
            raise invalid_option("source_credentials", problem, "set it where Ansible runs; the host was not asked")
        return secret

    def _files(self) -> list[str]:
        if self._auth_file:
            return [self._auth_file]
        return [file for file in _usual_files(self._environment) if os.path.isfile(file)]


def _usual_files(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the places where podman, skopeo, docker and oras look."""
    named = environment.get("REGISTRY_AUTH_FILE")
    if named:
        yield named
        return
    if environment.get("XDG_RUNTIME_DIR"):
        yield os.path.join(environment["XDG_RUNTIME_DIR"], "containers", "auth.json")
    home = environment.get("HOME") or os.path.expanduser("~")
    yield os.path.join(environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "containers", "auth.json")
    yield os.path.join(environment.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json")


def _keys(host: str, repository: str) -> list[str]:
    """Return the names of a registry in auth files, the most special first."""
    if host == HUB_REGISTRY:
        return list(_HUB_KEYS)
    parts = [host, *repository.split("/")] if repository else [host]
    names = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [*names, f"https://{host}", f"https://{host}/", f"http://{host}"]


def _read(file: str, is_wanted: bool) -> dict:
    try:
        with open(file, "rb") as stream:
            content = json.loads(stream.read(_MAX_FILE))
    except FileNotFoundError:
        if is_wanted:
            raise refused(f"The auth file {quoted(file)} does not exist", _FILE_HINT) from None
        return {}
    except OSError as error:
        raise refused(f"The auth file {quoted(file)} cannot be read: {error.strerror}", _FILE_HINT) from None
    except (ValueError, RecursionError):
        raise _unusable(file) from None
    if not isinstance(content, dict):
        raise _unusable(file)
    return content


def _credential(file: str, key: str, entry: Mapping) -> Credential:
    if isinstance(entry.get("registrytoken"), str) and entry["registrytoken"]:
        return Credential(None, entry["registrytoken"])
    if isinstance(entry.get("identitytoken"), str) and entry["identitytoken"]:
        return Credential(identity_token=entry["identitytoken"])
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Credential(entry["username"], entry["password"])
    try:
        decoded = base64.b64decode(entry["auth"], validate=True).decode("utf-8")
        username, colon, password = decoded.partition(":")
        if not colon:
            raise ValueError("no password")
    except (KeyError, TypeError, ValueError):
        raise _unusable(file, f"its entry for {quoted(key)} is not base64 of a name and a password") from None
    return Credential(username, password.rstrip("\0"))


def _unusable(file: str, why: str = "it is not JSON of such a file") -> VllmError:
    return refused(f"The auth file {quoted(file)} cannot be used: {why}", _FILE_HINT)


def _usable(host: str, credential: Credential) -> Credential:
    texts = (credential.username or "", credential.password, credential.identity_token)
    if ":" in texts[0] or not all(text.isprintable() for text in texts) or not credential.header.isascii():
        problem = f"The credential for {quoted(host)} has characters that no HTTP header can carry"
        raise refused(problem, "look for a line end or a colon in it")
    return credential
