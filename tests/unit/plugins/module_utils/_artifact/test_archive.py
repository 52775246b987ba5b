# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that are hostile, damaged or not an adapter: each is refused, and no file is written."""

from __future__ import annotations

import gzip
import stat
import tarfile
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError

from tests.support.archives import (
    CONFIG,
    LIMIT,
    WEIGHTS,
    ZEROS,
    Archive,
    changed,
    files_of,
    flipped,
    gzipped,
    in_directory,
    stage,
    tar_entry,
    tar_of,
    with_members,
    with_zip_members,
    write,
    zip_entry,
    zip_of,
)


def a_bomb(files: dict) -> bytes:
    return gzip.compress(tar_of({**files, "zeros": bytes(8 * LIMIT)}))


def a_lie(files: dict) -> bytes:
    """The table of contents says that the weights have one byte."""
    return zip_of(files).replace(len(files[WEIGHTS]).to_bytes(4, "little"), (1).to_bytes(4, "little"))


def negative(files: dict) -> bytes:
    entry = tarfile.TarInfo("negative")
    header = bytearray(entry.tobuf())
    header[124:136] = b"\xff" * 4 + (-512).to_bytes(8, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return tar_of(files)[: -len(ZEROS)] + bytes(header) + ZEROS


def long_header(kind: bytes) -> Archive:
    return with_members(tar_entry("././@LongLink", b"a" * 100_000, type=kind), tar_entry("short", b""))


def many(files: dict) -> bytes:
    return tar_of({**files, **{f"empty/{number}": b"" for number in range(10_000)}})


def large_table(files: dict) -> bytes:
    return zip_of(files, *(zip_entry(f"{number:05}" + 300 * "x") for number in range(12_000)))


def pax(**headers: str) -> Archive:
    entry = tarfile.TarInfo("file")
    entry.pax_headers = headers
    return with_members((entry, b""))


def without(name: str) -> Archive:
    return lambda files: tar_of({other: content for other, content in files.items() if other != name})


BAD = {
    "leaves by dots": (with_members(tar_entry("../outside", b"x")), "holds '../outside', which leaves the archive"),
    "leaves by dots inside": (with_members(tar_entry("notes/../../outside", b"x")), "leaves the archive by '..'"),
    "leaves by dots, zip": (with_zip_members(zip_entry("../outside", b"x")), "leaves the archive by '..'"),
    "directory outside": (with_members(tar_entry("../../outside", type=tarfile.DIRTYPE)), "leaves the archive by '..'"),
    "absolute": (with_members(tar_entry("/tmp/outside", b"x")), "has an absolute name"),
    "absolute, zip": (with_zip_members(zip_entry("/tmp/outside", b"x")), "has an absolute name"),
    "absolute by a pax header": (pax(path="/tmp/outside"), "has an absolute name"),
    "drive of Windows": (with_members(tar_entry("C:\\outside", b"x")), "backslash"),
    "control character": (with_members(tar_entry("\x1b[2Jx", b"x")), "control character"),
    "name in no encoding": (with_members(tar_entry("\udcff", b"x")), "bytes that are not UTF-8"),
    "no name": (with_members(tar_entry(".", b"x")), "a file without a name"),
    "name without end": (with_members(tar_entry("a/" * 600 + "b", b"x")), "more than 1000 bytes"),
    "symbolic link": (
        with_members(tar_entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "holds 'link', which is a link: pack the files themselves.",
    ),
    "symbolic link to a neighbour": (
        with_members(tar_entry("link", type=tarfile.SYMTYPE, linkname=CONFIG)),
        "which is a link",
    ),
    "hard link": (with_members(tar_entry("link", type=tarfile.LNKTYPE, linkname="/etc/shadow")), "which is a link"),
    "link, and a file through it": (
        with_members(
            tar_entry("door", type=tarfile.SYMTYPE, linkname="/tmp"),
            tar_entry("door/outside", b"x"),
        ),
        "which is a link",
    ),
    "symbolic link, zip": (with_zip_members(zip_entry("link", b"/etc/passwd", stat.S_IFLNK | 0o777)), "is a link"),
    "pipe": (with_members(tar_entry("pipe", type=tarfile.FIFOTYPE)), "neither a file nor a directory"),
    "disk": (with_members(tar_entry("disk", type=tarfile.BLKTYPE, devmajor=8)), "neither a file nor a directory"),
    "memory": (with_members(tar_entry("mem", type=tarfile.CHRTYPE, devmajor=1)), "neither a file nor a directory"),
    "pipe, zip": (with_zip_members(zip_entry("pipe", b"", stat.S_IFIFO | 0o644)), "neither a file nor a directory"),
    "socket, zip": (with_zip_members(zip_entry("socket", b"", stat.S_IFSOCK | 0o644)), "neither a file nor"),
    "twice": (with_members(tar_entry(CONFIG, b"{}")), "holds 'adapter_config.json' more than once"),
    "twice by another spelling": (with_members(tar_entry(f"./{CONFIG}", b"{}")), "more than once"),
    "twice, zip": (with_zip_members(zip_entry(CONFIG, b"{}")), "more than once"),
    "file as directory": (with_members(tar_entry(f"{CONFIG}/x", b"x")), "as a file and as a directory"),
    "directory as file": (with_members(tar_entry(CONFIG, type=tarfile.DIRTYPE)), "as a file and as a directory"),
    "too large": (with_members(tar_entry("zeros", bytes(LIMIT))), "more than 1048576 bytes"),
    "bomb": (a_bomb, "more than 1048576 bytes"),
    "bomb, zip": (lambda files: zip_of({**files, "zeros": bytes(8 * LIMIT)}), "more than 1048576 bytes"),
    "claims a terabyte": (with_members(tar_entry("claim", size=1 << 40)), "more than 1048576 bytes"),
    "many entries": (many, "more than 10000 entries"),
    "large table of contents": (large_table, "too large a table of contents"),
    "negative size": (negative, "is damaged"),
    "negative size by a pax header": (pax(size="-1024"), "is damaged"),
    "name of 100 kB": (long_header(tarfile.GNUTYPE_LONGNAME), "a header that is larger than any name"),
    "link name of 100 kB": (long_header(tarfile.GNUTYPE_LONGLINK), "a header that is larger than any name"),
    "pax header of 100 kB": (pax(comment="x" * 100_000), "a header that is larger than any name"),
    "headers without end": (
        with_members(*[tar_entry("././@LongLink", b"name\0", type=tarfile.GNUTYPE_LONGNAME)] * 5000),
        "is damaged",
    ),
    "sparse file": (with_members(tar_entry("sparse", type=tarfile.GNUTYPE_SPARSE)), "pack it without --sparse"),
    "sparse by a pax header": (pax(**{"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}), "without --sparse"),
    "encrypted": (
        changed(zip_of, lambda archive: archive.replace(b"\x14\0\0\0\x08\0", b"\x14\0\1\0\x08\0")),
        "encrypted",
    ),
    "unknown compression": (
        changed(zip_of, lambda archive: archive.replace(b"\0\0\x08\0", b"\0\0\x63\0")),
        "packed by a method that Python does not know",
    ),
    "says another size than it has": (a_lie, ""),
    "cut gzip": (changed(gzipped, lambda archive: archive[: len(archive) // 2]), "is damaged"),
    "gzip without its end": (changed(gzipped, lambda archive: archive[:-4]), "is damaged"),
    "gzip with a wrong sum": (changed(gzipped, flipped(-6)), "is damaged"),
    "cut tar": (changed(tar_of, lambda archive: archive[: len(archive) // 2]), "is damaged"),
    "tar without its end": (changed(tar_of, lambda archive: archive[: -len(ZEROS)]), "is damaged"),
    "tar cut between its files": (lambda files: tar_of({CONFIG: files[CONFIG]})[:1024], "is damaged"),
    "tar with a damaged header": (changed(tar_of, flipped(1024 + 10)), "is damaged"),
    "more behind the end": (lambda files: gzip.compress(tar_of(files) + bytes(2 << 20)), "continues after its end"),
    "cut zip": (changed(zip_of, lambda archive: archive[: len(archive) // 2]), "is damaged"),
    "zip with damaged content": (changed(zip_of, flipped(200)), "is damaged"),
    "empty file": (lambda files: b"", "is damaged, or is neither a directory nor a tar or zip archive"),
    "text": (lambda files: b"404: not found\n", "neither a directory nor a tar or zip archive"),
    "only weights": (lambda files: files[WEIGHTS], "neither a directory nor a tar or zip archive"),
    "empty tar": (lambda files: ZEROS * 10, "is missing"),
    "empty zip": (lambda files: zip_of({}), "is missing"),
    "no config": (without(CONFIG), "adapter_config.json is missing."),
    "no weights": (without(WEIGHTS), "adapter_model.safetensors is missing"),
    "two adapters": (
        lambda files: tar_of({**in_directory(files, "one"), **in_directory(files, "two/deep"), "x": b""}),
        "The archive holds several adapters, for example in 'one/' and 'two/deep/': pack only one of them.",
    ),
    "config and weights apart": (
        lambda files: tar_of({CONFIG: files[CONFIG], f"weights/{WEIGHTS}": files[WEIGHTS]}),
        "adapter_model.safetensors is missing: there is one in 'weights', so give that directory.",
    ),
    "embeddings of added tokens": (
        lambda files: tar_of(in_directory({**files, "new_embeddings.safetensors": b""}, "sql")),
        "new_embeddings.safetensors holds embeddings of added tokens",
    ),
    "leaves by dots to the Finder's files": (
        with_members(tar_entry("__MACOSX/../../outside", b"x")),
        "leaves the archive",
    ),
}


@pytest.mark.parametrize(("archive", "problem"), BAD.values(), ids=BAD)
def test_a_clear_problem_and_no_file_anywhere(
    tmp_path: Path, adapter_with_notes: Path, archive: Archive, problem: str
) -> None:
    packed = write(tmp_path / "packed", archive(files_of(adapter_with_notes)))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArtifactError) as raised:
        stage(packed, tmp_path / "store")
    assert problem in str(raised.value)
    assert str(raised.value).endswith(".") and str(raised.value).isprintable() and len(str(raised.value)) < 600
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/tmp/outside").exists()
