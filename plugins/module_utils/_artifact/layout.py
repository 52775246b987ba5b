# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads an artifact of a registry from an OCI image layout: a directory with ``oci-layout``, ``index.json`` and ``blobs``.

The layers are files, as ORAS and ModelPack write them, or tar archives. Nothing of a manifest is trusted but digests.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any, NamedTuple

from .archive import Member, archive_members, explain_damage, listing_of, vllm_files
from .files import EMBEDDINGS, ArtifactError, Listing, evidence_in, names_that_vllm_reads, refuse_deep, shown

LAYOUT, INDEX = "oci-layout", "index.json"
#: Bytes of a manifest, as registries limit it.
MAX_MANIFEST = 1 << 22
_MAX_LAYERS = 10_000
#: Indexes that lead to the manifest, and the manifest.
MAX_LEVELS = 3
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_NAMES = ("org.cncf.model.filepath", "org.opencontainers.image.title")
_UNPACK = "io.deis.oras.content.unpack"
_MODELPACK = "application/vnd.cncf.model."
# Parts of a model that vLLM never reads.
_NOT_WEIGHTS = tuple(_MODELPACK + kind for kind in ("doc.", "code.", "dataset."))
_TAR = re.compile(r"[.+]tar([.+](gzip|zstd))?$")
_ARCHIVE_NAME = re.compile(r"\.(tar|tar\.(gz|bz2|xz|zst)|tgz|zip)$")
_ZSTD = b"\x28\xb5\x2f\xfd"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REFERENCE = "vnd.docker.reference.type"


class Layer(NamedTuple):
    """A part of the artifact.

    :ivar name: of the file; None for a tar archive of files.
    """

    digest: str
    size: int
    name: str | None


def read_json(content: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object.

    :raises ArtifactError: if it is none.
    """
    try:
        text = content.decode("utf-8")
        refuse_deep(text)
        found = json.loads(text)
        if not isinstance(found, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError):
        raise ArtifactError(f"{what} is not JSON of an OCI manifest: use another artifact.") from None
    return found


def next_manifest(content: bytes) -> str | None:
    """Return the digest of the only manifest in an index, or None if this is a manifest itself.

    :raises ArtifactError: if it is neither, or the index has several manifests.
    """
    found = read_json(content, "The manifest")
    kind = found.get("mediaType") or (
        MANIFEST_TYPES[0] if "layers" in found else INDEX_TYPES[0] if "manifests" in found else None
    )
    if kind in MANIFEST_TYPES:
        return None
    if kind not in INDEX_TYPES:
        raise ArtifactError(
            f"The manifest has the media type {shown(kind)}, which is none of an OCI artifact: use another artifact."
        )
    listed = [_descriptor(one, "an entry of the index") for one in _list_in(found, "manifests")]
    # Builders add attestations, which hold no files.
    manifests = [one for one in listed if _REFERENCE not in _annotations(one)]
    if len(manifests) != 1:
        raise ArtifactError(f"The index has {len(manifests)} manifests: give the digest of the one to use.")
    return manifests[0]["digest"]


def layers_of(content: bytes) -> list[Layer]:
    """Return the layers of a manifest that can hold files of an adapter.

    :raises ArtifactError: if the manifest makes no sense.
    """
    found = read_json(content, "The manifest")
    layers = [_descriptor(one, "a layer") for one in _list_in(found, "layers")]
    if len(layers) > _MAX_LAYERS:
        raise ArtifactError(f"The manifest has more than {_MAX_LAYERS} layers: push only the adapter.")
    # The signature and its model card are documents to ModelPack.
    documents = evidence_in([_file_name(layer) for layer in layers])
    return [layer for layer in (_layer(one, documents) for one in layers) if layer]


def _named(descriptor: Mapping) -> str | None:
    annotations = _annotations(descriptor)
    return next((annotations[one] for one in _NAMES if isinstance(annotations.get(one), str)), None)


def _file_name(descriptor: Mapping) -> bytes:
    return os.path.basename(_named(descriptor) or "").encode("utf-8", "surrogatepass")


def _layer(descriptor: Mapping, documents: Collection[bytes]) -> Layer | None:
    kind = descriptor.get("mediaType")
    kind = kind if isinstance(kind, str) else ""
    annotations, name = _annotations(descriptor), _named(descriptor)
    if kind.startswith(_NOT_WEIGHTS) and _file_name(descriptor) not in documents:
        return None
    form = _TAR.search(kind)
    is_tar = form is not None
    # ORAS calls a single file an uncompressed archive, by default. Directories that it packs are compressed, or marked.
    if form and not form.group(1) and name is not None and not kind.startswith(_MODELPACK):
        is_tar = annotations.get(_UNPACK) == "true"
    if name is not None and _ARCHIVE_NAME.search(name):
        is_tar = True
    if name is None and not is_tar:
        problem = f"A layer has the media type {shown(kind)} and no file name: "
        raise ArtifactError(problem + "push the files with a client that names them, such as oras or modctl.")
    return Layer(descriptor["digest"], descriptor["size"], None if is_tar else name)


def _list_in(found: Mapping, key: str) -> list:
    listed = found.get(key)
    if not isinstance(listed, list):
        raise ArtifactError(f"The manifest has no list of {key}: use another artifact.")
    return listed


def _descriptor(found: object, what: str) -> dict:
    if isinstance(found, dict):
        size, digest = found.get("size"), found.get("digest")
        is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 0
        if is_size and isinstance(digest, str) and _DIGEST.fullmatch(digest):
            return found
    raise ArtifactError(f"The manifest has {what} without size and sha256 digest: use another artifact.")


def _annotations(descriptor: Mapping) -> Mapping:
    found = descriptor.get("annotations")
    return found if isinstance(found, dict) else {}


def blob_path(layout: str, digest: str) -> str:
    """Return the file of a blob in a layout."""
    return os.path.join(layout, "blobs", *digest.split(":"))


def wanted_layers(layout: str, layers: list[Layer], max_size: int | None) -> list[Layer]:
    """Return the layers that hold files which vLLM reads, or a signature of them. The tar archives among the layers are in the layout.

    :raises ArtifactError: if there is a member that is refused, or no adapter.
    """
    with contextlib.ExitStack() as opened, explain_damage("The layers"):
        files = vllm_files(_members(layout, layers, opened), max_size)
    if not files:
        raise ArtifactError("The manifest names no file of an adapter: use another artifact.")
    wanted = (*names_that_vllm_reads(files), *EMBEDDINGS, *evidence_in(files))
    read = {files[name].name for name in wanted if name in files}
    return [layer for layer in layers if layer.name in read]


def is_layout(path: str) -> bool:
    """Return whether a directory is an OCI image layout."""
    return os.path.isfile(os.path.join(path, LAYOUT)) and os.path.isfile(os.path.join(path, INDEX))


@contextlib.contextmanager
def open_layout(path: str, max_size: int | None = None) -> Iterator[Listing]:
    """Yield the files that vLLM reads of the adapter in an OCI image layout.

    :param max_size: the most bytes that all files may have together; None for any.
    :raises ArtifactError: if it is damaged, or a member is refused.
    """
    with contextlib.ExitStack() as opened:
        with explain_damage(path):
            layers = layers_of(manifest_of(path))
            files = vllm_files(_members(path, layers, opened), max_size)
        yield listing_of(path, files)


def manifest_of(path: str) -> bytes:
    """Return the manifest that a layout holds.

    :raises ArtifactError: if it has none, or several.
    """
    with open(os.path.join(path, INDEX), "rb") as stream:
        content = stream.read(MAX_MANIFEST + 1)
    for _level in range(MAX_LEVELS + 1):
        digest = next_manifest(content)
        if digest is None:
            return content
        content = _read_blob(path, digest)
    raise too_many_levels()


def too_many_levels() -> ArtifactError:
    """Return the error for indexes that lead to indexes."""
    return ArtifactError(f"There is no manifest after {MAX_LEVELS} indexes: give the digest of the manifest.")


def _read_blob(path: str, digest: str) -> bytes:
    with open(blob_path(path, digest), "rb") as stream:
        content = stream.read(MAX_MANIFEST + 1)
    if "sha256:" + hashlib.sha256(content).hexdigest() != digest:
        raise ArtifactError(f"The manifest {digest} in {path} is damaged: copy it again.")
    return content


def _members(layout: str, layers: list[Layer], opened: contextlib.ExitStack) -> Iterator[Member]:
    for layer in layers:
        blob = blob_path(layout, layer.digest)
        if layer.name is not None:
            yield Member(layer.name, layer.size, False, functools.partial(_open_blob, blob))
            continue
        with open(blob, "rb") as stream:
            # From Python 3.14 on, tarfile reads it.
            if stream.read(4) == _ZSTD and sys.version_info < (3, 14):
                raise ArtifactError(
                    "A layer is compressed by zstd, which this Python cannot read: push it as tar+gzip."
                )
        yield from archive_members(blob, opened)


def _open_blob(path: str) -> IO[bytes]:
    return io.FileIO(path)
