# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of Ansible's commands, in which nothing of the caller's changes what they do."""

from __future__ import annotations

import os
from pathlib import Path

#: Where certificates of trusted authorities are looked for.
CERTIFICATE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def clean_environment(directory: Path) -> dict[str, str]:
    """The caller's environment without what would change a run: variables of Ansible, vLLM and Python, proxies and
    certificates.

    directory: for Ansible's own files.
    """
    (directory / "ansible.cfg").write_text("", encoding="utf-8")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "VLLM_", "PYTHON"))
        and not name.lower().endswith("_proxy")
        and name not in CERTIFICATE_VARIABLES
    }
    if "COVERAGE_PROCESS_CONFIG" in kept:
        # A worker that is measured writes what it ran as it ends, which Ansible does not wait for unless it is told to.
        kept["ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT"] = "100"
    return kept | {
        "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
        "ANSIBLE_CONFIG": str(directory / "ansible.cfg"),
        "ANSIBLE_HOME": str(directory / "home"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
