# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard in front of a server, on a real nginx, and the gateway behind it."""
