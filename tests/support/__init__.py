# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook tests share: running `ansible-playbook`, and looking at servers without the code under test."""
