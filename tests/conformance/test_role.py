# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the artifact to the served adapter, on a real server."""

from __future__ import annotations

from tests.lifecycle.from_the_artifact import FromTheArtifact


class TestFromTheArtifact(FromTheArtifact):
    pass
