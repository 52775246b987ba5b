# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: the cost of a swap on a real server, and of a fleet on the controller."""
