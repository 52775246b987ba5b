# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the variables of a host among those of all hosts, quickly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.template import Templar
from ansible.utils.unsafe_proxy import AnsibleUnsafe
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import is_template, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.settings import plain

try:
    from ansible.template import is_trusted_as_template as _is_trusted
except ImportError:  # before ansible-core 2.19

    def _is_trusted(value: object) -> bool:
        return not isinstance(value, AnsibleUnsafe)


_OMITTED = object()


class Host(Mapping):
    """The variables of one host. Only a variable that is read is rendered, and only the text in it that is a template."""

    def __init__(self, hostvars: Mapping, name: str) -> None:
        raw_get = getattr(hostvars, "raw_get", None)
        self._raw: dict = raw_get(name) if raw_get else hostvars[name]
        self._loader = getattr(hostvars, "_loader", None)
        self._templar: Templar | None = None

    def __contains__(self, variable: object) -> bool:
        return variable in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value as plain data, or the default if the host does not have it.

        :raises VllmError: ``invalid_request`` if a template in it cannot be rendered.
        """
        value = self._raw.get(key)
        if value is None:
            return default
        try:
            rendered = self._rendered(value)
            # In a dictionary, from which `plain` removes a value that is omitted before ansible-core 2.19.
            return None if rendered is _OMITTED else plain({"value": rendered}).get("value")
        except Exception as error:
            # A template can raise anything.
            why = f"{key} cannot be resolved ({printable(error).rstrip('.')})"
            raise refused(why, "define the variables that it uses") from None

    @property
    def groups(self) -> list[str]:
        """The names of its groups in the inventory. They are not rendered, since a group can have the name that a server gives."""
        return [plain(str(name)) for name in self._raw.get("group_names", ())]

    def _rendered(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._template(value) if _is_template(value) else value
        if isinstance(value, Mapping):
            items = {key: self._rendered(item) for key, item in value.items()}
            return {key: item for key, item in items.items() if item is not _OMITTED}
        if isinstance(value, (list, tuple)):
            return [item for item in map(self._rendered, value) if item is not _OMITTED]
        return value

    def _template(self, text: str) -> Any:
        self._templar = self._templar or Templar(loader=self._loader, variables=self._raw)
        # In a dictionary, from which ansible-core 2.19 and later removes an omitted value.
        return self._templar.template({"value": text}).get("value", _OMITTED)

    __getitem__ = get

    def text(self, variable: str) -> str | None:
        """Return the value as text, or None if the host does not have it or it cannot be rendered."""
        try:
            value = self.get(variable)
        except VllmError:
            return None
        return value if value is None else str(value)


def _is_template(text: str) -> bool:
    return is_template(text) and _is_trusted(text)
