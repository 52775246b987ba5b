# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the header of a safetensors file in bounded memory, without the tensor data.

The layout: eight bytes with the length of the header, little-endian; the header, a JSON object of tensors by name; the
data. The safetensors library accepts every file that this module accepts (compared with releases 0.6.2, the oldest that
vLLM 0.32 takes, and 0.8.0). It also accepts names that occur twice, which the format forbids, and entries of more than
WINDOW characters and more than MAX_TENSORS tensors, which this module refuses because its memory has a bound.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, cast

from .files import is_integer, refuse_deep, shown, strict_decoder

MAX_HEADER = 100_000_000  # bytes; the library's own limit
MAX_TENSORS = 200_000  # an adapter for every projection of 384 experts in 60 layers has 138,240
WINDOW = 1 << 20  # characters of the header that are in memory together

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8, "F8_E4M3": 8, "F8_E5M2": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64,
}  # fmt: skip
"""Size of one element by data type, in bits."""

_WHITE_SPACE = re.compile(r"[ \t\n\r]*")

_COPY = ": copy it again"
_EXPORT = ": export the adapter again"

# The first bytes of other files that are found under the name of a safetensors file.
_NOT_SAFETENSORS = (
    (b"PK\x03\x04", "it is a torch.save() file under another name, and loading it can run code"),
    (b"\x80", "it is a pickle under another name, and loading it can run code"),
    (b"version ", "it is a Git LFS pointer, so fetch the weights themselves with 'git lfs pull'"),
)


class HeaderError(Exception):
    """The file has no header, or contradicts it. The text says why, and follows the name of the file."""


class Tensor(NamedTuple):
    """Data type (a key of BITS) and shape of a tensor."""

    dtype: str
    shape: tuple[int, ...]


class _Header:
    """The members of the header's object, one after the other, from a window that slides over the file."""

    def __init__(self, stream: IO[bytes], length: int) -> None:
        self._stream, self._left = stream, length
        self._to_text = codecs.getincrementaldecoder("utf-8")().decode
        self._raw_decode = strict_decoder().raw_decode
        self._text, self._at = "", 0

    def _fill(self) -> None:
        while self._left and len(self._text) - self._at < WINDOW:
            piece = self._stream.read(min(self._left, WINDOW))
            if not piece:
                raise HeaderError("ends inside its header")
            self._left -= len(piece)
            self._text = self._text[self._at :] + self._to_text(piece, not self._left)
            self._at = 0

    def _next(self) -> str:
        """Return the next character that is not white space, without taking it. At the end it is empty."""
        while True:
            self._fill()
            # The expression also matches nothing.
            self._at = cast("re.Match[str]", _WHITE_SPACE.match(self._text, self._at)).end()
            if self._at < len(self._text) or not self._left:
                return self._text[self._at : self._at + 1]

    def _take(self, allowed: str) -> str:
        character = self._next()
        if not character or character not in allowed:
            raise ValueError(f"{shown(character)} where one of {allowed} belongs")
        self._at += 1
        return character

    def _value(self) -> Any:
        if self._next() in ("[", "{"):
            refuse_deep(self._text, self._at)
        value, self._at = self._raw_decode(self._text, self._at)
        return value

    def members(self) -> Iterator[tuple[str, Any]]:
        """Yield each name with its value."""
        self._take("{")
        separator = "," if self._next() != "}" else self._take("}")
        while separator == ",":
            name = self._value() if self._next() == '"' else self._take('"')
            self._take(":")
            yield name, self._value()
            separator = self._take(",}")
        if self._next():
            raise ValueError("more text after the last tensor")


def read_header(stream: IO[bytes], file_size: int) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name.

    :param stream: the file, opened for bytes, at its beginning.
    :param file_size: its length in bytes.
    :raises HeaderError: if there is no header, or if it contradicts the file.
    :raises OSError: as the stream does.
    """
    length = _header_length(stream.read(8), file_size)
    tensors: dict[str, Any] = {}
    alike: dict[Tensor, Tensor] = {}
    spans = _Spans()
    try:
        for name, value in _Header(stream, length).members():
            if name in tensors:
                raise HeaderError(f"has a header that names {shown(name)} twice{_EXPORT}")
            if name == "__metadata__":
                _check_metadata(value)
                tensors[name] = None
                continue
            tensor, begin, end = _parse_tensor(name, value)
            # Thousands of tensors have a few shapes: one object for each shape saves much memory.
            tensors[name] = alike.setdefault(tensor, tensor)
            spans.add(begin, end)
            if len(tensors) > MAX_TENSORS:
                raise HeaderError(f"has a header with more than {MAX_TENSORS} tensors")
    except ValueError:
        raise HeaderError(
            "has a header that is not the JSON table that safetensors writes, "
            f"with at most {WINDOW} characters a tensor{_EXPORT}"
        ) from None
    tensors.pop("__metadata__", None)
    spans.check(file_size - 8 - length)
    return tensors


def _header_length(prefix: bytes, file_size: int) -> int:
    if len(prefix) < 8:
        raise HeaderError(f"has {len(prefix)} bytes, too few for a safetensors file{_COPY}")
    length: int = struct.unpack("<Q", prefix)[0]
    if length <= min(MAX_HEADER, file_size - 8):
        return length
    for magic, explanation in _NOT_SAFETENSORS:
        if prefix.startswith(magic):
            raise HeaderError("is not a safetensors file: " + explanation)
    raise HeaderError(
        f"claims a header of {length} bytes in a file of {file_size}, and safetensors takes at most {MAX_HEADER}: it was "
        "cut off, or is not a safetensors file"
    )


def _check_metadata(value: Any) -> None:
    if value is not None and not (isinstance(value, dict) and all(isinstance(v, str) for v in value.values())):
        raise HeaderError("has a header whose __metadata__ is not a table of strings" + _EXPORT)


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(is_integer(size) and 0 <= size < 1 << 64 for size in value)


def _parse_tensor(name: str, value: Any) -> tuple[Tensor, int, int]:
    """Return a tensor, and the bytes of the data at which it begins and ends."""
    if not isinstance(value, dict):
        raise HeaderError(f"has a header in which {shown(name)} is not a description of a tensor{_EXPORT}")
    dtype, shape, offsets = (cast("Any", value.get(key)) for key in ("dtype", "shape", "data_offsets"))
    if not (isinstance(dtype, str) and dtype in BITS):
        raise HeaderError(f"holds {shown(name)} with the unknown data type {shown(dtype)}{_EXPORT}")
    if not _are_sizes(shape):
        raise HeaderError(f"holds {shown(name)} with {shown(shape)}, which is not a shape{_EXPORT}")
    if not (_are_sizes(offsets) and len(offsets) == 2 and offsets[0] <= offsets[1]):
        raise HeaderError(f"holds {shown(name)} with {shown(offsets)}, which are not data offsets{_EXPORT}")
    name.encode("utf-8")  # raises ValueError for half of a surrogate pair
    bits, length = BITS[dtype], offsets[1] - offsets[0]
    for size in shape:
        bits *= size
        if bits >= 1 << 64:
            raise HeaderError(f"holds {shown(name)} with the impossible shape {shown(shape)}{_EXPORT}")
    if bits != 8 * length:
        raise HeaderError(
            f"holds {shown(name)} with {length} bytes of data where shape {shown(shape)} of {dtype} needs "
            f"{(bits + 7) // 8}{_EXPORT}"
        )
    return Tensor(dtype, tuple(shape)), offsets[0], offsets[1]


class _Spans:
    """The bytes of the data that the tensors take: all of them, each once."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}
        self._empty: set[int] = set()

    def add(self, begin: int, end: int) -> None:
        if begin == end:
            self._empty.add(begin)
            return
        if begin in self._ends:
            raise HeaderError(f"has a header in which two tensors begin at byte {begin} of the data{_EXPORT}")
        self._ends[begin] = end

    def check(self, data_size: int) -> None:
        at = 0
        while at in self._ends:
            self._empty.discard(at)
            at = self._ends.pop(at)
        if self._ends or self._empty - {at}:
            raise HeaderError(
                f"has a header in which tensors overlap or leave a hole after byte {at} of the data{_EXPORT}"
            )
        if at != data_size:
            raise HeaderError(f"holds {data_size} bytes of data where its header describes {at}{_COPY}")
