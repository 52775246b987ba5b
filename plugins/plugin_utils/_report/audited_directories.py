# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of served adapters in an audit: where they are on the node, and the findings about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.models import normalised
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import quoted

_FIX = "Put the directory back, or unload the adapter before a request needs it."


@dataclass
class AuditedDirectories:
    """What is known about the directories of a site.

    :ivar gone: the adapters whose directory is gone.
    :ivar findings: as ``vllm_server_info`` returns findings.
    :ivar notes: one sentence for each reason why a directory was not checked.
    """

    gone: list[str] = field(default_factory=list)
    findings: list[dict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def served_roots(entries: Iterable[Mapping]) -> dict[str, str]:
    """Return the root of each served adapter by its name.

    :param entries: ``adapters`` in the result of ``vllm_lora_adapters``.
    """
    return {entry["name"]: entry["before"]["root"] for entry in entries if entry["before"]}


def on_node(root: str, store: str, server_store: str | None) -> str | None:
    """Return where the node has a directory, or None if that is not known.

    :param root: the directory as the server lists it.
    :param store: the store on the node.
    :param server_store: the same store as the server sees it, if that is another path.
    """
    path = normalised(root)
    if not path.startswith("/"):
        return None  # a repository on a model hub, or a directory of the server's own
    if not server_store or normalised(server_store) == normalised(store):
        return path
    # The server has a file system of its own, of which only the store is known.
    inside = normalised(server_store).rstrip("/") + "/"
    return f"{store.rstrip('/')}/{path[len(inside) :]}" if path.startswith(inside) else None


def places(roots: Mapping[str, str], settings: Mapping) -> tuple[dict[str, str], list[str]]:
    """Return the directory of each adapter on the node by its name, and the notes about the others.

    :param settings: of the role: ``store``, ``server_store``.
    """
    found = {name: on_node(root, settings["store"], settings.get("server_store")) for name, root in roots.items()}
    unknown = ", ".join(quoted(name) for name, path in found.items() if path is None)
    note = f"The directories of {unknown} were not checked, since it is not known where they are on the node."
    return {name: path for name, path in found.items() if path is not None}, [note] if unknown else []


def judged(paths: Mapping[str, str], states: Mapping[str, Mapping]) -> AuditedDirectories:
    """Return the findings.

    :param paths: the directory of each adapter on the node, by its name.
    :param states: directory → its entry in the result of ``vllm_lora_directory_info``.
    """
    found = AuditedDirectories()
    for name, path in paths.items():
        state = states[path]
        if state["state"] == "gone":
            found.gone.append(name)
            found.findings.append(_finding(name, path))
        elif state["state"] == "unreadable":
            found.notes.append(
                f"The directory {quoted(path)} of {quoted(name)} was not checked ({state['detail']}). The task may need become."
            )
    return found


def _finding(name: str, path: str) -> dict:
    message = (
        f"The server lists adapter {quoted(name)}, but its directory {quoted(path)} is gone from the node. When vLLM needs to "
        "read it again, it crashes."
    )
    return {"id": "directory_gone", "severity": "high", "message": message, "fix": _FIX}
