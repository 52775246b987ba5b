# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models and adapters that a node serves, and the adapters that are declared for it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import urlsplit

#: Ends the temporary names under which new artifacts are rehearsed. Reserved: such a name is never shown as an adapter.
REHEARSAL_SUFFIX = "@sovereign.vllm-rehearsal"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def normalised(path: str) -> str:
    """Return ``path`` as it is compared: ``/a/b/`` is ``/a/b``. POSIX rules, since the path is one of the node's."""
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else posixpath.normpath(path)


def normalised_address(url: str) -> str:
    """Return one spelling for all addresses of one server."""
    try:
        parts = urlsplit(url.rstrip("/"))
    except ValueError:
        return url
    place = parts.netloc.lower()
    port = _DEFAULT_PORTS.get(parts.scheme, "")
    if port and place.endswith(port):
        place = place[: -len(port)]
    path = parts.path[: -len("/v1")] if parts.path.endswith("/v1") else parts.path
    return f"{parts.scheme}://{place}{path.rstrip('/')}"


def shown_name(name: str) -> str:
    """Return the name of the adapter that a temporary name rehearses, and any other name as it is."""
    return name[: -len(REHEARSAL_SUFFIX)] if name.endswith(REHEARSAL_SUFFIX) else name


@dataclass(frozen=True)
class BaseModel:
    """A base model and all the names it is served under; the first is the one that adapters name as their parent."""

    id: str
    root: str | None
    max_model_len: int
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.id,) + self.aliases

    def as_dict(self) -> dict:
        return {"id": self.id, "root": self.root, "max_model_len": self.max_model_len, "aliases": list(self.aliases)}


@dataclass(frozen=True)
class Card:
    """An adapter as ``/v1/models`` lists it, or as it is expected to. ``root`` is the path as written in the load request."""

    name: str
    root: str
    parent: str | None

    def as_dict(self) -> dict:
        return {"name": self.name, "root": self.root, "parent": self.parent}


@dataclass(frozen=True)
class Observed:
    """One well-formed model list of the endpoint ``url``. Names can repeat, hence sequences; the first one wins.

    ``rust_front_end`` tells whether the list is from vLLM's Rust front-end, whose list outlives its engine.
    """

    url: str
    base_models: tuple[BaseModel, ...]
    adapters: tuple[Card, ...]
    rust_front_end: bool = False

    @property
    def adapters_of_users(self) -> tuple[Card, ...]:
        """The adapters without the temporary names of rehearsals."""
        return tuple(a for a in self.adapters if not a.name.endswith(REHEARSAL_SUFFIX))

    @property
    def rehearsals(self) -> tuple[Card, ...]:
        """The temporary names that an interrupted run left behind."""
        return tuple(a for a in self.adapters if a.name.endswith(REHEARSAL_SUFFIX))

    def adapter(self, name: str) -> Card | None:
        return next((a for a in self.adapters if a.name == name), None)

    def base_model(self, name: str | None) -> BaseModel | None:
        return next((base for base in self.base_models if name in base.names), None)

    def serves(self, name: str, path: str) -> bool:
        """Return True if the adapter is served from this path."""
        adapter = self.adapter(name)
        return adapter is not None and normalised(adapter.root) == normalised(path)


@dataclass(frozen=True)
class DeclaredAdapter:
    """The declaration of one adapter. ``path`` is None only for ``state: absent``."""

    name: str
    path: str | None = None
    base_model: str | None = None
    state: str = "present"
    is_3d_lora_weight: bool = False

    @property
    def wanted(self) -> bool:
        return self.state != "absent"
