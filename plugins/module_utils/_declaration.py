# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user wrote to what is declared, refused where it cannot be meant."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from ._errors import invalid_option, quoted
from ._models import REHEARSAL_SUFFIX, DeclaredAdapter

# What can be the name of a repository: `name` or `owner/name`, neither of which begins with a dot.
_HUB_REPOSITORY = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?\Z")


def declare(options: Mapping) -> DeclaredAdapter:
    """Return the adapter that the options of one adapter declare.

    :param options: ``name``, ``path``, ``base_model``, ``is_3d_lora_weight``, ``allow_hub``, ``state``; all but the
        name may be missing.
    :raises VllmError: ``invalid_request``, with a sentence that names the option.
    """
    name, path = options["name"], options.get("path")
    state = options.get("state") or "present"
    _check_text("name", name)
    if name.endswith(REHEARSAL_SUFFIX):
        raise invalid_option(
            "name", f"is {quoted(name)}, whose ending is reserved for rehearsals", "choose another name"
        )
    if state != "absent":
        _check_path(name, path, options.get("allow_hub"))
    if options.get("base_model") is not None:
        _check_text("base_model", options["base_model"])
    return DeclaredAdapter(name, path, options.get("base_model"), state, bool(options.get("is_3d_lora_weight")))


def declare_all(adapters: Iterable[Mapping]) -> tuple[DeclaredAdapter, ...]:
    """Return the declared adapters of one node.

    :raises VllmError: ``invalid_request``, also for a name that is declared twice: only one of the two could win.
    """
    declared = tuple(declare(options) for options in adapters)
    names = [adapter.name for adapter in declared]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise invalid_option(
            "adapters", "lists {} more than once".format(", ".join(map(quoted, twice))), "declare each name once"
        )
    return declared


def check_prune_limit(limit: int | None) -> None:
    """See that at most so many adapters could be meant. Raises VllmError: ``invalid_request``."""
    if limit is not None and limit < 0:
        raise invalid_option("prune_limit", "must not be negative", "give 0 or more, or leave it out for no limit")


def _check_text(option: str, value: str) -> None:
    if not value.strip():
        raise invalid_option(option, "is empty", "give it a value")
    if not value.isprintable():
        raise invalid_option(option, f"is {quoted(value)}, which has control or invisible characters", "remove them")


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
