# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.operations import LoraArtifacts
from ansible_collections.sovereign.vllm.plugins.plugin_utils._declaration.staging import StagingActionForAll


class ActionModule(StagingActionForAll):
    operation = LoraArtifacts()
