# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an artifact that vLLM reads, and their digest."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import IO, Any, NamedTuple, NoReturn

from .._errors import CompleteError

_LONGEST_NUMBER = 20  # digits of 2**64, the largest number in a safetensors header
_LONGEST_INTEGER = 4300  # digits of the longest integer that Python 3.11 and later take
_LONGEST_QUOTE = 120
_MOST_LEVELS = 500
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("it names the same key twice")
    return members


def _bounded_integer(digits: str, longest: int = _LONGEST_INTEGER) -> int:
    # Before 3.11, Python needs many seconds to convert a million digits.
    if len(digits) > longest:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _short_integer(digits: str) -> float:
    # To the safetensors library, -0 is not an integer.
    return -0.0 if digits == "-0" else _bounded_integer(digits, _LONGEST_NUMBER)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not JSON")


def refuse_deep(text: str, start: int = 0) -> None:
    """Raise ``ValueError`` if the JSON value that begins at ``start`` has too many levels.

    The decoder would reach Python's recursion limit, from which Python 3.8 cannot always recover: it aborts the process.
    """
    depth = 0
    for token in _NESTING.finditer(text, start):
        if token.group() in ("[", "{"):
            depth += 1
            if depth > _MOST_LEVELS:
                raise ValueError(f"it has more than {_MOST_LEVELS} levels")
        elif token.group() in ("]", "}"):
            depth -= 1
        if depth <= 0:
            return


def strict_decoder() -> json.JSONDecoder:
    """Return a decoder that refuses duplicate keys, ``NaN`` and endless numbers with ``ValueError``. See ``refuse_deep``."""
    return json.JSONDecoder(object_pairs_hook=_unique_members, parse_int=_short_integer, parse_constant=_no_constant)


def config_decoder() -> json.JSONDecoder:
    """Return a decoder that takes every config that vLLM takes, also with ``NaN``, but refuses duplicate keys with
    ``ValueError``. See ``refuse_deep``."""
    return json.JSONDecoder(object_pairs_hook=_unique_members, parse_int=_bounded_integer)


def is_integer(value: object) -> bool:
    """Return whether the JSON value is an integer. To Python, true is an integer too."""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(value: object) -> str:
    """Return ``value`` for a message: in quotes, short, and without control characters."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "..."


CONFIG = b"adapter_config.json"
WEIGHTS = b"adapter_model.safetensors"
PICKLES = (b"adapter_model.bin", b"adapter_model.pt")
"""Weights that vLLM reads if there are none in safetensors format. It reads the second only if the first is missing."""

TOKENIZER = (
    b"added_tokens.json", b"chat_template.jinja", b"merges.txt", b"sentencepiece.bpe.model", b"special_tokens_map.json",
    b"spiece.model", b"tekken.json", b"tokenizer.json", b"tokenizer.model", b"tokenizer_config.json", b"vocab.json",
    b"vocab.txt",
)  # fmt: skip
"""The tokenizer. vLLM 0.7 to 0.10 read it from the adapter's directory and prefer it to that of the model."""

EMBEDDINGS = (b"new_embeddings.safetensors", b"new_embeddings.bin")
"""Embeddings of added tokens, which vLLM read up to 0.11.2."""

MAX_ENTRIES = 10_000
"""The largest number of entries that are read of a directory or archive."""

SIGNATURE = b"model.sig"
"""The signature of the files. Where there is one, it goes with them, and so does the model card."""

CARD = b"README.md"
"""The model card, which names the licence."""

EVIDENCE = (SIGNATURE, CARD)
"""The files that go with an artifact and are no part of its digest."""

_CHUNK = 1 << 20  # bytes


class ArtifactError(CompleteError):
    """An artifact cannot be read or served. The sentence tells the operator why, and what to do.

    :param code: ``artifact_invalid``, ``untrusted`` or ``revoked``.
    """

    def __init__(self, sentence: str, code: str = "artifact_invalid") -> None:
        super().__init__(code, sentence, hint=_HINTS[code])


_HINTS = {
    "artifact_invalid": "correct what the message names, or use another artifact",
    "untrusted": "use the artifact as it was signed, sign it with a trusted key, or correct the policy of trust",
    "revoked": "use another version of the adapter, or take its digest out of the revoked ones",
}


class Listing(NamedTuple):
    """The content of an artifact, which is a directory or an archive.

    :ivar files: name → size in bytes of each file that vLLM reads.
    :ivar refused: name → one sentence for each entry that has such a name and cannot be read as a file.
    :ivar others: relative names that vLLM does not read, if they help to explain what is wrong with the artifact.
    :ivar open: opens a file by its name, as a context that raises ``ArtifactError``.
    :ivar evidence: name → size of the signature and, if there is one, of the model card. vLLM does not read them.
    """

    files: dict[bytes, int]
    refused: dict[bytes, str]
    others: set[bytes]
    open: Callable[[bytes], contextlib.AbstractContextManager[IO[bytes]]]
    evidence: dict[bytes, int] = {}  # noqa: RUF012  # a field of a tuple, which nobody changes

    def require_files(self) -> None:
        """Raise ``ArtifactError`` if an entry is refused."""
        if self.refused:
            raise ArtifactError(" ".join(self.refused.values()))


def names_that_vllm_reads(present: Collection[bytes]) -> list[bytes]:
    """Return those of the files in an adapter's directory that any vLLM from 0.7 to 0.33 reads, in no special order."""
    weights = [name for name in (WEIGHTS, *PICKLES) if name in present]
    return [name for name in (CONFIG, *TOKENIZER) if name in present] + weights[:1]


def evidence_in(present: Collection[bytes]) -> list[bytes]:
    """Return the signature and the model card among the files in an adapter's directory, nothing if it is not signed."""
    return [name for name in EVIDENCE if name in present] if SIGNATURE in present else []


def list_files(path: str) -> Listing:
    """Return the files of a directory that vLLM reads.

    :raises ArtifactError: if the directory cannot be read.
    """
    root = os.path.realpath(os.fsencode(path))
    _require_directory(root, path)
    listing = Listing({}, {}, set(), functools.partial(_open_file, path), {})
    try:
        names = (CONFIG, WEIGHTS, *PICKLES, *TOKENIZER, *EMBEDDINGS)
        listing.others.update(name for name in names if _is_there(os.path.join(root, name)))
        for name in names_that_vllm_reads(listing.others):
            listing.others.remove(name)
            _add(listing, root, name)
        if _is_there(os.path.join(root, SIGNATURE)):
            _add_evidence(listing, root)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None
    with contextlib.suppress(OSError), os.scandir(root) as entries:
        listing.others.update(_telling_names(itertools.islice(entries, MAX_ENTRIES)))
    return listing


def _is_there(path: bytes) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _telling_names(entries: Iterable[os.DirEntry[bytes]]) -> Iterator[bytes]:
    """Yield names under which the weights may be, if vLLM does not find them under theirs."""
    for entry in entries:
        if entry.name.endswith(b".safetensors") and entry.name != WEIGHTS:
            yield entry.name
        elif entry.is_dir() and os.path.exists(os.path.join(entry.path, WEIGHTS)):
            yield os.path.join(entry.name, WEIGHTS)


def _require_directory(root: bytes, path: str) -> None:
    try:
        is_directory = stat.S_ISDIR(os.stat(root).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        raise ArtifactError(f"There is no directory or archive {path} on this host.") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from None
    if not is_directory:
        raise ArtifactError(f"{path} is not a directory: give the one that holds adapter_config.json.")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _add(listing: Listing, root: bytes, name: bytes) -> None:
    problem = _link_problem(root, name)
    if not problem:
        # A link that stays inside is followed: a copy that resolves it is the same artifact.
        status = os.stat(os.path.join(root, name))
        if stat.S_ISREG(status.st_mode):
            listing.files[name] = status.st_size
            return
        problem = "is not a file: remove it"
    listing.refused[name] = f"{shown(_text(name))} {problem}."


def _add_evidence(listing: Listing, root: bytes) -> None:
    for name in EVIDENCE:
        path = os.path.join(root, name)
        if os.path.isfile(path) and not _link_problem(root, name):
            listing.evidence[name] = os.stat(path).st_size


def _link_problem(root: bytes, name: bytes) -> str:
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


def _stays(root: bytes, path: bytes, target: bytes) -> bool:
    """Return whether a link leads to a file of its directory, or of the Hugging Face cache of the directory."""
    # An absolute link, or one that leaves and comes back, breaks when the directory is renamed or mounted elsewhere.
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
def _open_file(path: str, name: bytes) -> Iterator[IO[bytes]]:
    try:
        # Without O_NONBLOCK, a pipe that has replaced the listed file would block for ever.
        descriptor = os.open(os.path.join(os.fsencode(path), name), os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb", buffering=0) as stream:
            yield stream
    except OSError as error:
        raise ArtifactError(f"{shown(_text(name))} cannot be read: {error.strerror}.") from None


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the bytes of a stream in pieces."""
    # A pipe returns None if it is empty and a program holds it open.
    return iter(lambda: stream.read(_CHUNK) or b"", b"")
