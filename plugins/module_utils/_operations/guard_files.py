# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace the two files of a guard, so that nginx keeps the old ones unless the new ones work."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .._errors import VllmError, printable, quoted

# Seconds.
_COMMAND_LIMIT = 60
_PAUSE = 0.1
# Answers of the new configuration. A former worker of nginx can take a connection after the first one.
_IN_A_ROW = 3
_SHOWN = 600
_FILES_HINT = "check that the directory exists, that the disk has room, and whether the task needs become"


@dataclass(frozen=True)
class Content:
    """The two files. None is no file.

    :ivar keys: of a file that only its owner may read.
    """

    configuration: str | None
    keys: str | None


@dataclass(frozen=True)
class GuardFiles:
    """The files of one guard, below ``directory``.

    A third file holds the old contents from before the first write until the new ones are in effect. If a run is killed in
    between, the next run puts them back first.
    """

    directory: str
    name: str

    @property
    def configuration(self) -> str:
        return os.path.join(self.directory, f"{self.name}-guard.conf")

    @property
    def keys(self) -> str:
        # nginx includes *.conf.
        return os.path.join(self.directory, f"{self.name}-guard.keys")

    @property
    def _journal(self) -> str:
        return os.path.join(self.directory, f"{self.name}-guard.before")

    def read(self) -> Content:
        """Return the contents before any run that was killed."""
        with _reported("read", self._journal):
            journal = _text(self._journal)
            if journal is not None:
                return Content(**json.loads(journal))
        with _reported("read", self.directory):
            return Content(_text(self.configuration), _text(self.keys))

    @property
    def is_settled(self) -> bool:
        """Whether nobody but the owner may read the keys, and nothing is left of a run that was killed."""
        with _reported("read", self.directory):
            if os.path.exists(self._journal):
                return False
            return not os.path.exists(self.keys) or stat.S_IMODE(os.stat(self.keys).st_mode) == 0o600

    def begin(self, old: Content) -> None:
        """Record the contents to put back."""
        with _reported("write", self._journal):
            _write(self._journal, json.dumps({"configuration": old.configuration, "keys": old.keys}), 0o600)

    def write(self, new: Content) -> None:
        """Write both files. nginx reads neither before it is told to."""
        for path, text, mode in ((self.keys, new.keys, 0o600), (self.configuration, new.configuration, 0o644)):
            with _reported("write", path):
                _write(path, text, mode)

    def end(self) -> None:
        """Forget the old contents."""
        with _reported("remove", self._journal):
            _write(self._journal, None, 0)


@dataclass(frozen=True)
class Nginx:
    """How to have nginx test and read its configuration.

    :ivar in_effect: returns whether the new configuration answers.
    :ivar wait: seconds for that. 0 is not to look.
    """

    test_command: Sequence[str]
    reload_command: Sequence[str]
    in_effect: Callable[[], bool] = bool
    wait: float = 0

    def test(self) -> None:
        """Raise VllmError with the words of nginx unless it accepts its configuration."""
        _run("test nginx's configuration", self.test_command)

    def reload(self) -> None:
        """Have nginx read its configuration, and wait until it answers with it."""
        _run("reload nginx", self.reload_command)
        until = time.monotonic() + self.wait
        in_a_row = 0
        while self.wait and in_a_row < _IN_A_ROW:
            in_a_row = in_a_row + 1 if self.in_effect() else 0
            if not in_a_row and time.monotonic() >= until:
                problem = f"the guard does not answer with its new configuration after {self.wait:g} seconds"
                hint = (
                    "read nginx's error log, look for another program or server block with this address, and restart nginx if "
                    "guard_listen has other addresses of a port than before"
                )
                raise VllmError("guard_failed", problem, hint, "reload nginx")
            time.sleep(_PAUSE)


def replace(files: GuardFiles, old: Content, new: Content, nginx: Nginx) -> None:
    """Write the new contents and have nginx use them.

    :raises VllmError: the old contents are back and in effect, unless the error says that they are not.
    """
    files.begin(old)
    reloaded = False
    try:
        files.write(new)
        nginx.test()
        reloaded = True
        nginx.reload()
    except VllmError as error:
        _put_back(files, old, nginx, reloaded, error)
        raise
    files.end()


def _put_back(files: GuardFiles, old: Content, nginx: Nginx, reloaded: bool, error: VllmError) -> None:
    kept = "the old configuration is kept" if old.configuration else "there is no guard, as before"
    try:
        files.write(old)
        files.end()
    except VllmError as second:
        error.aftermath = f"the old files could not be put back ({second.clause()}); the next run tries it again"
        return
    error.aftermath = kept
    if reloaded:
        try:
            _run("reload nginx", nginx.reload_command)
        except VllmError as second:
            error.aftermath = f"the old files are back, and nginx was not told of them ({second.clause(error.hint)})"


def _run(attempt: str, command: Sequence[str]) -> None:
    hint = "correct what nginx names; see nginx -t" if "test" in attempt else "read the log of nginx"
    try:
        # No AnsibleModule is at hand here. pylint: disable-next=ansible-bad-function
        ran = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_COMMAND_LIMIT,
            check=False,
        )
    except FileNotFoundError:
        problem = f"there is no command {quoted(command[0])}"
        raise VllmError(
            "guard_failed", problem, "install nginx, or name the command that it has here", attempt
        ) from None
    except OSError as error:
        raise VllmError(
            "guard_failed", f"{quoted(command[0])} cannot be run: {error.strerror}", hint, attempt
        ) from None
    except subprocess.TimeoutExpired:
        problem = f"{quoted(command[0])} did not end in {_COMMAND_LIMIT} seconds"
        raise VllmError("guard_failed", problem, hint, attempt) from None
    if ran.returncode:
        said = ran.stdout.decode("utf-8", "replace")
        problem = f"{' '.join(command)} returned {ran.returncode} and said {quoted(' '.join(said.split())[:_SHOWN])}"
        raise VllmError("guard_failed", printable(problem), hint, attempt, detail=said)


@contextlib.contextmanager
def _reported(verb: str, path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its content is damaged"
        where = getattr(error, "filename", None) or path
        raise VllmError("guard_failed", str(reason), _FILES_HINT, f"{verb} {where}") from None


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path: str, text: str | None, mode: int) -> None:
    """Write a file as a whole, or remove it. At no time can others read a file that they may not read afterwards."""
    if text is None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        return
    number, draft = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path))
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, mode)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
