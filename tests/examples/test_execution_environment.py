# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of execution environments: what `ansible-builder` makes of them. No image is built here."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.examples.conftest import EXAMPLES, PROJECT

ANSIBLE_BUILDER = Path(sys.executable).with_name("ansible-builder")
AWX = EXAMPLES / "awx"


class Context:
    """What `ansible-builder create` writes for a definition, and where it runs pip."""

    def __init__(self, definition: Path) -> None:
        self.directory = definition.with_name("context")
        command = [
            ANSIBLE_BUILDER,
            "create",
            "-f",
            definition.name,
            "-c",
            "context",
            "--output-filename",
            "Containerfile",
        ]
        subprocess.run(command, cwd=definition.parent, check=True, capture_output=True)
        self.containerfile = (self.directory / "Containerfile").read_text()
        self.collections = yaml.safe_load((self.directory / "_build" / "requirements.yml").read_text())["collections"]

    def argument(self, name: str) -> str:
        (value,) = re.findall(rf'^ARG {name}="(.*)"$', self.containerfile, re.MULTILINE)
        return value

    def installed_by_pip(self) -> set[str]:
        commands = re.findall(r"^RUN \$PYCMD -m pip install --no-cache-dir (.*)$", self.containerfile, re.MULTILINE)
        text = " ".join(commands).replace("$ANSIBLE_INSTALL_REFS", self.argument("ANSIBLE_INSTALL_REFS"))
        return {word.strip("'") for word in text.split()}


def test_an_image_gets_the_collection_and_what_it_needs(tmp_path: Path) -> None:
    context = Context(Path(shutil.copy(AWX / "execution-environment.yml", tmp_path)))
    assert context.collections == [{"name": "sovereign.vllm", "version": ">=1.0.0"}]
    assert {"ansible-core>=2.18,<2.22", "ansible-runner>=2.4"} <= context.installed_by_pip()


def test_the_installed_collection_tells_what_it_needs() -> None:
    root = os.environ["ANSIBLE_COLLECTIONS_PATH"]
    command = [ANSIBLE_BUILDER, "introspect", "--sanitize", root]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = yaml.safe_load(shown)
    assert [requirement.split("#")[0].strip() for requirement in told["python"]] == ["requests>=2.28"]
    assert told["system"] == []


@pytest.fixture
def offline(tmp_path: Path) -> Context:
    """The definition for sites without internet, with a tarball of this version carried there."""
    (tarball,) = (PROJECT / ".build" / "dist").glob("sovereign-vllm-*.tar.gz")
    (tmp_path / "carry").mkdir()
    shutil.copy(tarball, tmp_path / "carry")
    definition = (AWX / "execution-environment-offline.yml").read_text()
    assert "sovereign-vllm-1.0.0.tar.gz" in definition
    changed = tmp_path / "execution-environment-offline.yml"
    changed.write_text(definition.replace("sovereign-vllm-1.0.0.tar.gz", tarball.name))
    return Context(changed)


def test_without_internet_the_tarball_is_in_the_context(offline: Context) -> None:
    (collection,) = offline.collections
    assert collection["type"] == "file"
    assert (offline.directory / "_build" / collection["name"]).stat().st_size > 10_000
    assert offline.argument("ANSIBLE_GALAXY_CLI_COLLECTION_OPTS") == "--offline"


def test_without_internet_nothing_is_fetched(offline: Context) -> None:
    lines = offline.containerfile.splitlines()
    first_pip = next(number for number, line in enumerate(lines) if "pip" in line and line.startswith("RUN"))
    assert {"COPY _build/carry /carry", "ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/carry"} <= set(lines[:first_pip])
    assert not any("$PKGMGR install" in line for line in lines)
    readme = (AWX / "README.md").read_text().replace("\\\n", " ")
    (carried,) = re.findall(r"^pip download --dest examples/awx/carry -r requirements.txt (.*)$", readme, re.MULTILINE)
    assert offline.installed_by_pip() == set(shlex.split(carried))
