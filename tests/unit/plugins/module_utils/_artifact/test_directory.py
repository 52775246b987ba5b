# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories with links, pipes, odd names, missing and unreadable files, and weights of another kind."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import files
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.stand_in import write_adapter
from tests.support.archives import stage
from tests.support.artifact_changes import CONFIG, WEIGHTS, assert_problem, content, link, missing, saved_as


def link_out_and_back(adapter: Path) -> None:
    (adapter / SPARE).symlink_to(f"../{adapter.name}/{CONFIG}")


def absolute_link_inside(adapter: Path) -> None:
    (adapter / SPARE).symlink_to(adapter / CONFIG)


def link_to_directory(adapter: Path) -> None:
    (adapter / "folder").mkdir()
    (adapter / SPARE).symlink_to("folder")


def link_through_directory(adapter: Path) -> None:
    (adapter / "folder").symlink_to("/etc")
    (adapter / SPARE).symlink_to("folder/hostname")


def socket_file(adapter: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(adapter / SPARE))


# A file that some releases read and that is not needed.
SPARE = "tokenizer.json"
LINK_LEAVES = "is a symbolic link that leaves the directory"

CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no directory": (shutil.rmtree, "There is no directory or archive "),
    "a file": (lambda path: (shutil.rmtree(path), path.touch()), "is neither a directory nor a tar or zip archive"),
    "pipe": (lambda adapter: os.mkfifo(adapter / SPARE), f"'{SPARE}' is not a file: remove it."),
    "pipe for the config": (
        lambda adapter: ((adapter / CONFIG).unlink(), os.mkfifo(adapter / CONFIG)),
        f"'{CONFIG}' is not a file",
    ),
    "directory for the weights": (
        lambda adapter: ((adapter / WEIGHTS).unlink(), (adapter / WEIGHTS).mkdir()),
        f"'{WEIGHTS}' is not a file",
    ),
    "socket": (socket_file, f"'{SPARE}' is not a file"),
    "absolute link": (link(SPARE, "/etc/hostname"), f"'{SPARE}' {LINK_LEAVES}, to '/etc/hostname'"),
    "relative link": (link(SPARE, "../../etc"), f"'{SPARE}' {LINK_LEAVES}"),
    "absolute link that stays": (absolute_link_inside, f"'{SPARE}' {LINK_LEAVES}"),
    "link out and back": (link_out_and_back, f"'{SPARE}' {LINK_LEAVES}"),
    "link through a directory": (link_through_directory, f"'{SPARE}' {LINK_LEAVES}"),
    "link to a device": (link(WEIGHTS, "/dev/zero"), f"'{WEIGHTS}' {LINK_LEAVES}"),
    "config is a link": (link(CONFIG, "/etc/hostname"), f"'{CONFIG}' {LINK_LEAVES}"),
    "dangling link": (link(SPARE, "nothing"), f"'{SPARE}' is a symbolic link to 'nothing', which does not exist"),
    "link to itself": (link(SPARE, SPARE), f"'{SPARE}' is a symbolic link to '{SPARE}', which does not exist"),
    "link to a directory": (link_to_directory, f"'{SPARE}' is a symbolic link to a directory"),
    "no weights": (missing(WEIGHTS), f"{WEIGHTS} is missing."),
    "pickled weights": (saved_as("adapter_model.bin"), "adapter_model.bin is a pickle, and loading it can run code"),
    "old pickled weights": (saved_as("adapter_model.pt"), "adapter_model.pt is a pickle"),
    "shards": (saved_as("adapter_model-00001-of-00002.safetensors"), "the weights are split into shards"),
    "embeddings of added tokens": (
        content("new_embeddings.safetensors", b""),
        "new_embeddings.safetensors holds embeddings of added tokens, which vLLM 0.12 and later do not read",
    ),
    "pickled embeddings": (
        content("new_embeddings.bin", b"\x80"),
        "new_embeddings.bin holds embeddings of added tokens",
    ),
}


@pytest.mark.parametrize(("change", "problem"), CASES.values(), ids=CASES)
def test_a_clear_problem(tmp_path: Path, change: Callable[[Path], Any], problem: str) -> None:
    assert_problem(tmp_path / "adapter", change, problem)


def everything_else(adapter: Path) -> None:
    """Add files that downloaders, trainers and people leave in the directory of an adapter."""
    for name in (
        "README.md",
        "adapter_model.bin",
        "adapter_model.pt",
        "optimizer.pt",
        "training_args.bin",
        ".cache/huggingface/download/adapter_model.safetensors.metadata",
        ".git/config",
        "checkpoint-500/adapter_config.json",
        "checkpoint-500/adapter_model.safetensors",
    ):
        (adapter / name).parent.mkdir(parents=True, exist_ok=True)
        (adapter / name).write_text(name, encoding="utf-8")
    for name, target in {"out": "/etc", "loop": "loop", "gone": "nothing", "latest": "checkpoint-500"}.items():
        (adapter / name).symlink_to(target)
    os.mkfifo(adapter / "pipe")
    for name in (b"a\nb", b"a\\b", b"\xff\xfe"):
        open(os.path.join(os.fsencode(adapter), name), "w").close()


def test_files_that_vllm_does_not_read_are_ignored(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    before = inspect_artifact(str(adapter))
    everything_else(adapter)
    for allow_pickle in (False, True):
        assert inspect_artifact(str(adapter), allow_pickle=allow_pickle) == before
    staged = Path(stage(adapter, tmp_path / "store")["path"])
    assert sorted(os.listdir(staged)) == [CONFIG, WEIGHTS]
    (adapter / WEIGHTS).unlink()
    assert inspect_artifact(str(adapter))["problems"] == [
        "adapter_model.bin is a pickle, and loading it can run code: convert it to adapter_model.safetensors."
    ]
    staged = Path(stage(adapter, tmp_path / "store", allow_pickle=True)["path"])
    assert sorted(os.listdir(staged)) == [CONFIG, "adapter_model.bin"]


def test_a_file_outside_is_not_read_through_two_links(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    (adapter / CONFIG).rename(tmp_path / "elsewhere.json")
    (adapter / CONFIG).symlink_to("spare")
    (adapter / "spare").symlink_to("../elsewhere.json")
    result = inspect_artifact(str(adapter))
    assert result["problems"] == [f"'{CONFIG}' {LINK_LEAVES}, to 'spare': put the file itself there."]
    assert (result["peft_type"], result["digest"]) == (None, None)


def test_an_empty_directory(tmp_path: Path) -> None:
    assert inspect_artifact(str(tmp_path))["problems"] == [f"{CONFIG} is missing.", f"{WEIGHTS} is missing."]


def test_a_directory_one_level_up(tmp_path: Path) -> None:
    write_adapter(tmp_path / "checkpoint-500")
    assert inspect_artifact(str(tmp_path))["problems"] == [
        f"{CONFIG} is missing.",
        f"{WEIGHTS} is missing: there is one in 'checkpoint-500', so give that directory.",
    ]


def test_a_directory_with_a_great_many_files_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_ENTRIES", 10)
    adapter = write_adapter(tmp_path / "adapter")
    for number in range(1000):
        (adapter / str(number)).touch()
    assert inspect_artifact(str(adapter))["valid"]


@pytest.fixture
def public_adapter() -> Iterator[Path]:
    """An adapter that everyone may read. The directories of pytest are private."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        adapter = write_adapter(Path(folder) / "adapter")
        (adapter / SPARE).touch()
        yield adapter
        adapter.chmod(0o755)


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Run as another user if this is root, who may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, SPARE])
def test_a_file_that_may_not_be_read(public_adapter: Path, name: str) -> None:
    (public_adapter / name).chmod(0)
    with nobody():
        result = inspect_artifact(str(public_adapter))
    assert result["problems"] == [f"{name!r} cannot be read: Permission denied."]
    assert result["digest"] is None


def test_a_directory_that_may_not_be_entered(public_adapter: Path) -> None:
    public_adapter.chmod(0o600)
    with nobody():
        result = inspect_artifact(str(public_adapter))
    assert result["problems"] == [f"{public_adapter} cannot be read: Permission denied."]


def test_a_directory_that_may_not_be_listed_is_read_by_name(public_adapter: Path) -> None:
    public_adapter.chmod(0o711)
    with nobody():
        assert inspect_artifact(str(public_adapter))["problems"] == []


def test_pickled_weights_are_taken_only_where_they_are_allowed(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    assert not inspect_artifact(str(adapter))["valid"]
    assert inspect_artifact(str(adapter), allow_pickle=True)["valid"]
