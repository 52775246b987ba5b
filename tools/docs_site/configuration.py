# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of Sphinx: the file conf.py of antsibull-docs, and what this module adds to it."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PROJECT = Path(__file__).resolve().parents[2]
TITLE = "sovereign.vllm: LoRA adapters on vLLM servers"
_SECTIONS = Path(__file__).with_name("index_sections.rst")
# antsibull-docs writes this before the list of plugins.
_PLUGINS = ".. _plugin_index_for_sovereign.vllm:\n"
_ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
# The places in Ansible's documentation that ours names, and the words for those that are named without any. Ansible's own list
# of all places would have to be downloaded.
_PLACES = {
    "action_plugins": ("plugins/action.html", "-"),
    "ansible_collections.ansible.builtin.copy_module": ("collections/ansible/builtin/copy_module.html", "-"),
    "ansible_collections.ansible.builtin.file_module": ("collections/ansible/builtin/file_module.html", "-"),
    "ansible_configuration_settings": ("reference_appendices/config.html", "Ansible Configuration Settings"),
    "callback_plugins": ("plugins/callback.html", "Callback plugins"),
    "common_return_values": ("reference_appendices/common_return_values.html", "-"),
}
_ADDED = """
import sys
sys.path.insert(0, {project!r})
from tools.docs_site.configuration import setup
html_title = project
intersphinx_mapping = {{"ansible": ({ansible!r}, "../ansible.inv")}}
"""


def add_configuration(site: Path) -> None:
    """Complete what `antsibull-docs sphinx-init` has written into the directory. A warning then fails the build."""
    with (site / "conf.py").open("a", encoding="utf-8") as file:
        file.write(_ADDED.format(project=str(PROJECT), ansible=_ANSIBLE))
    (site / "ansible.inv").write_bytes(_inventory())
    script = site / "build.sh"
    script.write_text(re.sub("(?m)^sphinx-build .*", r"\g<0> --fail-on-warning --keep-going", script.read_text()))


def _inventory() -> bytes:
    """Return the places in Ansible's documentation in the format of Sphinx."""
    head = "# Sphinx inventory version 2\n# Project: Ansible\n# Version:\n# The remainder of this file is compressed using zlib.\n"
    lines = "".join(f"{label} std:label -1 {page} {title}\n" for label, (page, title) in _PLACES.items())
    return head.encode() + zlib.compress(lines.encode())


def setup(app: Sphinx) -> None:
    """Called by Sphinx when it starts."""
    app.connect("source-read", _complete_index)


def _complete_index(_app: Sphinx, page: str, source: list[str]) -> None:
    """Correct the title of the index, and list what antsibull-docs knows no pages for."""
    if page != "index":
        return
    text, titles = re.subn(r"^Sovereign\.Vllm\n=+$", f"{TITLE}\n{'=' * len(TITLE)}", source[0], flags=re.MULTILINE)
    before, mark, after = text.partition(_PLUGINS)
    if not (titles and mark):
        raise ValueError("antsibull-docs writes another index now: see tools/docs_site/configuration.py.")
    source[0] = before + _SECTIONS.read_text(encoding="utf-8") + mark + after
