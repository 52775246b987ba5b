# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves the declaration of a host to paths, for everything that compares it without staging it.

The digest of an artifact gives the path. It is declared, or known for the ``checksum``, or computed from the artifact on the
controller. The node is asked last.
"""

from __future__ import annotations

import functools
import glob
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import is_staged
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.revocation import revoked_digests
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.source import SOURCE_OPTIONS, is_remote, pin_of
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.staged import at_paths, superseded
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import checked_node_path, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.checks import CHECKS
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.artifacts import read_artifact
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.known_digests import (
    known_digest,
    remember_digest,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.trust import (
    TRUST,
    refuse_unverified,
    trust_with_keys,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import ROLES, SettingsReader, specification

#: The variable that declares the adapters of a host.
DECLARATION = "lora_adapters"
#: Each variable of the role has this prefix.
PREFIX = "lora_"
_NODE_PATHS = ("store", "server_store", "boot_file", "boot_unit_directory")
_AT_LEAST = {"max_rank": 1, "keep": 0, "prune_limit": 0, "grace_period": 0, "drain_timeout": 0}
_CHECKS = ModuleArgumentSpecValidator(CHECKS)
_UNKNOWN_HINT = "audit the site live, or declare the digest of the adapter"


# Read before Ansible forks a worker for each host.
OPTIONS = specification(DataLoader().load_from_file, "lora")


def settings_of(
    variables: Mapping,
    render: Callable[[object], object],
    options: Mapping | None = None,
    declaration: str = DECLARATION,
) -> dict:
    """Return what a host declares: the settings of the role, by their names without the prefix.

    :param variables: of the host, before Ansible renders them.
    :param render: renders one variable.
    :param options: further options, by the names of their variables, each as in the specification of a role.
    :param declaration: the variable with the declared adapters.
    :raises VllmError: ``invalid_request``, with a message that names the variable.
    """
    specs, sources = {**OPTIONS, **(options or {})}, {"adapters": [declaration]}
    reader = SettingsReader(specs, PREFIX, sources, declaration="adapters")
    return checked_settings(reader.settings(variables, render))


def checked_settings(settings: dict) -> dict:
    """Return the settings of the role if they make sense, before anything is written, or carried to a site that needs them.

    :raises VllmError: ``invalid_request``, with a message that names the variable.
    """
    needs_store = any(map(is_staged, settings.get("adapters") or ()))
    for name in _NODE_PATHS:
        # A survey gives empty text for what nobody has answered.
        if settings.get(name) or (name == "store" and name in settings and needs_store):
            checked_node_path(f"{PREFIX}{name}", settings[name])
    for name, least in _AT_LEAST.items():
        if settings.get(name) is not None and settings[name] < least:
            raise refused(f"{PREFIX}{name} is {settings[name]}", f"give {least} or more")
    revoked_digests(f"{PREFIX}revoked", settings.get("revoked"))
    return settings


@dataclass(frozen=True)
class ControllersArtifacts:
    """The artifacts that lie on the controller.

    :param find: returns the path that ``src`` means, or None if nothing is there.
    :param loader: decrypts files.
    """

    find: Callable[[str], str | None]
    loader: DataLoader
    _found: dict[str, tuple[str, str] | VllmError] = field(default_factory=dict)

    def digest_of(self, adapter: Mapping, settings: Mapping) -> str:
        """Return the digest of an artifact that can be served.

        :param settings: of the role.
        :raises VllmError: the reason why it cannot.
        """
        return self.local(adapter, settings)[1]

    def local(self, adapter: Mapping, settings: Mapping) -> tuple[str, str]:
        """Return the path on the controller of an artifact that can be served, and its digest. An address is downloaded.

        :param settings: of the role.
        :raises VllmError: the reason why it cannot be served.
        """
        options = checks_of(adapter, settings, self.find)
        key = json.dumps([adapter["name"], adapter["src"], options], sort_keys=True)
        if key not in self._found:
            self._found[key] = self._read(adapter, options)
        found = self._found[key]
        if isinstance(found, VllmError):
            raise found
        return found

    def _read(self, adapter: Mapping, options: Mapping) -> tuple[str, str] | VllmError:
        try:
            source, found = read_artifact(adapter["name"], adapter["src"], options, self.find, self.loader)
            return source, found["digest"]
        except VllmError as error:
            return error


def checks_of(adapter: Mapping, settings: Mapping, find: Callable[[str], str | None]) -> dict:
    """Return the options with which an artifact of the controller is read.

    :param settings: of the role.
    :param find: returns the path that a source or a key means, or None if nothing is there.
    :raises VllmError: ``invalid_request`` if one cannot be used.
    """
    checks = {name: settings.get(name) for name in CHECKS if name in settings}
    checks.update(checksum=adapter.get("checksum"), base_model=adapter.get("trained_for"))
    checks["trust"] = trust_with_keys(TRUST, settings.get("trust"), find)
    validation = _CHECKS.validate({name: value for name, value in checks.items() if value is not None})
    if validation.errors.errors:
        raise refused(str(validation.errors[0]), "correct this variable of the role")
    sources = {name: settings.get(name, spec.get("default")) for name, spec in SOURCE_OPTIONS.items()}
    return {**validation.validated_parameters, "decrypt": True, "digest": adapter.get("digest"), **sources}


@functools.lru_cache(maxsize=8)
def artifacts_below(playbook_directory: str) -> ControllersArtifacts:
    """Return the artifacts on the controller where a task of the role in this playbook would find them."""
    loader = DataLoader()
    loader.set_basedir(playbook_directory)

    def find(source: str) -> str | None:
        try:
            return loader.path_dwim_relative_stack([str(ROLES / "lora"), playbook_directory], "files", source)
        except AnsibleError:
            return None

    return ControllersArtifacts(find, loader)


@dataclass(frozen=True)
class Resolved:
    """The declaration of a host.

    :param declared: the adapters as they are declared.
    :param adapters: as the server is told of them: at their paths, under their served names.
    """

    declared: list[dict]
    adapters: list[dict]

    def superseded_globs(self, served: Iterable[Mapping]) -> list[str]:
        """Return the names, as globs, that serve older versions of these adapters. They are never pruned: the role unloads them
        after the new names answer.

        :param served: the served adapters, each with ``name`` and ``root``.
        """
        names = (adapter["name"] for adapter in self.adapters)
        return [glob.escape(name) for name in superseded(self.declared, names, served)]


def resolved(
    settings: Mapping,
    artifacts: ControllersArtifacts,
    ask_node: Callable[[Mapping], str | None] | None = None,
    where: str = DECLARATION,
) -> Resolved:
    """Resolve the declaration of a host.

    :param settings: of the role, with ``adapters``.
    :param ask_node: asks the node for the digest of an adapter; returns None if the node does not have it. Without it, no node
        is asked.
    :param where: names the declaration in sentences.
    :raises VllmError: if the digest of an artifact cannot be found out, or the artifact cannot be served.
    """
    adapters = settings["adapters"]
    refuse_unverified(where, adapters, settings.get("trust"))
    digests = {
        adapter["name"]: _digest(where, adapter, settings, artifacts, ask_node)
        for adapter in adapters
        if is_staged(adapter) and "digest" not in adapter
    }
    store = settings.get("server_store") or settings["store"]
    return Resolved(adapters, at_paths(where, adapters, store, digests, settings.get("versioned_names", False)))


def _digest(
    where: str,
    adapter: Mapping,
    settings: Mapping,
    artifacts: ControllersArtifacts,
    ask_node: Callable[[Mapping], str | None] | None,
) -> str:
    checksum = adapter.get("checksum")
    pin = pin_of(adapter.get("src"), checksum)
    known = known_digest(pin) if pin else None
    if known:
        return known
    if pin and is_remote(adapter["src"]):
        return _digest_of_address(where, adapter, pin, ask_node)
    try:
        if not adapter.get("remote_src"):
            return artifacts.digest_of(adapter, settings)
        problem = f"{where} declares {quoted(adapter['name'])} by a file of the node, whose digest is not known here"
        error = refused(problem, _UNKNOWN_HINT)
    except VllmError as missing:
        if missing.code != "artifact_not_found":
            raise
        error = missing
    # Without a checksum, a node cannot tell which of its versions is meant.
    digest = ask_node(adapter) if ask_node and (checksum or adapter.get("remote_src")) else None
    if digest is None:
        raise error if ask_node else VllmError(error.code, error.problem, _UNKNOWN_HINT, error.attempt)
    remember_digest(checksum, digest)
    return digest


def _digest_of_address(where: str, adapter: Mapping, pin: str, ask_node: Callable[[Mapping], str | None] | None) -> str:
    """Return the digest of the version in the store. If the store has none, what pins the address stands for the digest: nobody
    serves from the path that follows, and nothing is downloaded only to compare."""
    if not ask_node:
        problem = (
            f"{where} declares {quoted(adapter['name'])} by an address, and the digest of its files is not known here"
        )
        raise refused(problem, _UNKNOWN_HINT)
    digest = ask_node(adapter)
    if digest is None:
        return pin
    remember_digest(pin, digest)
    return digest
