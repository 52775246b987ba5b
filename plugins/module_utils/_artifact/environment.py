# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of the agent on a node: Python packages and collection, installed from carried files without a network.

Below the agent's directory, ``environments/<stamp>`` holds one environment, and the link ``current`` chooses it. ``venv`` and
``collections`` are links through ``current``, so that a new environment replaces the former one at once. The stamp is
computed from the carried files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from .._errors import VllmError, invalid_option, printable, quoted
from .node_lock import node_lock
from .operations import FileOperation
from .store import store_errors

#: The packages that the agent needs. The wheels hold them and everything that they need.
PACKAGES = ("ansible-core", "requests")
#: The program of the agent, in ``venv/bin``.
PROGRAM = "sovereign-vllm-agent"
_MARK = "complete"
_LINKS = (("venv", "current/venv"), ("collections", "current/collections"))
_OLDEST_PYTHON = (3, 10)
_MOST_SECONDS = 900
_DETAIL_LINES = 12
# The node's own settings of these tools would reach for a network, or for the files of a user.
_SETTINGS = re.compile("(PIP|ANSIBLE|PYTHON)[A-Z_]*|VIRTUAL_ENV")
_PROGRAM_TEXT = """\
#!{environment}/venv/bin/python
# Written by the role sovereign.vllm.agent.
import os
import sys
import tempfile

sys.path.insert(0, "{environment}/collections")
with tempfile.TemporaryDirectory(prefix="sovereign-vllm-agent-") as home:
    # Ansible reads its settings and makes its directory when it is imported.
    os.environ.update(ANSIBLE_HOME=home, ANSIBLE_CONFIG=os.path.join(home, "ansible.cfg"))
    with open(os.environ["ANSIBLE_CONFIG"], "w"):
        pass
    from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.agent import main

    code = main("{directory}")
sys.exit(code)
"""


class AgentEnvironment(FileOperation):
    """Install or remove the environment of the agent."""

    options: ClassVar = {
        "directory": {"type": "path", "required": True},
        "stamp": {"type": "str"},
        "archive": {"type": "path"},
        "python": {"type": "str"},
        # The action on the controller reads these, and sends an archive.
        "wheels": {"type": "path"},
        "collection": {"type": "path"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    rules: ClassVar = {"required_if": [("state", "present", ("stamp",))]}

    def run(self, options: Mapping, check_mode: bool) -> dict:
        """Run ``vllm_agent_environment``.

        Without ``archive``, the module only looks whether the environment is there.

        :raises VllmError: if it cannot be installed or removed. The former environment is in use then.
        """
        directory = _checked_directory(options["directory"])
        if options["state"] == "absent":
            return _removed(directory, check_mode)
        environment = os.path.join(directory, "environments", options["stamp"])
        found = {"environment": environment, "program": os.path.join(directory, "venv", "bin", PROGRAM)}
        if _is_ready(directory, environment, options["python"]):
            return {"changed": False, "ready": True, **found}
        python = options["python"] or sys.executable
        _require_python(python)
        if check_mode or options["archive"] is None:
            return {"changed": check_mode, "ready": False, **found}
        with store_errors(directory), _locked(directory):
            _install(directory, environment, python, options["archive"])
            _switch(directory, options["stamp"])
        return {"changed": True, "ready": True, **found}


def _checked_directory(directory: str) -> str:
    """Return the directory if the first line of a program and a unit of systemd can name it."""
    if not re.fullmatch("/[A-Za-z0-9._/-]{1,150}", directory) or os.path.normpath(directory) != directory:
        advice = "give an absolute path of at most 150 letters, digits, '.', '_', '-' and '/'"
        raise invalid_option("directory", f"is {quoted(directory)}", advice)
    return directory


def _is_ready(directory: str, environment: str, python: str | None) -> bool:
    """Return whether this environment is complete and in use, and its Python still starts: the node may have replaced it.

    :param python: the Python that it has to be made with. None is any.
    """
    try:
        with open(os.path.join(environment, _MARK), encoding="utf-8") as stream:
            made_with = stream.read().strip()
    except OSError:
        return False
    if python not in (None, made_with) or not _is_current(directory, environment):
        return False
    command = [os.path.join(environment, "venv", "bin", "python"), "-c", "import ansible, requests"]
    return _try(command, directory)[0] == 0


def _is_current(directory: str, environment: str) -> bool:
    links = (("current", os.path.join("environments", os.path.basename(environment))), *_LINKS)
    return all(_target(os.path.join(directory, name)) == target for name, target in links)


def _target(link: str) -> str | None:
    return os.readlink(link) if os.path.islink(link) else None


def _require_python(python: str) -> None:
    """Raise VllmError unless this Python can make the environment."""
    test = f"import sys, venv; sys.exit(sys.version_info < {_OLDEST_PYTHON})"
    code, said = _try([python, "-c", test], "/")
    if code:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        problem = f"{quoted(python)} is not a Python {oldest} or later with the module venv"
        advice = "set agent_python to one, and carry wheels for it"
        raise VllmError("invalid_request", problem, advice, detail=said)


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Hold the lock of the node, so that no run of the agent loses the environment that it runs in."""
    os.makedirs(directory, exist_ok=True)
    with node_lock(os.path.join(directory, "lock")):
        yield


def _install(directory: str, environment: str, python: str, archive: str) -> None:
    # Everyone may ask for the status.
    os.umask(0o022)
    os.makedirs(os.path.dirname(environment), exist_ok=True)
    shutil.rmtree(environment, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".carried-", dir=directory) as carried:
        names = _unpack(archive, carried)
        try:
            _make(directory, environment, python, carried, names)
        except BaseException:
            shutil.rmtree(environment, ignore_errors=True)
            raise


def _unpack(archive: str, carried: str) -> list[str]:
    """Unpack the files that the controller has sent, and return their names."""
    names = []
    with tarfile.open(archive) as stream:
        for member in stream:
            content = stream.extractfile(member)
            if content is None or os.path.basename(member.name) != member.name:
                raise invalid_option("archive", "holds something else than files", "let the role make it")
            with content, open(os.path.join(carried, member.name), "wb") as copy:
                shutil.copyfileobj(content, copy)
            names.append(member.name)
    return names


def _make(directory: str, environment: str, python: str, carried: str, names: Sequence[str]) -> None:
    venv, collections = os.path.join(environment, "venv"), os.path.join(environment, "collections")
    # The Python of a distribution may have no pip of its own.
    pip = next((os.path.join(carried, name, "pip") for name in names if re.match("pip-[^/]*[.]whl$", name)), None)
    _run("make a virtual environment", [python, "-m", "venv", *(["--without-pip"] if pip else []), venv], carried)
    installer = [os.path.join(venv, "bin", "python"), *([pip] if pip else ["-m", "pip"])]
    offline = ["install", "--quiet", "--no-input", "--no-index", "--find-links", carried, "--disable-pip-version-check"]
    _run("install the wheels", [*installer, *offline, "--no-warn-script-location", *PACKAGES], carried)
    with open(os.path.join(carried, "ansible.cfg"), "w", encoding="utf-8"):
        pass
    tarballs = [os.path.join(carried, name) for name in names if name.endswith(".tar.gz")]
    galaxy = [os.path.join(venv, "bin", "ansible-galaxy"), "collection", "install", "--offline", "-p", collections]
    _run("install the collection", [*galaxy, *tarballs], carried)
    # The agent cannot write there, and would compile the collection at each run.
    _run(
        "compile the collection", [os.path.join(venv, "bin", "python"), "-m", "compileall", "-q", collections], carried
    )
    program = os.path.join(venv, "bin", PROGRAM)
    with open(program, "w", encoding="utf-8") as stream:
        stream.write(_PROGRAM_TEXT.format(environment=environment, directory=directory))
    os.chmod(program, 0o755)
    _run("start the agent", [program, "--help"], carried)
    with open(os.path.join(environment, _MARK), "w", encoding="utf-8") as stream:
        stream.write(f"{python}\n")
        stream.flush()
        os.fsync(stream.fileno())


def _switch(directory: str, stamp: str) -> None:
    """Make this environment the one in use, and remove the others."""
    for name, target in (("current", os.path.join("environments", stamp)), *_LINKS):
        link = os.path.join(directory, name)
        if _target(link) != target:
            beside = f"{link}.part"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(beside)
            os.symlink(target, beside)
            os.replace(beside, link)
    for other in os.listdir(os.path.join(directory, "environments")):
        if other != stamp:
            shutil.rmtree(os.path.join(directory, "environments", other), ignore_errors=True)


def _removed(directory: str, check_mode: bool) -> dict:
    names = ("venv", "collections", "current", "environments")
    present = [path for path in (os.path.join(directory, name) for name in names) if os.path.lexists(path)]
    if present and not check_mode:
        with store_errors(directory, "removed"), _locked(directory):
            for path in present:
                if os.path.islink(path):
                    os.unlink(path)
                else:
                    shutil.rmtree(path)
    return {"changed": bool(present), "ready": False}


def _run(attempt: str, command: Sequence[str], home: str) -> None:
    code, said = _try(command, home)
    if code:
        problem = f"{os.path.basename(command[0])} said: {said}" if said else f"{os.path.basename(command[0])} failed"
        hint = "carry wheels for the Python and the processor of this node, with everything that they need"
        raise VllmError("invalid_request", problem, hint, attempt, detail=said)


def _try(command: Sequence[str], home: str) -> tuple[int, str]:
    """Run a command without a terminal, and return its code and the end of its output on one line.

    :param home: for the temporary files of Ansible.
    """
    environment = {name: value for name, value in os.environ.items() if not _SETTINGS.fullmatch(name)}
    # Ansible takes an empty file for settings, and not /dev/null.
    settings = os.path.join(home, "ansible.cfg")
    environment.update(
        PIP_CONFIG_FILE=os.devnull,
        ANSIBLE_CONFIG=settings,
        ANSIBLE_HOME=os.path.join(home, ".ansible"),
        LC_ALL="C.UTF-8",
    )
    try:
        # No AnsibleModule is at hand here. pylint: disable-next=ansible-bad-function
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, printable(error)
    lines = done.stdout.decode(errors="replace").strip().splitlines()[-_DETAIL_LINES:]
    return done.returncode, printable(" ".join(line.strip() for line in lines))
