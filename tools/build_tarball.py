# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: build_tarball.py COLLECTION DIRECTORY

Builds the collection's tarball in the directory, with `ansible-galaxy`, and prints its path. The same commit makes the same
bytes: what would differ is set to SOURCE_DATE_EPOCH (by default the time of the last commit) or sorted, which are the
times of all files, of the archive and of its compression, and the order of files on the disk.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
# First in a tarball of Galaxy's; each has the checksum of the next, which has those of all others.
MANIFEST, FILES = "MANIFEST.json", "FILES.json"


def source_date() -> int:
    """Return the seconds since 1970 that all times in the tarball are set to."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    log = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(log, cwd=PROJECT, check=True, capture_output=True, text=True).stdout)


def read(tarball: Path) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Return the members by name: what the archive says about each, and its content."""
    with tarfile.open(tarball) as archive:
        # Of a link, its target is no content.
        files = {member: archive.extractfile(member) if member.isfile() else None for member in archive.getmembers()}
        return {member.name: (member, file.read() if file else b"") for member, file in files.items()}


def sort_listing(members: dict[str, tuple[tarfile.TarInfo, bytes]]) -> None:
    """Sort the files that the tarball lists, and correct the checksum of the list."""
    listing = json.loads(members[FILES][1])
    listing["files"].sort(key=lambda entry: entry["name"])
    listing_text = json.dumps(listing, indent=1).encode()
    manifest = json.loads(members[MANIFEST][1])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(listing_text).hexdigest()
    members[FILES] = (members[FILES][0], listing_text)
    members[MANIFEST] = (members[MANIFEST][0], json.dumps(manifest, indent=1).encode())


def write(tarball: Path, members: dict[str, tuple[tarfile.TarInfo, bytes]], seconds: int) -> None:
    """Write the members in the order of their names, behind the two that describe them."""
    names = [MANIFEST, FILES, *sorted(members.keys() - {MANIFEST, FILES})]
    # Without a file name in the header of gzip, for it would be that of a temporary file.
    with (
        tarball.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=seconds) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in names:
            member, content = members[name]
            member.mtime, member.size = seconds, len(content)
            # The time once more, with its fraction.
            member.pax_headers = {}
            archive.addfile(member, io.BytesIO(content))


def build(collection: Path, directory: Path) -> Path:
    """Build the only tarball in the directory."""
    shutil.rmtree(directory, ignore_errors=True)
    command = ["ansible-galaxy", "collection", "build", "--output-path", directory, collection]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = directory.glob("*.tar.gz")
    members = read(tarball)
    sort_listing(members)
    write(tarball, members, source_date())
    return tarball


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), Path(sys.argv[2])))
