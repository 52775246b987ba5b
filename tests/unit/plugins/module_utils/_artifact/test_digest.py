# SPDX-FileCopyrightText: Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of an artifact."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import digest_files, directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError, list_files
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.inspection import inspect_artifact

from tests.support.archives import stage
from tests.support.artifact_changes import WEIGHTS

COVERED = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tekken.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
]


def printed_by(command: str, directory: Path) -> str:
    done = subprocess.run(command, shell=True, cwd=directory, check=True, capture_output=True, text=True)
    return "sha256:" + done.stdout.split()[0]


def test_sha256sum_prints_the_same(adapter: Path) -> None:
    two = "sha256sum adapter_config.json adapter_model.safetensors | sha256sum"
    assert inspect_artifact(str(adapter))["digest"] == printed_by(two, adapter)
    for name in COVERED[2:]:
        (adapter / name).write_text(name, encoding="utf-8")
    (adapter / WEIGHTS).write_bytes(random.Random(0).getrandbits(40_000_000).to_bytes(5_000_000, "little"))
    found = printed_by(f"LC_ALL=C ls {' '.join(reversed(COVERED))} | xargs sha256sum | sha256sum", adapter)
    assert inspect_artifact(str(adapter))["digest"] == found


@pytest.mark.parametrize("page", ["docs/docsite/rst/artifacts_guide.rst", "plugins/modules/vllm_lora_artifact_info.py"])
def test_the_documentation_names_every_file_and_the_command(adapter: Path, page: str) -> None:
    text = (Path(__file__).parents[5] / page).read_text(encoding="utf-8")
    assert [name for name in [*COVERED, "adapter_model.bin", "adapter_model.pt"] if name not in text] == []
    assert "sha256sum adapter_config.json adapter_model.safetensors | sha256sum" in text


def test_two_downloads_and_two_clones_of_the_same_bytes(adapter: Path, tmp_path: Path) -> None:
    digest = directory_digest(str(adapter))
    for number in range(2):
        copy = adapter.with_name(f"download{number}")
        shutil.copytree(adapter, copy)
        metadata = copy / ".cache" / "huggingface" / "download" / f"{WEIGHTS}.metadata"
        metadata.parent.mkdir(parents=True)
        metadata.write_text(f"commit\netag\n{1764000000 + number}.5\n", encoding="utf-8")
        assert directory_digest(str(copy)) == digest
    git = "git -c user.name=a -c user.email=a@example.org -c init.defaultBranch=main"
    subprocess.run(f"{git} init -q && {git} add . && {git} commit -qm one", shell=True, cwd=adapter, check=True)
    for number in range(2):
        clone = tmp_path / f"clone{number}"
        subprocess.run(["git", "clone", "-q", str(adapter), str(clone)], check=True)
        assert directory_digest(str(clone)) == digest
        staged = stage(clone, tmp_path / "store")
        assert staged["changed"] is (number == 0)
    assert sorted(os.listdir(staged["path"])) == COVERED[:2]


def test_a_copy_has_the_same_digest(adapter: Path) -> None:
    before = directory_digest(str(adapter))
    copy = adapter.with_name("copy")
    shutil.copytree(adapter, copy)
    (copy / "empty folder").mkdir()
    for file in copy.rglob("*"):
        os.utime(file, (0, 0))
        file.chmod(0o700)
    assert directory_digest(f"{copy}/") == before


def test_a_copy_that_resolves_links_has_the_same_digest(adapter: Path) -> None:
    (adapter / "weights").mkdir()
    (adapter / "adapter_model.safetensors").rename(adapter / "weights" / "real")
    (adapter / "adapter_model.safetensors").symlink_to("weights/real")
    assert inspect_artifact(str(adapter))["problems"] == []
    shutil.copytree(adapter, adapter.with_name("copy"), symlinks=False)
    assert directory_digest(str(adapter.with_name("copy"))) == directory_digest(str(adapter))


@pytest.mark.parametrize("change", ["byte", "name", "more", "less"])
def test_any_change_of_the_files_changes_it(adapter: Path, change: str) -> None:
    vocabulary = adapter / "vocab.json"
    vocabulary.write_text("one", encoding="utf-8")
    before = directory_digest(str(adapter))
    if change == "byte":
        vocabulary.write_text("two", encoding="utf-8")
    elif change == "name":
        vocabulary.rename(adapter / "vocab.txt")
    elif change == "more":
        (adapter / "merges.txt").touch()
    else:
        vocabulary.unlink()
    assert directory_digest(str(adapter)) != before


def test_the_directory_itself_may_be_a_link(adapter: Path) -> None:
    adapter.with_name("current").symlink_to("adapter")
    assert inspect_artifact(str(adapter.with_name("current")))["digest"] == directory_digest(str(adapter))


def test_unreadable_files_have_no_digest(adapter: Path) -> None:
    (adapter / "vocab.txt").symlink_to("/etc/hostname")
    assert inspect_artifact(str(adapter))["digest"] is None
    with pytest.raises(ArtifactError, match=r"'vocab\.txt' is a symbolic link that leaves the directory"):
        directory_digest(str(adapter))


def test_checksum(adapter: Path) -> None:
    digest = directory_digest(str(adapter))
    assert inspect_artifact(str(adapter), checksum=digest.upper().replace("SHA", "sha"))["valid"]
    result = inspect_artifact(str(adapter), checksum="sha256:" + 64 * "0")
    assert not result["valid"]
    assert digest in result["problems"][0] and 64 * "0" in result["problems"][0]


def test_a_pipe_that_replaces_a_listed_file_does_not_block(adapter: Path) -> None:
    listing = list_files(str(adapter))
    (adapter / WEIGHTS).unlink()
    os.mkfifo(adapter / WEIGHTS)
    with pytest.raises(ArtifactError, match=f"'{WEIGHTS}' changed while it was read"):
        digest_files(listing)
