# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read declared adapters from the text or data of a user. A declaration that makes no sense is refused."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from .._errors import VllmError, invalid_option, quoted
from .models import REHEARSAL_SUFFIX, DeclaredAdapter
from .source import check_source
from .values import as_data, checked_digest, read_options, refused

#: The options that declare one adapter, as an argument spec.
ADAPTER_OPTIONS: dict[str, dict] = {
    "name": {"type": "str", "required": True, "aliases": ["lora_name"]},
    "path": {"type": "str", "aliases": ["lora_path"]},
    "base_model": {"type": "str", "aliases": ["base_model_name"]},
    "is_3d_lora_weight": {"type": "bool", "default": False},
    "allow_hub": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent", "reloaded"], "default": "present"},
}
#: Those that say in a declaration what the artifact of an adapter is. They go to no server.
ARTIFACT_OPTIONS: dict[str, dict] = {
    "src": {"type": "path"},
    "digest": {"type": "str"},
    "remote_src": {"type": "bool", "default": False},
    "checksum": {"type": "str"},
    "trained_for": {"type": "str"},
}


def read_adapters(where: str, written: object) -> list[dict]:
    """Return the adapters of a declaration as somebody has written it, each with the options that are given, in their types.

    Everything that reads a declaration reads it by this: role, audit, filters and events.

    :param where: names the declaration in sentences, such as the variable that holds it.
    :param written: data of any type, or text that is such data in JSON.
    :raises VllmError: ``invalid_request``, with a sentence that names the adapter and the option.
    """
    adapters = as_data(written)
    if not isinstance(adapters, (list, tuple)):
        kind = "null" if adapters is None else "a mapping" if isinstance(adapters, Mapping) else "no list"
        raise refused(f"{where} is {kind}", "give a list of adapters, an empty one to declare none")
    found = []
    for number, item in enumerate(adapters, 1):
        here = f"adapter {number} of {where}"
        options = read_options(here, item, {**ADAPTER_OPTIONS, **ARTIFACT_OPTIONS})
        if "name" not in options:
            raise refused(f"{here} has no name", "give the name that requests ask for")
        options.update({key: options[key].lower() for key in ("digest", "checksum") if key in options})
        found.append(options)
    try:
        for options in found:
            _check(options)
        _check_names(found)
    except VllmError as problem:
        raise VllmError(problem.code, f"{where} cannot be used: {problem.problem}", problem.hint) from None
    return found


def is_staged(adapter: Mapping) -> bool:
    """Return True if the adapter is wanted and declared by its artifact, so that its path follows from the digest."""
    return adapter.get("state") != "absent" and ("src" in adapter or "digest" in adapter)


# The name of a repository: `name` or `owner/name`, neither of which begins with a dot.
_HUB_REPOSITORY = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?\Z")


def declare(options: Mapping) -> DeclaredAdapter:
    """Return the adapter that the options of one adapter declare.

    :param options: ``name``, ``path``, ``base_model``, ``is_3d_lora_weight``, ``allow_hub``, ``state``; all but the
        name may be missing.
    :raises VllmError: ``invalid_request``, with a sentence that names the option.
    """
    _check(options)
    state = options.get("state") or "present"
    return DeclaredAdapter(
        options["name"],
        options.get("path"),
        options.get("base_model"),
        state,
        bool(options.get("is_3d_lora_weight")),
    )


def declare_all(adapters: Iterable[Mapping]) -> tuple[DeclaredAdapter, ...]:
    """Return the declared adapters of one node.

    :raises VllmError: ``invalid_request``, also for a name that is declared twice: only one of the two could win.
    """
    options = list(adapters)
    declared = tuple(map(declare, options))
    _check_names(options)
    return declared


def _check(options: Mapping) -> None:
    name = options["name"]
    if name is None:
        raise invalid_option("name", "is null", "give the name that requests ask for")
    _check_text("name", name)
    if name.endswith(REHEARSAL_SUFFIX):
        raise invalid_option(
            "name", f"is {quoted(name)}, whose ending is reserved for rehearsals", "choose another name"
        )
    if is_staged(options):
        _check_artifact(name, options)
    elif options.get("state") != "absent":
        _check_path(name, options.get("path"), options.get("allow_hub"))
    if options.get("base_model") is not None:
        _check_text("base_model", options["base_model"])


def _check_names(adapters: Iterable[Mapping]) -> None:
    names = [options["name"] for options in adapters]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid_option(
            "adapters", "lists {} more than once".format(", ".join(map(quoted, twice))), "declare each name once"
        )


def _check_text(option: str, value: str) -> None:
    if not value.strip():
        raise invalid_option(option, "is empty", "give it a value")
    if not value.isprintable():
        raise invalid_option(option, f"is {quoted(value)}, which has control or invisible characters", "remove them")


def _check_artifact(name: str, options: Mapping) -> None:
    for option in ("digest", "checksum"):
        if options.get(option) is not None:
            checked_digest(f"{option} of adapter {quoted(name)}", options[option])
    check_source(name, options.get("src"), bool(options.get("digest") or options.get("checksum")))
    if options.get("path") is not None:
        given = "src" if "src" in options else "digest"
        problem = f"of adapter {quoted(name)} is given together with {given}, from which the path follows"
        raise invalid_option("path", problem, "remove one of them")


def _check_path(name: str, path: str | None, allow_hub: bool | None) -> None:
    if path is None:
        raise invalid_option("path", f"is missing for adapter {quoted(name)}", "give the directory on the node")
    _check_text("path", path)
    if path.startswith("~"):
        raise invalid_option(
            "path",
            f"is {quoted(path)}, which is relative to the home directory of the user that the server runs as",
            "give the absolute path on the node",
        )
    if not posixpath.isabs(path) and not allow_hub:
        meaning, advice = "is relative to the directory that the server was started in", ""
        if _HUB_REPOSITORY.match(path):
            meaning = "is relative, so that the server would download it from a model hub"
            advice = ", or set allow_hub to true"
        raise invalid_option(
            "path", f"is {quoted(path)}, which {meaning}", f"give an absolute path on the node{advice}"
        )
