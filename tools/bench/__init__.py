# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: what a swap costs on a real server, and what a fleet costs on the controller, side by side."""
