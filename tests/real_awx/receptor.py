# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: receptor.py --config FILE

Stands in for receptor on a machine without it: runs the jobs of one controller on this machine. Reads receptor's own
configuration, and talks as receptor does on its control socket, as far as AWX's jobs need it. There is no mesh, and
nothing is signed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import socketserver
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import yaml

_RUNNING, _SUCCEEDED, _FAILED = (1, "Running"), (2, "Succeeded"), (3, "Failed")
_POLL_SECONDS = 0.1


class Unit:
    """A unit of work: a command with its input and its output in files, which last until it is released."""

    def __init__(self, directory: Path, command: list[str]) -> None:
        self.output = directory / "stdout"
        with (directory / "stdin").open("rb") as given, self.output.open("wb") as output:
            self._process = subprocess.Popen(command, stdin=given, stdout=output, start_new_session=True)
        self._directory = directory

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def status(self) -> dict[str, Any]:
        code = self._process.poll()
        state, name = _RUNNING if code is None else _FAILED if code else _SUCCEEDED
        detail = "" if code is None else f"exit status {code}"
        size = self.output.stat().st_size
        return {"State": state, "StateName": name, "Detail": detail, "StdoutSize": size, "ExtraData": None}

    def cancel(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)

    def release(self) -> None:
        if not self.ended:
            self.cancel()
        shutil.rmtree(self._directory, ignore_errors=True)


class Receptor(socketserver.ThreadingUnixStreamServer):
    """The node: its units of work, and how it starts each type of them."""

    daemon_threads = True

    def __init__(self, configuration: list[dict[str, Any]], directory: Path) -> None:
        sections = [(name, section or {}) for entry in configuration for name, section in entry.items()]
        self.node = next(section["id"] for name, section in sections if name == "node")
        self.commands = {section["worktype"]: section for name, section in sections if name == "work-command"}
        self.units: dict[str, Unit] = {}
        self.directory = directory
        super().__init__(next(section["filename"] for name, section in sections if name == "control-service"), _Session)


class _Session(socketserver.StreamRequestHandler):
    """One connection: commands, a line each, until a command takes the connection for its data."""

    server: Receptor

    def handle(self) -> None:
        self._say(f"Receptor Control, node {self.server.node}")
        for line in self.rfile:
            text = line.decode().strip()
            try:
                words = text.split()
                if text.startswith("{"):
                    self._submit(json.loads(text))
                elif words[:2] == ["work", "results"]:
                    self._send_results(words[2], int(words[3]))
                    return
                else:
                    self._say(json.dumps(self._answer(words)))
            except (KeyError, IndexError) as error:
                self._say(f"ERROR: unknown work unit or command: {error}")

    def _answer(self, words: list[str]) -> dict[str, Any]:
        units = self.server.units
        match words:
            case ["status"]:
                return {"NodeID": self.server.node, "Advertisements": []}
            case ["reload"]:
                return {"Success": True}
            case ["work", "list"]:
                return {name: unit.status for name, unit in units.items()}
            case ["work", "status", name]:
                return units[name].status
            case ["work", "cancel", name]:
                units[name].cancel()
                return {"cancelled": name}
            case ["work", "release", name]:
                units.pop(name).release()
                return {"released": name}
        raise KeyError(" ".join(words))

    def _submit(self, request: dict[str, str]) -> None:
        section = self.server.commands[request["worktype"]]
        name = uuid.uuid4().hex[:8]
        directory = self.server.directory / name
        directory.mkdir(mode=0o700)
        self._say(f"Work unit created with ID {name}. Send stdin data and EOF.")
        with (directory / "stdin").open("wb") as given:
            shutil.copyfileobj(self.rfile, given)
        words = [*shlex.split(section.get("params", "")), *shlex.split(request.get("params", ""))]
        self.server.units[name] = Unit(directory, [section["command"], *words])
        self._say(json.dumps({"result": "Job Started", "unitid": name}))

    def _send_results(self, name: str, start: int) -> None:
        unit = self.server.units[name]
        self._say(f"Streaming results for work unit {name}")
        with unit.output.open("rb") as output, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            output.seek(start)
            while True:
                ended = unit.ended
                shutil.copyfileobj(output, self.wfile)
                if ended:
                    return
                time.sleep(_POLL_SECONDS)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\n".encode())


def main() -> None:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, required=True)
    configuration = yaml.safe_load(parser.parse_args().config.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as directory, Receptor(configuration, Path(directory)) as receptor:
        receptor.serve_forever()


if __name__ == "__main__":
    main()
