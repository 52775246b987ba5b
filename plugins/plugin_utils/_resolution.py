# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves the declaration of a host to paths, for everything that compares it without staging it.

The digest of an artifact gives the path. It is declared, or known for the ``checksum``, or computed from the artifact on the
controller. The node is asked last.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import is_staged
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.staged import at_paths
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import CHECKS
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._artifacts import (
    known_digest,
    read_artifact,
    remember_digest,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._connection import HOST_OPTIONS
from ansible_collections.sovereign.vllm.plugins.plugin_utils._settings import ROLES, SettingsReader, specification

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The variable that declares the adapters of a host.
DECLARATION = "lora_adapters"
_PREFIX = "lora_"
_CHECKS = ModuleArgumentSpecValidator(CHECKS)
_UNKNOWN_HINT = "audit the site live, or declare the digest of the adapter"


@functools.lru_cache(maxsize=1)
def _options() -> dict:
    return specification(DataLoader().load_from_file, "lora")


def settings_of(variables: Mapping, render: Callable[[object], object], options: Mapping | None = None) -> dict:
    """Return what a host declares: the settings of the role, by their names without the prefix.

    :param variables: of the host, before Ansible renders them.
    :param render: renders one variable.
    :param options: further options, by the names of their variables, each as in the specification of a role.
    :raises VllmError: ``invalid_request``, with a message that names the variable.
    """
    # The connection is read elsewhere.
    secrets = (*HOST_OPTIONS, "delegate_to")
    reader = SettingsReader(
        {**_options(), **(options or {})}, _PREFIX, declaration=DECLARATION[len(_PREFIX) :], secrets=secrets
    )
    return reader.settings(variables, render)


@dataclass(frozen=True)
class ControllersArtifacts:
    """The artifacts that lie on the controller.

    :param find: returns the path that ``src`` means, or None if nothing is there.
    :param loader: decrypts files.
    """

    find: Callable[[str], str | None]
    loader: DataLoader

    def digest_of(self, adapter: Mapping, settings: Mapping) -> str:
        """Return the digest of an artifact that can be served.

        :param settings: of the role.
        :raises VllmError: the reason why it cannot.
        """
        checks = {name: settings.get(name) for name in CHECKS if name in settings}
        checks.update(checksum=adapter.get("checksum"), base_model=adapter.get("trained_for"))
        validation = _CHECKS.validate({name: value for name, value in checks.items() if value is not None})
        if validation.errors.errors:
            raise refused(str(validation.errors[0]), "correct this variable of the role")
        options = {**validation.validated_parameters, "decrypt": True}
        return read_artifact(adapter["name"], adapter["src"], options, self.find, self.loader)[1]


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


def resolved(
    settings: Mapping, artifacts: ControllersArtifacts, ask_node: Callable[[Mapping], str | None] | None = None
) -> list[dict]:
    """Return the declared adapters of a host as the server is told of them: at their paths, under their served names.

    :param settings: of the role, with ``adapters``.
    :param ask_node: asks the node for the digest of an adapter; returns None if the node does not have it. Without it, no node
        is asked.
    :raises VllmError: if the digest of an artifact cannot be found out, or the artifact cannot be served.
    """
    adapters = settings["adapters"]
    digests = dict(_digests(adapters, settings, artifacts, ask_node))
    store = settings.get("server_store") or settings["store"]
    return at_paths(DECLARATION, adapters, store, digests, settings["versioned_names"])


def _digests(
    adapters: Iterable[Mapping],
    settings: Mapping,
    artifacts: ControllersArtifacts,
    ask_node: Callable[[Mapping], str | None] | None,
) -> Iterable[tuple[str, str]]:
    for adapter in adapters:
        if is_staged(adapter) and "digest" not in adapter:
            checksum = adapter.get("checksum")
            digest = known_digest(checksum) if checksum else None
            yield adapter["name"], digest or _found_out(adapter, settings, artifacts, ask_node)


def _found_out(
    adapter: Mapping,
    settings: Mapping,
    artifacts: ControllersArtifacts,
    ask_node: Callable[[Mapping], str | None] | None,
) -> str:
    checksum = adapter.get("checksum")
    try:
        if not adapter.get("remote_src"):
            return artifacts.digest_of(adapter, settings)
        error = refused(
            f"{DECLARATION} declares {quoted(adapter['name'])} by a file of the node, whose digest is not known here",
            _UNKNOWN_HINT,
        )
    except VllmError as problem:
        if problem.code != "artifact_not_found":
            raise
        error = problem
    # Without a checksum, a node cannot tell which of its versions is meant.
    digest = ask_node(adapter) if ask_node and (checksum or adapter.get("remote_src")) else None
    if digest is None:
        error.hint = error.hint if ask_node else _UNKNOWN_HINT
        raise error
    remember_digest(checksum, digest)
    return digest
