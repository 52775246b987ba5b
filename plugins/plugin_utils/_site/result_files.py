# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the result of a bundle, signed, into the directory of the site and onto the disk. See ``results``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.release import __version__ as ansible_version
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError, quoted
from ansible_collections.sovereign.vllm.plugins.plugin_utils._host.clock import utc
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import (
    FORMAT,
    Layout,
    replace_file,
    sync_directory,
)
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.results import RESULT
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.sealed import (
    Sealed,
    directory_name,
    parsed_name,
    seal,
)

#: Names the key of the site.
KEY = "bundle_result_key"
KEPT = 12
_UNFINISHED = ".unfinished-"
# On a disk, where killed runs of others may have left something as well.
_COPY = f"{_UNFINISHED}result-"
_MOST_FINGERPRINTS = 1 << 20  # characters of all files


def write_result(layout: Layout, bundle: Sealed, content: Mapping[str, Any], key: Path) -> Path:
    """Write the result of a bundle into ``results``, and remove the oldest. Return its directory.

    :param content: what ``result.json`` holds, without ``format``, ``bundle``, ``versions`` and ``fingerprints``.
    :raises VllmError: ``invalid_request`` if the key cannot sign, ``store_error`` if the result cannot be written.
    """
    name = directory_name("result", bundle.node, bundle.serial)
    document = {
        "format": FORMAT,
        **content,
        "bundle": bundle.identity,
        "versions": {
            "ansible": ansible_version,
            "python": platform.python_version(),
            "collection": version_of_collection(),
        },
        "fingerprints": _fingerprints(layout.fingerprints),
    }
    text = json.dumps(document, indent=1).encode() + b"\n"
    made_at = utc()
    header = {"kind": "result", "node": bundle.node, "serial": bundle.serial, "made_at": made_at, "hosts": bundle.hosts}
    with store_errors(layout.results):
        layout.results.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=layout.results))
        try:
            os.chmod(beside, 0o755)
            replace_file(beside / RESULT, text)
            seal(beside, header, {RESULT: (hashlib.sha256(text).hexdigest(), len(text))}, key, KEY)
            target = put_in_place(beside, layout.results / name)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        _remove_old(layout.results)
    return target


def copy_result(result: Path, directory: Path) -> Path:
    """Copy a result into another directory, such as that of the disk. Return the copy.

    :raises VllmError: ``store_error`` if it cannot be written.
    """
    with store_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        for entry in directory.glob(f"{_COPY}*"):
            shutil.rmtree(entry, ignore_errors=True)
        beside = Path(tempfile.mkdtemp(prefix=_COPY, dir=directory))
        try:
            os.chmod(beside, 0o755)
            for file in result.iterdir():
                replace_file(beside / file.name, file.read_bytes())
            return put_in_place(beside, directory / result.name)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise


def put_in_place(beside: Path, target: Path) -> Path:
    """Rename a directory to its name, in place of what has the name now."""
    if target.exists():
        former = Path(tempfile.mkdtemp(prefix=_COPY, dir=target.parent))
        os.rename(target, former / "former")
        os.rename(beside, target)
        shutil.rmtree(former)
    else:
        os.rename(beside, target)
    sync_directory(target.parent)
    return target


@contextlib.contextmanager
def store_errors(directory: Path) -> Iterator[None]:
    """Raise ``store_error`` for an ``OSError`` in the block."""
    try:
        yield
    except OSError as error:
        problem = f"{quoted(error.filename or directory)} cannot be written ({error.strerror})"
        raise VllmError("store_error", problem, "check that the disk has room and can be written") from None


def _remove_old(results: Path) -> None:
    for entry in results.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(entry, ignore_errors=True)
    named = [(parsed[2], entry) for entry in results.iterdir() if (parsed := parsed_name(entry.name))]
    for _serial, entry in sorted(named)[:-KEPT]:
        shutil.rmtree(entry, ignore_errors=True)


def _fingerprints(directory: Path) -> dict[str, object]:
    """Return the fingerprints that the site has recorded, by the names of their files."""
    found: dict[str, object] = {}
    left = _MOST_FINGERPRINTS
    for file in sorted(directory.rglob("*.json")) if directory.is_dir() else []:
        with contextlib.suppress(OSError, ValueError):
            text = file.read_text(encoding="utf-8")
            left -= len(text)
            if left < 0:
                break
            found[str(file.relative_to(directory))] = json.loads(text)
    return found


def version_of_collection() -> str | None:
    """Return the version of this collection, or None if its files do not say it."""
    root = Path(__file__).absolute().parents[3]
    with contextlib.suppress(OSError, ValueError, KeyError):
        return json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"]
    with contextlib.suppress(OSError):
        found = re.search(r"^version: (\S+)$", (root / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
        return found[1] if found else None
    return None
