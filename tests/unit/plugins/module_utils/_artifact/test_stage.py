# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staging artifacts, with faults at each step, and removing versions that no server lists."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._adapters.staged import folder_of
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import stage as staging
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.digest import directory_digest
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.files import ArtifactError
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.removal import LoraStore
from ansible_collections.sovereign.vllm.plugins.module_utils._artifact.store import version_directory
from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError

from tests.stand_in import write_adapter
from tests.support.archives import files_of, stage


def remove(store: Path, roots: list, keep: int = 0, check_mode: bool = False) -> list:
    options = {"store": str(store), "names": ["sql"], "roots": roots, "keep": keep}
    return LoraStore().run(options, check_mode)["removed"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_an_artifact_is_staged_under_its_digest_once(adapter: Path, store: Path) -> None:
    digest = directory_digest(str(adapter))
    first = stage(adapter, store, server_store="/adapters")
    assert first["path"] == f"{store}/sql/{digest[7:19]}"
    assert (first["changed"], first["staged"], first["digest"]) == (True, True, digest)
    assert first["server_path"] == f"/adapters/sql/{digest[7:19]}"
    assert files_of(Path(first["path"])) == files_of(adapter)
    assert stage(adapter, store)["changed"] is False


def test_check_mode_predicts_and_writes_nothing(adapter: Path, store: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    predicted = stage(adapter, store, check_mode=True)
    assert (predicted["changed"], predicted["staged"]) == (True, False)
    assert predicted["diff"]["after"] == predicted["path"] + "\n"
    assert sorted(tmp_path.rglob("*")) == before
    assert stage(adapter, store)["path"] == predicted["path"]
    assert stage(adapter, store, check_mode=True)["changed"] is False


def test_other_bytes_have_another_path_and_the_first_stay(adapter: Path, store: Path) -> None:
    old = stage(adapter, store)["path"]
    content = files_of(adapter)
    write_adapter(adapter, seed=2)
    new = stage(adapter, store)
    assert new["changed"] and new["path"] != old
    assert files_of(Path(old)) == content
    assert new["diff"]["before"] == f"{old}\n"


def test_a_changed_version_is_refused_and_not_overwritten(adapter: Path, store: Path) -> None:
    path = Path(stage(adapter, store)["path"])
    (path / "adapter_config.json").write_text("{}", encoding="utf-8")
    for check_mode in (False, True):
        with pytest.raises(VllmError, match="was changed after it was staged") as raised:
            stage(adapter, store, check_mode)
        assert raised.value.code == "store_error"
    assert (path / "adapter_config.json").read_text(encoding="utf-8") == "{}"


NAMES = ["acme/sql", "..", ".", "../../etc", "/etc", ".hidden", "a b", "größe", "a%2Fb", "x\n", "\\", "名前", "a=b,c"]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leaves_the_store(adapter: Path, store: Path, name: str) -> None:
    path = Path(stage(adapter, store, name=name)["path"])
    assert path.parent.parent == store
    assert os.path.realpath(path) == str(path)
    assert str(path.relative_to(store)).isascii()


def test_no_two_names_share_a_directory() -> None:
    names = [*NAMES, "acme%2Fsql", "%2E.", "%2Ehidden", "A b", "sql", "Sql"]
    assert len({folder_of(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["", "x" * 256, "ü" * 50])
def test_a_name_that_no_directory_can_have(adapter: Path, store: Path, name: str) -> None:
    with pytest.raises(VllmError, match=r"^Option name .*; give the adapter another name") as raised:
        stage(adapter, store, name=name)
    assert raised.value.code == "invalid_request"
    assert not store.exists()


def test_a_full_disk_leaves_nothing(adapter: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        VllmError, match=r"cannot be written: No space left on device; check that the disk has room"
    ) as raised:
        stage(adapter, store)
    assert raised.value.code == "store_error"
    assert [file.name for file in (store / "sql").iterdir()] == [".lock"]


def test_a_store_that_is_a_file(adapter: Path, store: Path) -> None:
    store.touch()
    with pytest.raises(VllmError, match=f"{store}/?.* cannot be written"):
        stage(adapter, store)


def test_a_source_that_changes_during_the_copy_is_not_staged(
    adapter: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = staging._copy

    def change_and_copy(*arguments: object) -> None:
        write_adapter(adapter, seed=9)
        copy(*arguments)

    monkeypatch.setattr(staging, "_copy", change_and_copy)
    with pytest.raises(ArtifactError, match="changed while it was read"):
        stage(adapter, store)
    assert [file.name for file in (store / "sql").iterdir()] == [".lock"]


AT_ONCE = """
    from pathlib import Path
    from tests.support.archives import stage
    print(stage(Path({adapter!r}), Path({store!r}))["changed"])
"""
KILLED = """
    import os, signal
    from pathlib import Path
    from ansible_collections.sovereign.vllm.plugins.module_utils._artifact import stage as staging
    from tests.support.archives import stage
    staging.{step} = lambda *arguments: os.kill(os.getpid(), signal.SIGKILL)
    stage(Path({adapter!r}), Path({store!r}))
"""


def environment() -> dict:
    path = os.pathsep.join([os.environ["ANSIBLE_COLLECTIONS_PATH"], str(Path(__file__).parents[5])])
    return {**os.environ, "PYTHONPATH": path}


@pytest.mark.parametrize("step", ["_copy_file", "directory_digest", "_sync"])
def test_after_a_kill_the_next_run_has_a_clean_store(adapter: Path, store: Path, step: str) -> None:
    script = textwrap.dedent(KILLED).format(step=step, adapter=str(adapter), store=str(store))
    done = subprocess.run([sys.executable, "-c", script], env=environment(), check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list((store / "sql").glob(".staging-*"))
    target = Path(version_directory(str(store), "sql", directory_digest(str(adapter))))
    assert not target.exists()
    assert stage(adapter, store)["changed"]
    assert sorted(file.name for file in (store / "sql").iterdir()) == [".lock", target.name]
    assert files_of(target) == files_of(adapter)


def test_leftovers_are_removed_if_nothing_is_staged(adapter: Path, store: Path) -> None:
    digest = stage(adapter, store)["digest"]
    for options in ({}, {"src": None, "digest": digest}):
        (store / "sql" / ".staging-abc").mkdir()
        assert stage(adapter, store, **options)["changed"] is False
        assert not (store / "sql" / ".staging-abc").exists()


@pytest.mark.parametrize("digest", ["sha256:../../../../tmp/x", "sha256:", "", "md5:" + 64 * "0", 64 * "0"])
def test_a_digest_is_no_path(store: Path, digest: str) -> None:
    with pytest.raises(VllmError, match=r"^Option digest is .*; give 'sha256:' and 64 hexadecimal digits"):
        stage(None, store, digest=digest)


def test_two_runs_at_once_stage_an_artifact_once(adapter: Path, store: Path) -> None:
    script = textwrap.dedent(AT_ONCE).format(adapter=str(adapter), store=str(store))
    command = [sys.executable, "-c", script]
    runs = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) for _run in range(3)]
    assert sorted(run.communicate()[0].strip() for run in runs) == [b"False", b"False", b"True"]


@pytest.fixture
def versions(adapter: Path, store: Path) -> list[str]:
    """Four versions, the oldest first."""
    paths = []
    for seed in range(4):
        paths.append(stage(write_adapter(adapter, seed=seed), store)["path"])
        os.utime(paths[-1], (seed, seed))
    return paths


def test_listed_and_newest_versions_are_kept(versions: list[str], store: Path) -> None:
    before = sorted(store.rglob("*"))
    assert remove(store, [versions[0]], keep=1, check_mode=True) == versions[1:3]
    assert sorted(store.rglob("*")) == before
    assert remove(store, [versions[0]], keep=1) == versions[1:3]
    assert [Path(path).exists() for path in versions] == [True, False, False, True]
    assert remove(store, [versions[0]], keep=1) == []


def test_a_version_is_listed_under_any_path_of_the_store(versions: list[str], store: Path) -> None:
    def tail(path: str) -> str:
        return "/".join(path.split("/")[-2:])

    roots = [f"/adapters/{tail(versions[0])}/", f"//mnt/../x/{tail(versions[1])}", f"{versions[2]}/sub"]
    assert remove(store, roots) == [versions[3]]


def test_a_version_that_is_staged_again_is_the_newest(versions: list[str], adapter: Path, store: Path) -> None:
    stage(write_adapter(adapter, seed=0), store)
    assert remove(store, [], keep=1) == versions[1:]


def test_only_versions_are_removed(versions: list[str], store: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (store / "sql" / "0123456789ab").symlink_to(tmp_path / "elsewhere")
    (store / "sql" / "notes").mkdir()
    (store / "sql" / "abcdefabcdef").write_text("a file", encoding="utf-8")
    (store / "other" / "0123456789ab").mkdir(parents=True)
    assert sorted(remove(store, [])) == sorted(versions)
    left = sorted(str(path.relative_to(store)) for path in store.rglob("*"))
    assert left == [
        "other",
        "other/0123456789ab",
        "sql",
        "sql/.lock",
        "sql/0123456789ab",
        "sql/abcdefabcdef",
        "sql/notes",
    ]
    assert (tmp_path / "elsewhere").exists()


def test_links_inside_an_artifact_become_files(adapter: Path, store: Path) -> None:
    (adapter / "real").symlink_to("adapter_config.json")
    (adapter / "vocab.json").symlink_to("real")
    path = Path(stage(adapter, store)["path"])
    assert stat.S_ISREG((path / "vocab.json").lstat().st_mode)


def test_a_store_must_be_absolute(adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    for options in ({"store": "lora"}, {"store": str(tmp_path / "lora"), "server_store": "inside"}):
        with pytest.raises(VllmError, match="which is not absolute"):
            stage(adapter, **options)
    with pytest.raises(VllmError, match="which is not absolute"):
        remove(Path("lora"), [])
    assert sorted(tmp_path.iterdir()) == before
