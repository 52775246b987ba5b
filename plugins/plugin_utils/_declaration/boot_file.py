# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file with which a server starts: the arguments of vLLM in it, and the finding that it names other adapters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.declaration import is_staged
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import quoted

_PLAIN = re.compile(r"[\w.@%+:/-]+", re.ASCII)
_SPECIAL = re.compile(r'(["$`])')


def arguments_for(adapters: Iterable[Mapping]) -> str:
    """Return the arguments of vLLM for all adapters that are not absent.

    :param adapters: at their paths, as ``read_adapters()`` returns them.
    :raises VllmError: ``invalid_request`` if one cannot be put into arguments.
    """
    values = [_value(adapter) for adapter in adapters if adapter.get("state") != "absent"]
    return " ".join(["--lora-modules", *values]) if values else ""


def _value(adapter: Mapping) -> str:
    name = adapter["name"]
    if is_staged(adapter):
        problem = f"Adapter {quoted(name)} is declared by its artifact, and the arguments need its path"
        raise refused(problem, "give the adapters that sovereign.vllm.lora_declaration returns")
    path = adapter["path"]
    for text in (name, path):
        # Programs that read such files differ in how they read these.
        if not text.isprintable() or set(text) & set("\"'\\"):
            raise refused(f"{text!r} cannot be put into arguments", "use no quotes and no backslashes")
    if _PLAIN.fullmatch(name) and _PLAIN.fullmatch(path) and not adapter.get("is_3d_lora_weight"):
        return f"{name}={path}"
    module: dict[str, object] = {"name": name, "path": path}
    if adapter.get("is_3d_lora_weight"):
        module["is_3d_lora_weight"] = True
    text = "'" + json.dumps(module, ensure_ascii=False, separators=(",", ":")) + "'"
    return _SPECIAL.sub(r"\\\1", text)


def starts_with(content: bytes, variable: str, adapters: Iterable[Mapping]) -> bool:
    """Return whether the last assignment to the variable in a boot file is the one that the role writes."""
    lines = content.decode("utf-8", "replace").splitlines()
    given = [line for line in lines if line.startswith(f"{variable}=")]
    return bool(given) and given[-1] == f'{variable}="{arguments_for(adapters)}"'


def boot_finding(problem: str) -> dict:
    """Return the finding about a boot file, as ``vllm_server_info`` returns findings."""
    fix = "Run the role sovereign.vllm.lora, which writes the boot file."
    return {"id": "boot_file_differs", "severity": "medium", "message": problem, "fix": fix}
