# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an artifact: those that vLLM reads, opened with care, and their digest."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator
from typing import IO, NamedTuple

from .._errors import CompleteError

_LONGEST_NUMBER = 20  # digits of 2**64, the largest number in a safetensors header
_LONGEST_INTEGER = 4300  # digits of the longest integer that Python 3.11 and later take
_LONGEST_QUOTE = 120


def _unique_members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("it names the same key twice")
    return members


def _bounded_integer(digits, longest=_LONGEST_INTEGER):
    # Converting a million digits takes Python before 3.11 many seconds.
    if len(digits) > longest:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _short_integer(digits):
    return -0.0 if digits == "-0" else _bounded_integer(digits, _LONGEST_NUMBER)  # no integer, as safetensors sees it


def _no_constant(name):
    raise ValueError(f"it holds {name}, which is not JSON")


def strict_decoder() -> json.JSONDecoder:
    """Return a decoder that refuses duplicate keys, ``NaN`` and endless numbers.

    It raises ``ValueError``, and ``RecursionError`` for deep nesting.
    """
    return json.JSONDecoder(object_pairs_hook=_unique_members, parse_int=_short_integer, parse_constant=_no_constant)


def config_decoder() -> json.JSONDecoder:
    """Return a decoder that takes what vLLM takes as a config, with ``NaN`` and the like, but no key twice.

    It raises ``ValueError``, and ``RecursionError`` for deep nesting.
    """
    return json.JSONDecoder(object_pairs_hook=_unique_members, parse_int=_bounded_integer)


def is_integer(value) -> bool:
    """Whether JSON has an integer here; to Python, true is one as well."""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value) -> str:
    """Return ``value`` for a message: in quotes, short, and without characters that a terminal would obey."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


CONFIG = b"adapter_config.json"
WEIGHTS = b"adapter_model.safetensors"
PICKLES = (b"adapter_model.bin", b"adapter_model.pt")
"""Weights that vLLM reads where there are none in safetensors format; the second only where the first is missing."""

TOKENIZER = (
    b"added_tokens.json",
    b"chat_template.jinja",
    b"merges.txt",
    b"sentencepiece.bpe.model",
    b"special_tokens_map.json",
    b"spiece.model",
    b"tekken.json",
    b"tokenizer.json",
    b"tokenizer.model",
    b"tokenizer_config.json",
    b"vocab.json",
    b"vocab.txt",
)
"""The tokenizer, which vLLM 0.7 to 0.10 read from the adapter's directory and prefer to the model's own."""

EMBEDDINGS = (b"new_embeddings.safetensors", b"new_embeddings.bin")
"""Embeddings of added tokens, which vLLM read up to 0.11.2."""

MAX_ENTRIES = 10_000
"""Entries of a directory or archive that are looked at."""

_CHUNK = 1 << 20  # bytes


class ArtifactError(CompleteError):
    """An artifact cannot be read or served; the text is one sentence for the operator, and says what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__("artifact_invalid", sentence, hint="correct what the message names, or bring another artifact")


class Listing(NamedTuple):
    """What lies in an artifact, be it a directory or an archive.

    :ivar files: sizes in bytes of the files that vLLM reads, by name, and names are bytes.
    :ivar refused: one sentence for each entry with such a name that is no such file, by name.
    :ivar others: relative names that vLLM does not read, as far as they tell what is wrong with the artifact.
    :ivar open: opens a file by its name for bytes, as a context that raises ``ArtifactError``.
    """

    files: dict
    refused: dict
    others: set
    open: Callable[[bytes], contextlib.AbstractContextManager[IO[bytes]]]


def names_that_vllm_reads(present: Collection[bytes]) -> list[bytes]:
    """Return which of the files in an adapter's directory some vLLM from 0.7 to 0.33 reads, in no special order."""
    weights = [name for name in (WEIGHTS, *PICKLES) if name in present]
    return [name for name in (CONFIG, *TOKENIZER) if name in present] + weights[:1]


def list_files(path: str) -> Listing:
    """Return what of a directory vLLM reads.

    :raises ArtifactError: when it cannot be read.
    """
    root = os.path.realpath(os.fsencode(path))
    _require_directory(root, path)
    listing = Listing({}, {}, set(), functools.partial(_open_file, path))
    try:
        names = (CONFIG, WEIGHTS, *PICKLES, *TOKENIZER, *EMBEDDINGS)
        listing.others.update(name for name in names if _is_there(os.path.join(root, name)))
        for name in names_that_vllm_reads(listing.others):
            listing.others.remove(name)
            _add(listing, root, name)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        listing.others.update(_telling_names(itertools.islice(entries, MAX_ENTRIES)))
    return listing


def _is_there(path):
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _telling_names(entries):
    """Yield where the weights may be, when they are not where vLLM looks for them."""
    for entry in entries:
        if entry.name.endswith(b".safetensors") and entry.name != WEIGHTS:
            yield entry.name
        elif entry.is_dir() and os.path.exists(os.path.join(entry.path, WEIGHTS)):
            yield os.path.join(entry.name, WEIGHTS)


def _require_directory(root, path):
    try:
        is_directory = stat.S_ISDIR(os.stat(root).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"There is no directory or archive {path} on this host.") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None
    if not is_directory:
        raise ArtifactError(f"{path} is not a directory: give the one that holds adapter_config.json.")


def _text(name):
    return name.decode("utf-8", "surrogateescape")


def _add(listing, root, name):
    problem = _link_problem(root, name)
    if not problem:
        # Links that stay inside are followed: a copy that resolves them is the same artifact.
        status = os.stat(os.path.join(root, name))
        if stat.S_ISREG(status.st_mode):
            listing.files[name] = status.st_size
            return
        problem = "is not a file: remove it"
    listing.refused[name] = f"{shown(_text(name))} {problem}."


def _link_problem(root, name):
    path = os.path.join(root, name)
    if not os.path.islink(path):
        return ""
    target = os.readlink(path)
    if not _stays(root, path, target):
        return f"is a symbolic link that leaves the directory, to {shown(_text(target))}: put the file itself there"
    if not os.path.exists(path):
        return f"is a symbolic link to {shown(_text(target))}, which does not exist: put the file itself there"
    if os.path.isdir(path):
        return "is a symbolic link to a directory: put the files themselves there"
    return ""


def _stays(root, path, target):
    """Whether a link leads to a file of its directory, or of the Hugging Face cache that the directory belongs to."""
    # An absolute link, and one that leaves and comes back, break when the directory is renamed or mounted elsewhere.
    if os.path.isabs(target):
        return False
    real = os.path.realpath(path)
    if os.path.normpath(target).split(b"/")[0] != b"..":
        return real.startswith(os.path.join(root, b""))
    # <cache>/models--<organisation>--<name>/snapshots/<commit> holds links to ../../blobs/<hash>.
    repository, _snapshots, commit = root.rpartition(b"/snapshots/")
    return (
        bool(commit)
        and os.path.basename(repository).startswith(b"models--")
        and os.path.dirname(real) == os.path.join(repository, b"blobs")
        and os.path.normpath(os.path.join(root, target)) == real
    )


@contextlib.contextmanager
def _open_file(path, name):
    try:
        # Without O_NONBLOCK, a pipe that took the place of the file since it was listed would block for ever.
        descriptor = os.open(os.path.join(os.fsencode(path), name), os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb", buffering=0) as stream:
            yield stream
    except OSError as error:
        raise ArtifactError(f"{shown(_text(name))} cannot be read: {error.strerror}.") from None


def digest_files(listing: Listing) -> str:
    """Return the digest of the listed files, ``sha256:`` and 64 hexadecimal digits.

    It is the SHA-256 of what ``sha256sum`` prints for these files, in the order of their names' bytes.

    :raises ArtifactError: when a file cannot be read.
    """
    # Read in the order of the listing, which is the one that a compressed archive can be read in without going back.
    hashes = {name: _file_hash(listing, name) for name in listing.files}
    manifest = hashlib.sha256()
    for name in sorted(hashes):
        manifest.update(hashes[name].encode() + b"  " + name + b"\n")
    return "sha256:" + manifest.hexdigest()


def _file_hash(listing, name):
    content, count = hashlib.sha256(), 0
    with listing.open(name) as stream:
        for chunk in chunks(stream):
            count += len(chunk)
            content.update(chunk)
    if count != listing.files[name]:
        raise ArtifactError(f"{shown(_text(name))} changed while it was read: try again.")
    return content.hexdigest()


def chunks(stream: IO[bytes]) -> Iterator[memoryview]:
    """Yield the bytes of a stream in pieces, each valid until the next."""
    buffer = memoryview(bytearray(_CHUNK))
    for length in iter(lambda: stream.readinto(buffer), 0):
        yield buffer[:length]


def directory_digest(path: str) -> str:
    """Return the digest of a directory, as ``digest_files()`` does of its files.

    ``sha256sum`` of the files that vLLM reads, named in the order of their bytes and piped to ``sha256sum``, prints the
    same digits.

    :raises ArtifactError: when an entry is not a file of the artifact, or cannot be read.
    """
    listing = list_files(path)
    if listing.refused:
        raise ArtifactError(" ".join(listing.refused.values()))
    return digest_files(listing)
