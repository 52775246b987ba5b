# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base models and the release that a declaration was made for: the option, and the comparison with a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .._adapters.models import BaseModel, Observed, normalised
from .._adapters.values import read_option, refused
from .._errors import VllmError, quoted, request_error
from .releases import parse_comparisons, parse_version, satisfies

#: As in an argument spec. The module, the filters, the event source and the role take them as a whole.
REQUIRE_OPTIONS: dict[str, dict] = {
    "requires": {
        "type": "dict",
        "options": {
            "base_models": {
                "type": "list",
                "elements": "dict",
                "options": {"id": {"type": "str"}, "root": {"type": "str"}},
            },
            "version": {"type": "str"},
        },
    },
}
_HINT = "nothing was written; restore the server, or correct requires"


@dataclass(frozen=True)
class RequiredModel:
    """A base model that has to be served: under this name, from this place, or both."""

    id: str | None = None
    root: str | None = None

    def is_met_by(self, base: BaseModel) -> bool:
        if self.id is not None and self.id not in base.names:
            return False
        return self.root is None or normalised(base.root or "") == normalised(self.root)


@dataclass(frozen=True)
class Requirements:
    """The values of the option ``requires``.

    :ivar version: comparisons such as ``>=0.31,<0.34``.
    """

    base_models: Sequence[RequiredModel] = ()
    version: str | None = None

    def differences(self, observed: Observed, version: str | None) -> tuple[str, ...]:
        """Return one sentence for each requirement that the server does not meet: required, and found.

        :param version: the version that the server names, or None. It is not used if none is required.
        """
        found = [_difference(model, observed) for model in self.base_models]
        return tuple(filter(None, [*found, self._of_release(version)]))

    def _of_release(self, version: str | None) -> str:
        if self.version is None:
            return ""
        required = f"The declaration requires vLLM {self.version}"
        if version is None:
            return f"{required}, and the version of the server is not known."
        if parse_version(version) is None:
            return f"{required}, and the server names the version {quoted(version)}, which is no release."
        return (
            ""
            if satisfies(version, parse_comparisons(self.version) or ())
            else f"{required}, and the server is vLLM {quoted(version)}."
        )


def read_requirements(given: Mapping, prefix: str = "") -> Requirements:
    """Return the requirements that are given, in their types.

    :param given: has the option ``requires``, or not; can have other options as well.
    :param prefix: begins the name of the option, such as ``lora_`` in variables of a host.
    :raises VllmError: ``invalid_request``, with a sentence that names the option as it is given.
    """
    name = f"{prefix}requires"
    found = read_option(name, given.get(name), REQUIRE_OPTIONS["requires"])
    options = found if isinstance(found, Mapping) else {}
    models, version = [RequiredModel(**model) for model in options.get("base_models") or ()], options.get("version")
    for number, model in enumerate(models, 1):
        if not (model.id or model.root) or "" in (model.id, model.root):
            raise refused(f"item {number} of base_models of {name} is empty", "give id, root or both")
    if version is not None and parse_comparisons(version) is None:
        raise refused(f"option version of {name} is {quoted(version)}", "give comparisons, such as '>=0.31,<0.34'")
    return Requirements(tuple(models), version)


def server_differs(differences: Sequence[str], url: str) -> VllmError:
    """Return the error of a server to which nothing is written."""
    problem = " ".join(differences)
    return request_error("server_differs", "converge the adapters", url, problem, _HINT)


def _difference(model: RequiredModel, observed: Observed) -> str:
    if any(model.is_met_by(base) for base in observed.base_models):
        return ""
    named = f"base model {quoted(model.id)}" if model.id else "a base model"
    required = f"The declaration requires {named}" + (f" from {quoted(model.root)}" if model.root else "")
    same_name = observed.base_model(model.id)
    if model.id and same_name:
        return f"{required}, and the server has it from {quoted(same_name.root)}."
    served = ", ".join(
        quoted(base.id) + (f" from {quoted(base.root)}" if base.root else "") for base in observed.base_models
    )
    return f"{required}, and the server serves {served}."
