# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real AWX of one node on loopback: its database, Redis, receptor, API, dispatcher and receiver of events."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.real_awx.programs import Database, MissingProgramError, Programs, find, start_redis
from tests.support.asking import ask
from tests.support.nginx import free_port

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sovereign-vllm"
USER = "admin"
_NODE = "real-awx"
# AWX has this path in its code.
_RECEPTOR_CONFIGURATION = Path("/etc/receptor/receptor.conf")
_BESIDE = Path(__file__).parent
# What an empty database needs after its migrations, as AWX's own installers do it.
_FIRST_STEPS = (
    ("createsuperuser", "--noinput", "--username", USER, "--email", "admin@localhost"),
    ("create_preload_data",),
    ("register_default_execution_environments",),
    ("provision_instance", "--hostname", _NODE, "--node_type", "hybrid"),
    ("register_queue", "--queuename", "controlplane", "--instance_percent", "100"),
    ("register_queue", "--queuename", "default", "--instance_percent", "100"),
)
_SETTINGS = """\
DATABASES = {{
    "default": {{
        "ENGINE": "awx.main.db.profiled_pg",
        "ATOMIC_REQUESTS": True,
        "NAME": "awx",
        "USER": "awx",
        "HOST": "{directory}/postgresql",
    }}
}}
# The credentials in the dump of the database are encrypted with it.
SECRET_KEY = "a test has no secrets"
BROADCAST_WEBSOCKET_SECRET = "nor has it websockets"
ALLOWED_HOSTS = ["127.0.0.1"]
CLUSTER_HOST_ID = "{node}"
SYSTEM_UUID = "00000000-0000-0000-0000-000000000000"
BROKER_URL = "unix://{directory}/redis.sock"
CACHES = {{"default": {{"BACKEND": "awx.main.cache.AWXRedisCache", "LOCATION": BROKER_URL + "?db=1"}}}}
CHANNEL_LAYERS = {{
    "default": {{"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {{"hosts": [BROKER_URL]}}}}
}}
PROJECTS_ROOT = "{directory}/projects"
JOBOUTPUT_ROOT = "{directory}/job_status"
AWX_ISOLATION_BASE_PATH = "{directory}/jobs"
# Of the machine's certificates, none concerns a test.
AWX_ISOLATION_SHOW_PATHS = []
"""


@dataclass(frozen=True)
class Image:
    """What stands in for an image. programs: the directory with its ansible-playbook; variables: those that it sets."""

    programs: Path
    variables: Mapping[str, str]


class RealAwx:
    """The controller, a context manager that starts and stops it. The token of its administrator is in `token`, its files in
    `directory`.

    images: what stands in for an image, by its name, and under "" for all others.
    """

    def __init__(self, images: Mapping[str, Image]) -> None:
        self.token = ""
        self.url = f"http://127.0.0.1:{free_port()}"
        self._images = images
        self._password = secrets.token_urlsafe(12)
        self._stack = ExitStack()

    def __enter__(self) -> RealAwx:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the API to a request, such as `ask("GET", "hosts/")`. Fails with what AWX says if it refuses."""
        answer = ask(self.url, method, f"/api/v2/{path}", body, {"Authorization": f"Bearer {self.token}"}, timeout=60)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.text[:2000]}"
        return answer.json if answer.text else None

    @property
    def logs(self) -> str:
        """The end of what each program wrote."""
        files = sorted(self.directory.glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-4000:]}" for file in files)

    def _start(self, stack: ExitStack) -> None:
        if os.geteuid() != 0:
            raise MissingProgramError("This needs root, to mount what a job would see in its image.")
        self._manage_program = find("awx-manage", "AWX 24.6.1 (its image has everything: quay.io/ansible/awx:24.6.1)")
        # Its environment has the other programs.
        self._programs_of_awx = Path(self._manage_program).resolve().parent
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="real-awx-")))
        # The database runs as somebody else.
        self.directory.chmod(0o711)
        for name in ("projects", "job_status", "jobs", "podman"):
            (self.directory / name).mkdir()
        settings = self.directory / "settings.py"
        settings.write_text(_SETTINGS.format(directory=self.directory, node=_NODE), encoding="utf-8")
        programs = stack.enter_context(Programs(self.directory))
        start_redis(programs, self.directory / "redis.sock")
        self._fill(Database(programs, self.directory / "postgresql"))
        self._start_receptor(programs, stack)
        environment = self._environment()
        for name in ("dispatcher", "callback_receiver"):
            programs.start(name, [self._manage_program, f"run_{name}"], environment=environment)
        web = ["--http-socket", self.url.removeprefix("http://"), "--module", "awx.wsgi:application"]
        web += ["--master", "--processes", "2", "--buffer-size", "32768", "--die-on-term", "--need-app"]
        programs.start("web", [self._programs_of_awx / "uwsgi", *web], self._answers, environment)
        credentials = {"Authorization": "Basic " + b64encode(f"{USER}:{self._password}".encode()).decode()}
        answer = ask(self.url, "POST", "/api/v2/tokens/", {"scope": "write"}, credentials, timeout=60)
        assert answer.status == 201, answer.text
        self.token = answer.json["token"]

    def _fill(self, database: Database) -> None:
        """Give the database its tables and first entries: from the dump of an earlier time, as the migrations take minutes."""
        version = self._manage("version").strip()
        dump = CACHE / f"awx-{version}.sql"
        if dump.exists():
            database.run("psql", "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", dump, "awx")
        else:
            self._manage("migrate", "--noinput")
            for step in _FIRST_STEPS:
                self._manage(*step)
            CACHE.mkdir(parents=True, exist_ok=True)
            part = dump.with_suffix(".part")
            database.run("pg_dump", "--no-owner", "--file", part, "awx")
            part.rename(dump)
        self._manage("update_password", "--username", USER, "--password", self._password)

    def _start_receptor(self, programs: Programs, stack: ExitStack) -> None:
        socket = self.directory / "receptor.sock"
        local = {"worktype": "local", "command": "ansible-runner", "params": "worker", "allowruntimeparams": True}
        configuration = [
            {"node": {"id": _NODE, "datadir": str(self.directory / "receptor")}},
            {"local-only": None},
            {"control-service": {"service": "control", "filename": str(socket), "permissions": "0600"}},
            {"work-command": local},
        ]
        if _RECEPTOR_CONFIGURATION.exists():
            raise MissingProgramError(f"This needs a machine on which no other receptor has {_RECEPTOR_CONFIGURATION}.")
        _RECEPTOR_CONFIGURATION.parent.mkdir(exist_ok=True)
        stack.callback(_RECEPTOR_CONFIGURATION.unlink)
        # JSON is YAML.
        _RECEPTOR_CONFIGURATION.write_text(json.dumps(configuration), encoding="utf-8")
        podman = self.directory / "podman" / "podman"
        podman.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{_BESIDE / "podman.py"}" "$@"\n', encoding="utf-8")
        podman.chmod(0o755)
        images = {
            name: {"programs": str(image.programs), "variables": dict(image.variables)}
            for name, image in self._images.items()
        }
        path = os.pathsep.join([str(podman.parent), str(self._programs_of_awx), os.environ["PATH"]])
        environment = {**self._environment(), "PATH": path, "REAL_AWX_IMAGES": json.dumps(images)}
        real = shutil.which("receptor")
        command = [real] if real else [sys.executable, _BESIDE / "receptor.py"]
        programs.start("receptor", [*command, "--config", _RECEPTOR_CONFIGURATION], socket.exists, environment)

    def _manage(self, *arguments: str) -> str:
        command = [self._manage_program, *arguments]
        environment = {**self._environment(), "DJANGO_SUPERUSER_PASSWORD": self._password}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"awx-manage {arguments[0]}: {ended.stdout[-4000:]}{ended.stderr[-4000:]}"
        return ended.stdout

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        return kept | {
            "PATH": os.pathsep.join([str(self._programs_of_awx), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"]),
            "HOME": str(self.directory),
            "DJANGO_SETTINGS_MODULE": "awx.settings.production",
            "AWX_SETTINGS_FILE": str(self.directory / "settings.py"),
            "AWX_LOGGING_MODE": "stdout",
            "LC_ALL": "C.UTF-8",
        }

    def _answers(self) -> bool:
        try:
            return ask(self.url, "GET", "/api/v2/ping/").status == 200
        except OSError:
            return False
