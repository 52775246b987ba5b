# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tarball that goes to Galaxy: what is in it, that it can be built again, and what Galaxy's own importer says."""
