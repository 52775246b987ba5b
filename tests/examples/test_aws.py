# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of examples/aws on an emulated EC2: whatever comes of it, nothing is left that costs money."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.examples.cloud import Cloud
from tests.examples.conftest import EXAMPLES, foreign_environment
from tests.stand_in import Fault, StandIn
from tests.support.asking import eventually
from tests.support.playbook import ANSIBLE_PLAYBOOK

KEY = "sk-aws-41775"
LAST_RESORT = 300  # seconds
AWS = EXAMPLES / "aws"
LIVING = ("pending", "running", "stopping", "stopped")


class Story:
    """Runs the files of the example in the cloud."""

    def __init__(self, cloud: Cloud, directory: Path) -> None:
        self.cloud = cloud
        self._environment = {**foreign_environment(directory), **cloud.environment}

    def start(self, command: Sequence[str | Path], *options: str, **variables: Any) -> subprocess.Popen[str]:
        """Start it in a process group of its own, as a shell starts a command."""
        extra = ["-e", json.dumps({**self.cloud.variables, **variables}), *options]
        return subprocess.Popen(
            [*command, *extra],
            cwd=AWS,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: Sequence[str | Path], *options: str, **variables: Any) -> tuple[int, str]:
        process = self.start(command, *options, **variables)
        output, _errors = process.communicate(timeout=LAST_RESORT)
        return process.returncode, output


RUN = [AWS / "run.sh"]
CONVERGE = [ANSIBLE_PLAYBOOK, "converge.yml"]
TEARDOWN = [ANSIBLE_PLAYBOOK, "teardown.yml"]


@pytest.fixture
def story(examples: Path, tmp_path: Path) -> Iterator[Story]:
    with Cloud(examples, KEY) as cloud:
        yield Story(cloud, tmp_path)


def test_the_whole_story(story: Story) -> None:
    rc, output = story.run(RUN)
    assert rc == 0, output
    assert len(story.cloud.boxes()) == 2
    assert not story.cloud.boxes(*LIVING)
    # The drift was healed before the boxes ended.
    declared = {adapter["name"]: adapter["path"] for adapter in story.cloud.adapters}
    assert story.cloud.served_at_the_end == [declared, declared]
    assert KEY not in output


def test_a_story_that_fails_is_torn_down(story: Story) -> None:
    nowhere = [{"name": "sql", "path": "/srv/nowhere", "base_model": "base"}]
    rc, output = story.run(RUN, lora_adapters=nowhere)
    assert rc == 2, output
    assert "artifact_not_found" in output
    assert len(story.cloud.boxes()) == 2
    assert not story.cloud.boxes(*LIVING)


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_story_that_is_interrupted_is_torn_down(story: Story, ended_by: signal.Signals) -> None:
    with StandIn() as silent:
        silent.faults.add(Fault("GET", "/health", "silence"))
        process = story.start(RUN, server_url=silent.url)
        # A signal that comes before Ansible has started its workers gets lost.
        assert eventually(lambda: len(silent.log) == 2, seconds=LAST_RESORT)
        assert len(story.cloud.boxes("running")) == 2
        os.killpg(process.pid, ended_by)
        rest, _errors = process.communicate(timeout=LAST_RESORT)
    assert process.returncode != 0, rest
    assert not story.cloud.boxes(*LIVING)


def test_what_is_launched_ends_by_itself_and_is_launched_once(story: Story) -> None:
    # As it comes from a command line: text.
    rc, output = story.run(CONVERGE, "-e", "hours_to_live=1.5", "-e", "boxes=2")
    assert rc == 0, output
    for box in story.cloud.boxes("running"):
        tags = {tag["Key"]: tag["Value"] for tag in box["Tags"]}
        assert tags["Project"] == "sovereign-vllm-example"
        assert tags["Owner"]
        life = datetime.fromisoformat(tags["ExpiresAt"]) - box["LaunchTime"]
        assert 1.4 < life.total_seconds() / 3600 < 1.6
        assert story.cloud.attribute(box, "instanceInitiatedShutdownBehavior") == "terminate"
        assert base64.b64decode(story.cloud.attribute(box, "userData")).decode().endswith("shutdown -h +90\n")
    # Another run launches nothing, and does not promise a longer life than the boxes have.
    before = _lives(story.cloud)
    rc, output = story.run(CONVERGE)
    assert rc == 0, output
    assert _lives(story.cloud) == before
    # Twice, for it may be run by hand after run.sh.
    for _attempt in range(2):
        rc, output = story.run(TEARDOWN)
        assert rc == 0, output
        assert not story.cloud.boxes(*LIVING)


def _lives(cloud: Cloud) -> dict[str, Any]:
    return {box["InstanceId"]: box["Tags"] for box in cloud.boxes()}


@pytest.mark.parametrize("limits", ["hours_to_live=0", "hours_to_live=25", "hours_to_live=soon", "boxes=9"])
def test_the_guard_refuses(story: Story, limits: str) -> None:
    rc, output = story.run(CONVERGE, "-e", limits)
    assert rc == 2, output
    assert "at most 24 hours and 8 boxes are allowed" in output
    assert not story.cloud.boxes()


def test_looking_launches_nothing(story: Story) -> None:
    rc, output = story.run(CONVERGE, "--check", "--diff")
    assert rc == 0, output
    assert not story.cloud.boxes()
