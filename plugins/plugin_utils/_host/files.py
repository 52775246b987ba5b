# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find files of the controller, send them to a host, and write text files, whatever the connection of the host: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.values import is_template, refused
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, printable, quoted

if TYPE_CHECKING:
    from ansible.plugins.action import ActionBase

_MODE = 0o644


def finder(action: ActionBase) -> Callable[[str], str | None]:
    """Return what finds a file or directory as the module ``copy`` would in the task of the action, or returns None."""

    def find(source: str) -> str | None:
        try:
            return action._find_needle("files", source)
        except AnsibleError:
            return None

    return find


def sent(action: ActionBase, file: str, what: str) -> str:
    """Send a file to the host of the action, into its temporary directory. Return the path there.

    :param what: names the content in sentences.
    :raises VllmError: ``store_error`` if the host cannot take it.
    """
    shell = action._connection._shell
    if not shell.tmpdir:
        action._make_tmp_path()
    remote = shell.join_path(shell.tmpdir, os.path.basename(file))
    try:
        action._transfer_file(file, remote)
        action._fixup_perms2((shell.tmpdir, remote))
    except AnsibleConnectionFailure:
        raise  # Ansible reports it as UNREACHABLE.
    except AnsibleError as error:
        hint = "check that ansible_remote_tmp of the node has room for it"
        raise VllmError("store_error", str(error), hint, f"send {what} to {remote}") from None
    return remote


def write_file(file: Path, text: str, check_mode: bool) -> dict:
    """Make the file have this text. A reader sees the former text or this one, never a part.

    A new file has mode 0644, also if the umask is stricter. An existing file keeps its mode, and a link its target.

    :return: ``changed`` and ``diff``, as results of a task have them.
    :raises VllmError: ``invalid_request`` if the file cannot be read or written.
    """
    file = Path(os.path.realpath(file))
    try:
        before = file.read_text(encoding="utf-8", errors="backslashreplace") if file.exists() else None
        if before != text and not check_mode:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(file, text, _MODE if before is None else file.stat().st_mode & 0o7777)
    except OSError as error:
        raise _not_written(file, error) from None
    diff = {"before_header": str(file), "after_header": str(file), "before": before or "", "after": text}
    return {"changed": before != text, "diff": diff}


def remove_file(file: Path, check_mode: bool) -> dict:
    """Make sure that there is no such file. Return ``changed`` and ``diff``, as :func:`write_file`.

    :raises VllmError: ``invalid_request`` if the file cannot be removed.
    """
    try:
        before = file.read_text(encoding="utf-8", errors="backslashreplace") if file.exists() else None
        if before is not None and not check_mode:
            file.unlink()
    except OSError as error:
        raise _not_written(file, error) from None
    diff = {"before_header": str(file), "after_header": str(file), "before": before or "", "after": ""}
    return {"changed": before is not None, "diff": diff}


def replace_file(file: Path, content: str | bytes, mode: int, prefix: str = "") -> None:
    """Give the file this content and mode, at once. A half character of a server, which UTF-8 cannot write, is escaped.

    :param prefix: begins the name of the new file until it replaces the old one. By default it is made of the name.
    :raises OSError: if the file cannot be written. Then it is as before.
    """
    descriptor, beside = tempfile.mkstemp(prefix=prefix or f".{file.name[:100]}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))
            os.fchmod(stream.fileno(), mode)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, file)
    except BaseException:
        os.unlink(beside)
        raise


def unusable_file(error: OSError) -> VllmError:
    """Return the error for a file or directory of this machine of which nothing else is told."""
    what = quoted(error.filename) if error.filename else "a file or directory"
    hint = "check that its disk has room, and that the user who runs this may use it"
    return VllmError("store_error", f"{what} cannot be used ({error.strerror or printable(error)})", hint)


def _not_written(file: Path, error: OSError) -> VllmError:
    problem = f"{quoted(file)} cannot be written on the controller ({error.strerror})"
    return refused(problem, "make its directory writable for the user who runs Ansible, or choose another place")


class Unsafe(str):
    """Text of others, in which Ansible must not find a template when it reads the file."""


def as_yaml(document: object) -> str:
    """Return a YAML document that reads well. :class:`Unsafe` text that is a template gets the tag ``!unsafe``."""
    return yaml.dump(
        document, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=10**6
    )


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent the items of a list, as ansible-lint wants it."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


def _unsafe(dumper: yaml.SafeDumper, text: Unsafe) -> yaml.Node:
    if is_template(text):
        return dumper.represent_scalar("!unsafe", str(text), style='"')
    return dumper.represent_str(str(text))


_Dumper.add_representer(Unsafe, _unsafe)
