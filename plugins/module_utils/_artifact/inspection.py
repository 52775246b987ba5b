# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this directory or archive a LoRA adapter that vLLM can load? Read from the files alone, with no tensor data in memory."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from .._errors import invalid_option, quoted
from .archive import archive_checksum, open_archive
from .config import MAX_CONFIG, config_problems, declared, parse_config
from .files import CONFIG, EMBEDDINGS, PICKLES, WEIGHTS, ArtifactError, Listing, digest_files, list_files, shown
from .safetensors import HeaderError, read_header
from .weights import weight_problems

MAX_PROBLEMS = 50
"""Sentences in one result."""

_EMBEDDINGS_PROBLEM = (
    "{} holds embeddings of added tokens, which vLLM 0.12 and later do not read: add the tokens to the base model, and "
    "train the adapter for that."
)
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


def inspect_artifact(
    path: str, max_rank=None, base_model=None, checksum=None, allow_pickle: bool = False, max_size=None
) -> dict:
    """Return what the directory or archive ``path`` holds, and all that keeps vLLM from serving it as it was trained.

    The result has ``valid`` (bool), ``problems`` (sentences), ``digest`` (``sha256:`` and 64 digits, None when not all
    files that vLLM reads can be read), ``size`` (bytes of these), ``rank`` (int), ``peft_type``, ``base_model_name_or_path`` (str) and
    ``target_modules`` (list); the last four are None when the config does not declare them.

    :param max_rank: the server's ``--max-lora-rank``; None for any.
    :param base_model: name or path of the model that the adapter must be for; None for any.
    :param checksum: the digest that the files must have, or the SHA-256 of the archive; None for any.
    :param allow_pickle: accept weights that vLLM reads by unpickling, and that cannot be checked here.
    :param max_size: bytes that these files may have together, or all members of an archive; None for any.
    :raises VllmError: ``invalid_request`` when an option makes no sense. What lies in the directory never raises.
    """
    _check_options(path, max_rank, base_model, checksum)
    result = {"valid": False, "digest": None, "size": 0, **declared({})}
    problems: list = []
    try:
        with open_artifact(path, max_size) as listing:
            problems += listing.refused.values()
            result["size"] = sum(listing.files.values())
            if not listing.refused:
                result["digest"] = _try(problems, digest_files, listing)
            if checksum is not None:
                problems += _checksum_problems(checksum.lower(), result["digest"], path)
            config = _try(problems, _read_config, listing)
            if config is not None:
                result.update(declared(config))
                clauses = config_problems(config, max_rank, base_model)
                problems += [f"adapter_config.json: {clause}" for clause in clauses]
            problems += _try(problems, _weight_problems, listing, config, result["rank"], allow_pickle) or []
            problems += [_EMBEDDINGS_PROBLEM.format(name.decode()) for name in EMBEDDINGS if name in listing.others]
    except ArtifactError as error:
        problems.append(str(error))
    return {**result, "valid": not problems, "problems": _shortened(problems)}


@contextlib.contextmanager
def open_artifact(path: str, max_size=None) -> Iterator[Listing]:
    """Yield the files that vLLM reads of a directory or archive.

    :param max_size: bytes that these files may have together, or all members of an archive; None for any.
    :raises ArtifactError: when they cannot be listed.
    """
    if os.path.isfile(path):
        with open_archive(path, max_size) as listing:
            yield listing
    else:
        listing = list_files(path)
        if max_size is not None and sum(listing.files.values()) > max_size:
            raise ArtifactError(f"{path} holds more than {max_size} bytes: raise max_size if that is right.")
        yield listing


def _check_options(path, max_rank, base_model, checksum):
    if not path or "\0" in path:
        raise invalid_option("path", "names nothing", "give the directory or archive of an adapter")
    if max_rank is not None and max_rank < 1:
        raise invalid_option("max_rank", f"is {max_rank}", "give 1 or more, or leave it out for any rank")
    if base_model is not None and not base_model.strip("/ "):
        raise invalid_option("base_model", "names no model", "leave it out when any model will do")
    if checksum is not None:
        checked_digest("checksum", checksum)


def checked_digest(option: str, value: str) -> str:
    """Return a digest that a user wrote, in lower case.

    :raises VllmError: ``invalid_request`` when it is none.
    """
    if not _CHECKSUM.fullmatch(value.lower()):
        raise invalid_option(option, f"is {quoted(value)}", "give 'sha256:' and 64 hexadecimal digits")
    return value.lower()


def _try(problems, read, *args):
    """Return what ``read`` returns; when it raises ``ArtifactError``, add that to ``problems`` and return None."""
    try:
        return read(*args)
    except ArtifactError as error:
        problems.append(str(error))
        return None


def _checksum_problems(checksum, digest, path):
    if digest is None:
        return [f"The checksum {checksum} cannot be compared, because not all files can be read."]
    if digest == checksum:
        return []
    if os.path.isfile(path):
        found = archive_checksum(path)
        if found == checksum:
            return []
        digest = f"{digest}, and the checksum of the archive {found}"
    return [f"The digest is {digest}, not {checksum}: these are not the files that were declared."]


def _shortened(problems):
    # One cause can have several effects, such as a file that can neither be hashed nor parsed.
    problems = list(dict.fromkeys(problems))
    more = len(problems) - MAX_PROBLEMS
    return problems if more <= 0 else [*problems[:MAX_PROBLEMS], f"There are {more} more problems."]


def _read_config(listing: Listing):
    if CONFIG in listing.refused:
        return None
    if CONFIG not in listing.files:
        raise ArtifactError("adapter_config.json is missing.")
    with listing.open(CONFIG) as stream:
        return parse_config(stream.read(MAX_CONFIG + 1))


def _weight_problems(listing: Listing, config, rank, allow_pickle):
    if WEIGHTS in listing.files:
        try:
            with listing.open(WEIGHTS) as stream:
                tensors = read_header(stream, listing.files[WEIGHTS])
        except HeaderError as error:
            return [f"adapter_model.safetensors {error}."]
        return [f"adapter_model.safetensors: {one}" for one in weight_problems(tensors, config or {}, rank is not None)]
    pickles = [name.decode() for name in PICKLES if name in listing.files]
    if pickles:
        problem = f"{pickles[0]} is a pickle, and loading that can run code: convert it to adapter_model.safetensors."
        return [] if allow_pickle else [problem]
    if any(name in listing.refused for name in (WEIGHTS, *PICKLES)):
        return []
    return ["adapter_model.safetensors is missing" + _where_else(listing.others)]


def _where_else(names):
    if any(re.fullmatch(rb"adapter_model-\d+-of-\d+\.safetensors", name) for name in names):
        return ": the weights are split into shards, which vLLM does not read, so save them as one file."
    folders = sorted(name.rpartition(b"/")[0] for name in names if name.endswith(b"/" + WEIGHTS))
    if not folders:
        return "."
    return f": there is one in {shown(folders[0].decode('utf-8', 'surrogateescape'))}, so give that directory."
