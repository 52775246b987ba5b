# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: shows the main job with real runs of ansible-playbook, and checks each step."""
