# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on every server, on a real one."""

from __future__ import annotations

from tests.integration.lifecycle.from_the_artifact import FromTheArtifact
from tests.integration.lifecycle.one_adapter import OneAdapter
from tests.integration.lifecycle.whole_node import WholeNode


class TestOneAdapter(OneAdapter):
    pass


class TestWholeNode(WholeNode):
    pass


class TestFromTheArtifact(FromTheArtifact):
    pass
