# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a short story of declared adapters, told by real runs of ansible-playbook and checked beat by beat."""
