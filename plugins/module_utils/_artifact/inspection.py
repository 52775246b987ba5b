# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks whether vLLM can load a directory or archive as a LoRA adapter, without tensor data in memory."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .._adapters.revocation import revoked_digests
from .._adapters.values import checked_digest
from .._errors import invalid_option
from .archive import archive_checksum, open_archive
from .config import MAX_CONFIG, config_facts, config_problems, parse_config
from .digest import digest_of, hash_files
from .files import CONFIG, EMBEDDINGS, PICKLES, WEIGHTS, ArtifactError, Listing, list_files, shown
from .layout import is_layout, open_layout
from .safetensors import HeaderError, read_header
from .trust import Policy, policy_for, read_trust
from .weights import weight_problems

if TYPE_CHECKING:
    from .examination import Examination

_T = TypeVar("_T")

MAX_PROBLEMS = 50
"""The largest number of problems in one result."""

_EMBEDDINGS_PROBLEM = (
    "{} holds embeddings of added tokens, which vLLM 0.12 and later do not read: add the tokens to the base model, and "
    "train the adapter for it."
)


def inspect_artifact(
    path: str,
    max_rank: int | None = None,
    base_model: str | None = None,
    checksum: str | None = None,
    allow_pickle: bool = False,
    max_size: int | None = None,
    trust: object = None,
    revoked: object = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Return the facts about a directory or archive, and all that prevents vLLM from serving it as it was trained.

    The result has ``valid`` (bool), ``problems`` (sentences), ``digest`` (``sha256:`` and 64 digits, None if a file that
    vLLM reads cannot be read), ``size`` (bytes of these files), ``rank`` (int), ``peft_type``, ``base_model_name_or_path``
    (str) and ``target_modules`` (list). The last four are None if the config does not have them. ``code`` is that of the
    error for these problems, None if there are none. ``signature`` is the verdict on the signature, None without a policy.

    :param max_rank: the server's ``--max-lora-rank``; None for any.
    :param base_model: name or path of the model that the adapter must be for; None for any.
    :param checksum: the digest that the files must have, or the SHA-256 of the archive; None for any.
    :param allow_pickle: accept weights that vLLM reads by unpickling. They are not checked.
    :param max_size: the most bytes that these files, or all members of an archive, may have together; None for any.
    :param trust: the policy of trust, as ``read_trust()`` takes it, with the text of its keys; None to trust any.
    :param revoked: digests that the files must not have.
    :param name: of the adapter, for the policy.
    :raises VllmError: ``invalid_request`` if an option makes no sense, or ``cryptography_missing``. The content of the
        artifact never raises.
    """
    _check_options(path, max_rank, base_model, checksum)
    policy, banned = policy_for(name or "", read_trust("trust", trust)), revoked_digests("revoked", revoked)
    result = {"valid": False, "digest": None, "size": 0, **config_facts({}), "signature": None}
    problems: list[str] = []
    is_revoked = False
    try:
        with open_artifact(path, max_size) as listing:
            problems += listing.refused.values()
            result["size"] = sum(listing.files.values())
            examination = _examination(policy, listing) if policy else None
            feeds = [examination.feed] if examination else []
            hashes = None if listing.refused else _try(problems, hash_files, listing, *feeds)
            if hashes is not None:
                result["digest"] = digest_of(hashes)
                is_revoked = result["digest"] in banned
            if checksum is not None:
                problems += _checksum_problems(checksum.lower(), result["digest"], path)
            config = _try(problems, _read_config, listing)
            if config is not None:
                result.update(config_facts(config))
                problems += [f"adapter_config.json: {one}" for one in config_problems(config, max_rank, base_model)]
            problems += _try(problems, _weight_problems, listing, config, result["rank"], allow_pickle) or []
            problems += [_EMBEDDINGS_PROBLEM.format(one.decode()) for one in EMBEDDINGS if one in listing.others]
            if examination:
                result["signature"] = examination.verdict(hashes, result["base_model_name_or_path"])
    except ArtifactError as error:
        problems.append(str(error))
    return {**result, **_judged(problems, result, is_revoked)}


def _examination(policy: Policy, listing: Listing) -> Examination:
    # Only a policy needs the library cryptography, which takes time and memory to load, and which a host may not have.
    from .examination import Examination

    return Examination(policy, listing)


def _judged(problems: list[str], result: dict[str, Any], is_revoked: bool) -> dict[str, Any]:
    """Return ``valid``, ``problems`` and ``code``. The most serious problem comes first, and gives the code."""
    code, first = ("artifact_invalid" if problems else None), []
    signature = result["signature"]
    if signature and signature["problem"] and signature["mode"] == "enforce":
        code, first = "untrusted", [signature["problem"]]
    if is_revoked:
        code = "revoked"
        first.insert(0, f"The digest {result['digest']} is revoked: use another version of the adapter.")
    found = _shortened([*first, *problems])
    return {"valid": not found, "problems": found, "code": code}


@contextlib.contextmanager
def open_artifact(path: str, max_size: int | None = None) -> Iterator[Listing]:
    """Yield the files of a directory, an archive or an OCI image layout that vLLM reads.

    :param max_size: as in ``inspect_artifact()``.
    :raises ArtifactError: if they cannot be listed.
    """
    if os.path.isfile(path):
        with open_archive(path, max_size) as listing:
            yield listing
    elif is_layout(path):
        with open_layout(path, max_size) as listing:
            yield listing
    else:
        listing = list_files(path)
        if max_size is not None and sum(listing.files.values()) > max_size:
            raise ArtifactError(f"{path} holds more than {max_size} bytes: raise max_size if this size is right.")
        yield listing


def _check_options(path: str, max_rank: int | None, base_model: str | None, checksum: str | None) -> None:
    if not path or "\0" in path:
        raise invalid_option("path", "is not a path", "give the directory or archive of an adapter")
    if max_rank is not None and max_rank < 1:
        raise invalid_option("max_rank", f"is {max_rank}", "give 1 or more, or leave it out for any rank")
    if base_model is not None and not base_model.strip("/ "):
        raise invalid_option("base_model", "names no model", "leave it out if the adapter may be for any model")
    if checksum is not None:
        checked_digest("checksum", checksum)


def _try(problems: list[str], read: Callable[..., _T], *args: object) -> _T | None:
    """Return the result of ``read``. If it raises ``ArtifactError``, add that to ``problems`` and return None."""
    try:
        return read(*args)
    except ArtifactError as error:
        problems.append(str(error))
        return None


def _checksum_problems(checksum: str, digest: str | None, path: str) -> list[str]:
    if digest is None:
        return [f"The checksum {checksum} cannot be compared, because some files cannot be read."]
    if digest == checksum:
        return []
    if os.path.isfile(path):
        found = archive_checksum(path)
        if found == checksum:
            return []
        digest = f"{digest}, and the checksum of the archive {found}"
    return [f"The digest is {digest}, not {checksum}: use the files that have this checksum, or correct the checksum."]


def _shortened(problems: Iterable[str]) -> list[str]:
    # One cause can have several effects, such as a file that can neither be hashed nor parsed.
    different = list(dict.fromkeys(problems))
    more = len(different) - MAX_PROBLEMS
    return different if more <= 0 else [*different[:MAX_PROBLEMS], f"There are {more} more problems."]


def _read_config(listing: Listing) -> dict[str, Any] | None:
    if CONFIG in listing.refused:
        return None
    if CONFIG not in listing.files:
        raise ArtifactError("adapter_config.json is missing.")
    with listing.open(CONFIG) as stream:
        return parse_config(stream.read(MAX_CONFIG + 1))


def _weight_problems(
    listing: Listing, config: dict[str, Any] | None, rank: int | None, allow_pickle: bool
) -> list[str]:
    if WEIGHTS in listing.files:
        try:
            with listing.open(WEIGHTS) as stream:
                tensors = read_header(stream, listing.files[WEIGHTS])
        except HeaderError as error:
            return [f"adapter_model.safetensors {error}."]
        return [f"adapter_model.safetensors: {one}" for one in weight_problems(tensors, config or {}, rank is not None)]
    pickles = [name.decode() for name in PICKLES if name in listing.files]
    if pickles:
        problem = f"{pickles[0]} is a pickle, and loading it can run code: convert it to adapter_model.safetensors."
        return [] if allow_pickle else [problem]
    if any(name in listing.refused for name in (WEIGHTS, *PICKLES)):
        return []
    return ["adapter_model.safetensors is missing" + _where_else(listing.others)]


def _where_else(names: Iterable[bytes]) -> str:
    if any(re.fullmatch(rb"adapter_model-\d+-of-\d+\.safetensors", name) for name in names):
        return ": the weights are split into shards, which vLLM does not read, so save them as one file."
    folders = sorted(name.rpartition(b"/")[0] for name in names if name.endswith(b"/" + WEIGHTS))
    if not folders:
        return "."
    return f": there is one in {shown(folders[0].decode('utf-8', 'surrogateescape'))}, so give that directory."
