# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples do what their READMEs say, as far as that can be run without a cluster, a cloud or a controller."""
