# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert text to booleans, numbers and lists: variables of inventories and surveys are often text."""

from __future__ import annotations

import ast
import contextlib
import json
import math
import posixpath
import re
from collections.abc import Mapping

from .._errors import VllmError, invalid_option, printable, quoted

# The words that Ansible takes.
_BOOLEANS = {
    **dict.fromkeys(("y", "yes", "on", "1", "true", "t", "1.0"), True),
    **dict.fromkeys(("n", "no", "off", "0", "false", "f", "0.0"), False),
}
_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "list": "a list",
    "dict": "a mapping",
    "path": "text",
    "str": "text",
}
_SHOWN_LENGTH = 80


def typed(value: object, spec: Mapping) -> object:
    """Return the value in the type that an option has, or None if nothing is given.

    Nothing is given by null. Empty text is a value only of an option that takes any text: an optional question of a
    survey that nobody answers gives empty text.

    :param spec: the option as in an argument spec: ``type``, ``elements``, ``choices``; the rest is ignored.
    :raises ValueError: its two arguments are what was given and what to give, such as ``'few'`` and ``give a whole number``.
    """
    kind, choices = spec.get("type", "str"), spec.get("choices")
    if value is None or (isinstance(value, str) and not value.strip() and (kind not in _OF_ANY_TEXT or choices)):
        return None
    meant = _CONVERSIONS[kind](value, spec)
    if meant is None or (choices and kind != "list" and meant not in choices):
        raise ValueError(_shown(value), f"give {_wanted(spec)}")
    return meant


def read_option(name: str, value: object, spec: Mapping) -> object:
    """Return the value in the type that the option has, or None if nothing is given.

    :param spec: the option as in an argument spec. The options in it (``options``) are read as well.
    :raises VllmError: ``invalid_request``, with a sentence that names the option.
    """
    try:
        meant = typed(value, spec)
    except ValueError as error:
        problem, hint = error.args
        raise refused(f"{name} is {problem}", hint) from None
    inner = spec.get("options")
    if not inner or meant is None:
        return meant
    if isinstance(meant, list):
        return [read_options(f"item {number} of {name}", item, inner) for number, item in enumerate(meant, 1)]
    return read_options(name, meant, inner)


def read_options(where: str, given: object, specs: Mapping) -> dict:
    """Return the options that are given, each in its type and under its own name, without those that are null.

    :param where: names the mapping in sentences.
    :param specs: the options that it may have, as in an argument spec, with ``aliases``.
    :raises VllmError: ``invalid_request``: no mapping, an unknown option, one that is given twice, or a wrong value.
    """
    if not isinstance(given, Mapping):
        raise refused(f"{where} is {_shown(given)}", f"give a mapping with {', '.join(specs)}")
    named = {alias: name for name, spec in specs.items() for alias in (name, *spec.get("aliases", ()))}
    found: dict = {}
    for written, value in given.items():
        if written not in named:
            raise refused(f"{where} has the unknown option {quoted(written)}", f"use {', '.join(specs)}")
        meant = read_option(f"option {written} of {where}", value, specs[named[written]])
        if meant is None:
            continue
        if named[written] in found:
            raise refused(f"{where} has the option {named[written]} twice, once by an alias", "remove one")
        found[named[written]] = meant
    return found


def checked_digest(option: str, value: str) -> str:
    """Return the digest that an option holds, in lower case.

    :raises VllmError: ``invalid_request`` if it is not a digest.
    """
    if not re.fullmatch("sha256:[0-9a-f]{64}", value.lower()):
        raise invalid_option(option, f"is {quoted(value)}", "give 'sha256:' and 64 hexadecimal digits")
    return value.lower()


def checked_node_path(where: str, path: str) -> str:
    """Return a path of the node if it means the same to every program there.

    :param where: names the option or the variable in sentences.
    :raises VllmError: ``invalid_request`` if it is not absolute. ``~`` is another directory for each user.
    """
    if not posixpath.isabs(path):
        raise refused(f"{where} is {quoted(path)}, which is not absolute", "give an absolute path on the node")
    return path


def refused(problem: str, hint: str) -> VllmError:
    """Return the error of a value that cannot be used."""
    return VllmError("invalid_request", problem, hint)


def is_template(text: str) -> bool:
    """Return whether Ansible would find something to evaluate in text. Its first line can name delimiters of its own."""
    return text.startswith("#jinja2:") or any(mark in text for mark in ("{{", "{%", "{#"))


def refuse_templates(where: str, value: object) -> None:
    """Refuse text in which Jinja would find something to evaluate.

    :param where: names the value in sentences.
    :param value: text, or lists and mappings that hold text.
    :raises VllmError: ``invalid_request``.
    """
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple)):
        for item in value:
            refuse_templates(where, item)
    elif isinstance(value, str) and is_template(value):
        raise refused(f"{where} has {_shown(value)}, which Ansible would evaluate as a template", "use other text")


def _shown(value: object) -> str:
    if isinstance(value, str):
        return quoted(value if len(value) <= _SHOWN_LENGTH else value[:_SHOWN_LENGTH] + "...") if value else "empty"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    return json.dumps(value) if value is None or isinstance(value, bool) else printable(value)


def _wanted(spec: Mapping) -> str:
    kind, choices = spec.get("type", "str"), spec.get("choices")
    if choices:
        return f"{'a list of' if kind == 'list' else 'one of'} {', '.join(map(str, choices))}"
    elements = spec.get("elements")
    if not elements:
        return _WANTED[kind]
    word = _WANTED[elements]
    return f"a list of {word[2:] if word.startswith('a ') else word}s".replace("texts", "text")


def _boolean(value: object, _spec: Mapping) -> bool | None:
    return None if isinstance(value, (list, tuple, Mapping)) else _BOOLEANS.get(str(value).strip().lower())


def _integer(value: object, spec: Mapping) -> int | None:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return int(value)
    number = _number(value, spec)
    return int(number) if number is not None and number == int(number) else None


def _number(value: object, _spec: Mapping) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        number = float(value)
        return number if math.isfinite(number) else None
    return None


def _text(value: object, _spec: Mapping) -> str | None:
    return None if isinstance(value, (list, tuple, Mapping)) else str(value)


def _mapping(value: object, _spec: Mapping) -> object:
    meant = as_data(value)
    return meant if isinstance(meant, Mapping) else None


def _list(value: object, spec: Mapping) -> list | None:
    items = as_data(value)
    if isinstance(items, str):
        items = [item.strip() for item in items.split(",") if item.strip()]
    elif isinstance(items, (int, float)) and not isinstance(items, bool):
        items = [items]
    if not isinstance(items, (list, tuple)):
        return None
    element = {"type": spec.get("elements", "raw"), "choices": spec.get("choices")}
    found = []
    for item in items:
        try:
            meant = typed(item, element)
        except ValueError:
            meant = None
        if meant is None:
            raise ValueError(f"a list with {_shown(item)}", f"give {_wanted(spec)}")
        found.append(meant)
    return found


def as_data(value: object) -> object:
    """Return the list or the mapping that text writes, in JSON or as Ansible prints it, and everything else as it is."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse(value.strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                pass
    return value


_CONVERSIONS = {
    "bool": _boolean,
    "int": _integer,
    "float": _number,
    "list": _list,
    "dict": _mapping,
    "path": _text,
    "str": _text,
    "raw": lambda value, _spec: value,
}
_OF_ANY_TEXT = ("path", "str", "raw")
