# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adopt a running server: declare what it serves now, in a file of ``host_vars``."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible import constants as C
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import declare
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import Card, Observed
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.resolution import DECLARATION
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.clock import utc
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.connection import connection_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.files import Unsafe, as_yaml, write_file
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.words import count_of
from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.audited_hosts import (
    NotObservedError,
    observation_in,
    observed_in,
)

_EXTENSIONS: Sequence[str] = C.YAML_FILENAME_EXTENSIONS  # type: ignore[attr-defined]  # Ansible adds its settings to this module.
# Ansible puts these into results in place of a key.
_CENSORED = ("*" * 8, "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER")
#: Facts that no server tells about its adapters.
UNKNOWN = (
    "The server does not tell whether the weights of an adapter are in the 3D layout. If they are, add "
    "is_3d_lora_weight: true to the adapter.",
    "The server tells the path of an adapter, and not the content of the directory. To let the role stage the artifact, "
    "replace path by src.",
)


@dataclass(frozen=True)
class Adoption:
    """The declaration of what a server serves.

    :ivar adapters: as ``lora_adapters`` takes them, in the order of the server.
    :ivar left_out: one sentence for each adapter that is served and cannot be declared.
    """

    adapters: tuple[dict, ...]
    left_out: tuple[str, ...]


def adopt(observed: Observed) -> Adoption:
    """Return the declaration with which this server is in sync and nothing is to be written to it.

    The temporary names of rehearsals are nobody's adapters. Their base model is declared, if the server names it.
    """
    adapters: dict[str, dict] = {}
    left_out = []
    for card in observed.adapters_of_users:
        options = _options(card, observed)
        problem = _problem(card, options, observed, adapters)
        if problem:
            left_out.append(f"{quoted(card.name)} is left out: {problem}")
        else:
            adapters[card.name] = options
    return Adoption(tuple(adapters.values()), tuple(left_out))


def _options(card: Card, observed: Observed) -> dict:
    options: dict = {"name": card.name, "path": card.root}
    if observed.base_model(card.parent):
        options["base_model"] = card.parent
    if not posixpath.isabs(card.root):
        options["allow_hub"] = True
    return options


def _problem(card: Card, options: Mapping, observed: Observed, adapters: Mapping) -> str:
    """Return why the adapter cannot be declared, as a sentence, or nothing."""
    if any(mark in text for mark in _CENSORED for text in (card.name, card.root)):
        return "its name or its path holds the key of the server, which is never shown."
    if observed.base_model(card.name):
        return "a base model of the server has this name."
    if card.name in adapters:
        return f"the server lists this name twice, and {quoted(adapters[card.name]['path'])} comes first."
    try:
        declare(options)
    except VllmError as error:
        return error.message
    return ""


@dataclass(frozen=True)
class Place:
    """The file that holds the declaration of a site: ``host_vars/<site>/lora_adapters.yml`` in a directory."""

    directory: Path
    site: str

    @property
    def file(self) -> Path:
        return self._host_vars / self.site / f"{DECLARATION}.yml"

    @property
    def _host_vars(self) -> Path:
        return self.directory / "host_vars"

    def check(self) -> None:
        """Check that Ansible will read the file, and no other file for it.

        :raises VllmError: ``invalid_request`` with the reason.
        """
        if self.site in ("", ".", "..") or "/" in self.site:
            raise refused(
                f"the name {quoted(self.site)} cannot be the name of a directory, so that Ansible reads no host_vars for it",
                "give the host another name, and its address in vllm_base_url",
            )
        for extension in _EXTENSIONS:
            other = self._host_vars / f"{self.site}{extension}"
            if other.is_file():
                raise self._is_taken_by(other)
        if (self._host_vars / self.site).is_file():
            raise self._is_taken_by(self._host_vars / self.site)

    def _is_taken_by(self, other: Path) -> VllmError:
        return refused(
            f"{quoted(other)} exists, and Ansible reads either that file or the directory {quoted(self.file.parent)}, so "
            "nothing was written",
            f"move the file to {quoted(self.file.with_name('main.yml'))} and run the playbook again",
        )

    def written(self, load: Callable[[str], object]) -> object:
        """Return the adapters that the file declares, or None if it declares none.

        :param load: reads a YAML file.
        """
        return _declared_in(self.file, load) if self.file.exists() else None

    def other_file(self, load: Callable[[str], object]) -> Path | None:
        """Return another file for the same site that declares adapters, if there is one."""
        files = sorted(self.file.parent.rglob("*")) if self.file.parent.is_dir() else []
        return next((f for f in files if f.is_file() and f != self.file and _declared_in(f, load) is not None), None)


def _declared_in(file: Path, load: Callable[[str], object]) -> object:
    try:
        content = plain(load(str(file)))
    except Exception:
        # A file that cannot be read declares nothing, and Ansible has complained of it.
        return None
    return content.get(DECLARATION) if isinstance(content, Mapping) else None


def directory_of(given: str | None, sources: Sequence[object]) -> Path:
    """Return the directory beside the inventory, or the one that is given.

    :param sources: of the inventory, in order: files, directories, and lists of hosts.
    :raises VllmError: ``invalid_request`` if no source is a file or a directory.
    """
    if given and given.strip():
        return Path(os.path.abspath(os.path.expanduser(given)))
    for source in map(str, sources):
        if os.path.isdir(source):
            return Path(source)
        if os.path.isfile(source):
            return Path(source).parent
    raise refused(
        f"no source of the inventory ({', '.join(map(quoted, sources)) or 'none'}) is a file or a directory beside which "
        "host_vars could be written",
        "give adopt_directory",
    )


def adopt_site(
    options: Mapping,
    variables: Mapping,
    render: Callable[[object], object],
    load: Callable[[str], object],
    check_mode: bool,
) -> dict:
    """Write the declaration of one site, unless it has one. Return the result of the task.

    :param options: ``observed``, the result of ``vllm_base_model_info``; ``directory``; ``overwrite``.
    :param variables: of the host, before Ansible renders them.
    :param render: renders one variable.
    :param load: reads a YAML file.
    :raises VllmError: if the server was not seen, or if the file cannot be written.
    """
    site = str(variables["inventory_hostname"])
    try:
        adoption = adopt(observed_in(observation_in(options["observed"])))
    except NotObservedError as error:
        raise refused(str(error), "give the registered result of that module") from None
    place = Place(directory_of(options["directory"], variables.get("ansible_inventory_sources") or ()), site)
    place.check()
    declared = place.written(load)
    shown = {"file": str(place.file), "adapters": list(adoption.adapters), "left_out": list(adoption.left_out)}
    shown["unknown"] = list(UNKNOWN) if adoption.adapters else []
    if not options["overwrite"] and (declared is not None or DECLARATION in variables):
        return {**shown, "changed": False, "outcome": "kept", "msg": _kept(place, declared is not None)}
    if declared == shown["adapters"]:
        return {**shown, "changed": False, "outcome": "adopted", "msg": _adopted(site, shown, "is declared already")}
    other = place.other_file(load)
    if other:
        raise refused(
            f"{quoted(other)} declares {DECLARATION} as well, so nothing was written",
            f"remove {DECLARATION} from that file, or correct it there",
        )
    url = connection_of(variables, render, ("base_url",)).get("base_url")
    written = write_file(place.file, _text(site, url, adoption), check_mode)
    did = "would be written" if check_mode else "was written"
    return {**written, **shown, "outcome": "adopted", "msg": _adopted(site, shown, did)}


def _kept(place: Place, is_file: bool) -> str:
    where = f"in {place.file}" if is_file else "elsewhere in the inventory or in the variables of the run"
    return f"{place.site}: kept its declaration {where}. To replace it, set adopt_overwrite to true."


def _adopted(site: str, shown: Mapping, did: str) -> str:
    count = len(shown["adapters"])
    sentences = [f"{site}: {count_of(count, 'adapter')} in {shown['file']}, which {did}."]
    return printable(" ".join([*sentences, *shown["left_out"]]))


def _text(site: str, base_url: object, adoption: Adoption) -> str:
    now = utc()
    comments = [
        f"The adapters that the server of {site}{f' at {base_url}' if base_url else ''} served at {now}.",
        "Written by the playbook sovereign.vllm.adopt, which does not replace it unless adopt_overwrite is true.",
        *UNKNOWN,
        *adoption.left_out,
    ]
    adapters = [
        {option: Unsafe(value) if isinstance(value, str) else value for option, value in adapter.items()}
        for adapter in adoption.adapters
    ]
    # A name of the inventory or of a server must not end the comment.
    return "".join(f"# {printable(line)}\n" for line in comments) + "---\n" + as_yaml({DECLARATION: adapters})
