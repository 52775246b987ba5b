# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in the directory: links, pipes, odd names, missing and unreadable files, weights of another kind."""

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
from ansible_collections.sovereign.vllm.plugins.module_utils import _artifact_files
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import inspect_artifact

from tests.unit.artifact_changes import CONFIG, WEIGHTS, assert_problem, content, link, missing, saved_as
from tests.vllm_stand_in import write_adapter


def link_out_and_back(adapter: Path) -> None:
    (adapter / "spare").symlink_to(f"../{adapter.name}/{CONFIG}")


def absolute_link_inside(adapter: Path) -> None:
    (adapter / "spare").symlink_to(adapter / CONFIG)


def link_to_directory(adapter: Path) -> None:
    (adapter / "folder").mkdir()
    (adapter / "link").symlink_to("folder")


def socket_file(adapter: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(adapter / "socket"))


def odd_name(name: bytes) -> Callable[[Path], Any]:
    return lambda adapter: open(os.path.join(os.fsencode(adapter), name), "w").close()


LINK_LEAVES = "is a symbolic link that leaves the directory"
ODD_NAME = "has a name with a backslash, a control character or bytes that are not UTF-8"

CASES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no directory": (shutil.rmtree, "There is no directory or archive "),
    "a file": (lambda path: (shutil.rmtree(path), path.touch()), "is neither a directory nor a tar or zip archive"),
    "name with a newline": (odd_name(b"a\nb"), f"'a\\nb' {ODD_NAME}"),
    "name with a backslash": (odd_name(b"a\\b"), ODD_NAME),
    "name not UTF-8": (odd_name(b"\xff\xfe"), f"'\\udcff\\udcfe' {ODD_NAME}"),
    "pipe": (lambda adapter: os.mkfifo(adapter / "pipe"), "'pipe' is neither a file nor a directory"),
    "pipe for the config": (
        lambda adapter: ((adapter / CONFIG).unlink(), os.mkfifo(adapter / CONFIG)),
        f"'{CONFIG}' is neither a file nor a directory",
    ),
    "socket": (socket_file, "'socket' is neither a file nor a directory"),
    "absolute link": (link("extra", "/etc/hostname"), f"'extra' {LINK_LEAVES}, to '/etc/hostname'"),
    "relative link": (link("extra", "../../etc"), f"'extra' {LINK_LEAVES}"),
    "absolute link that stays": (absolute_link_inside, f"'spare' {LINK_LEAVES}"),
    "link out and back": (link_out_and_back, f"'spare' {LINK_LEAVES}"),
    "link to a device": (link(WEIGHTS, "/dev/zero"), f"'{WEIGHTS}' {LINK_LEAVES}"),
    "config is a link": (link(CONFIG, "/etc/hostname"), f"'{CONFIG}' {LINK_LEAVES}"),
    "dangling link": (link("extra", "nothing"), "'extra' is a symbolic link to 'nothing', which does not exist"),
    "link to itself": (link("extra", "extra"), "'extra' is a symbolic link to 'extra', which does not exist"),
    "link to a directory": (link_to_directory, "'link' is a symbolic link to a directory"),
    "no weights": (missing(WEIGHTS), f"{WEIGHTS} is missing."),
    "pickled weights": (saved_as("adapter_model.bin"), "adapter_model.bin is a pickle, and loading that can run code"),
    "old pickled weights": (saved_as("adapter_model.pt"), "adapter_model.pt is a pickle"),
    "a pickle beside": (content("adapter_model.bin", b"\x80\x02"), "can run code: remove it"),
    "shards": (saved_as("adapter_model-00001-of-00002.safetensors"), "the weights are split into shards"),
}


@pytest.mark.parametrize(("change", "problem"), CASES.values(), ids=CASES)
def test_a_clear_problem(tmp_path: Path, change: Callable[[Path], Any], problem: str) -> None:
    assert_problem(tmp_path / "adapter", change, problem)


def test_a_file_outside_is_not_read_through_two_links(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    (adapter / CONFIG).rename(tmp_path / "elsewhere.json")
    (adapter / CONFIG).symlink_to("spare")
    (adapter / "spare").symlink_to("../elsewhere.json")
    result = inspect_artifact(str(adapter))
    assert sorted(problem.split(":")[0] for problem in result["problems"]) == [
        f"'{CONFIG}' {LINK_LEAVES}, to 'spare'",
        f"'spare' {LINK_LEAVES}, to '../elsewhere.json'",
    ]
    assert result["peft_type"] is None


def test_an_empty_directory(tmp_path: Path) -> None:
    assert inspect_artifact(str(tmp_path))["problems"] == [f"{CONFIG} is missing.", f"{WEIGHTS} is missing."]


def test_a_directory_one_level_up(tmp_path: Path) -> None:
    write_adapter(tmp_path / "checkpoint-500")
    assert inspect_artifact(str(tmp_path))["problems"] == [
        f"{CONFIG} is missing.",
        f"{WEIGHTS} is missing: there is one in 'checkpoint-500', so give that directory.",
    ]


def test_a_directory_with_a_great_many_files_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_artifact_files, "MAX_ENTRIES", 10)
    adapter = write_adapter(tmp_path / "adapter")
    for number in range(8):
        (adapter / str(number)).touch()
    assert inspect_artifact(str(adapter))["valid"]
    (adapter / "folder").mkdir()
    result = inspect_artifact(str(adapter))
    assert result["problems"] == [f"{adapter} holds more than 10 files, so it is not the directory of an adapter."]
    assert result["digest"] is None


@pytest.fixture
def public_adapter() -> Iterator[Path]:
    """An adapter that everybody may read: the directories of pytest are private."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        adapter = write_adapter(Path(folder) / "adapter")
        (adapter / "note").touch()
        yield adapter
        adapter.chmod(0o755)


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything, so be somebody else."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield
    os.seteuid(user)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "note"])
def test_a_file_that_may_not_be_read(public_adapter: Path, name: str) -> None:
    (public_adapter / name).chmod(0)
    with nobody():
        result = inspect_artifact(str(public_adapter))
    assert result["problems"] == [f"{name!r} cannot be read: Permission denied."]
    assert result["digest"] is None


def test_a_directory_that_may_not_be_listed(public_adapter: Path) -> None:
    public_adapter.chmod(0o300)
    with nobody():
        result = inspect_artifact(str(public_adapter))
    assert result["problems"] == [f"{public_adapter} cannot be listed: Permission denied."]


def test_pickled_weights_are_taken_only_where_they_are_allowed(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    assert not inspect_artifact(str(adapter))["valid"]
    assert inspect_artifact(str(adapter), allow_pickle=True)["valid"]
