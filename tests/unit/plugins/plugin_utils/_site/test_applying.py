# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bundles are refused, and that a run that is killed anywhere leaves a site that the next run completes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

if sys.version_info < (3, 10):
    pytest.skip("These run on the controller.", allow_module_level=True)

from ansible_collections.sovereign.vllm.plugins.module_utils._errors import VllmError
from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.layout import Layout, read_ledger, site_lock

from tests.support.killing import is_killed_at
from tests.support.sealed import NODE, SERIAL, artifact


def state(*directories: Path) -> dict[str, str]:
    """Every file below the directories, but for the lock."""
    files = (file for top in directories for file in top.rglob("*") if file.is_file() and file.name != "lock")
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def flip(bundle: Path, name: str) -> None:
    (file,) = bundle.rglob(name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def weights(bundle: Path) -> Path:
    return max(bundle.rglob("adapter_model.safetensors"))


def replace_by_link(bundle: Path) -> None:
    file = weights(bundle)
    shutil.move(file, bundle.parent / "elsewhere")
    file.symlink_to(bundle.parent / "elsewhere")


DAMAGES = {
    "flipped_weights": lambda bundle: flip(bundle, weights(bundle).relative_to(bundle).as_posix()),
    "flipped_declaration": lambda bundle: flip(bundle, "hosts.yml"),
    "longer": lambda bundle: weights(bundle).write_bytes(weights(bundle).read_bytes() + b"x"),
    "added_file": lambda bundle: (bundle / "site" / "more.yml").write_text("vllm:\n"),
    "added_directory": lambda bundle: (bundle / "empty").mkdir(),
    "missing_file": lambda bundle: weights(bundle).unlink(),
    "link": replace_by_link,
    "pipe": lambda bundle: os.mkfifo(bundle / "pipe"),
    "no_signature": lambda bundle: (bundle / "manifest.json.sig").unlink(),
    "no_manifest": lambda bundle: (bundle / "manifest.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_refused(
    damage: str, apply: Callable, make_bundle: Callable, servers: Any, site: Path, tmp_path: Path
) -> None:
    bundle = make_bundle()
    DAMAGES[damage](bundle)
    before = state(site, tmp_path / "store")
    with pytest.raises(VllmError) as error:
        apply(bundle)
    assert error.value.code == "bundle_damaged"
    assert (state(site, tmp_path / "store"), servers.asked) == (before, 0)
    assert not (tmp_path / "store").exists()


REFUSED = {
    "unknown_signer": ("untrusted", {"key": "stranger"}, {}),
    "other_node": ("bundle_of_other_node", {"node": "edge2"}, {}),
    "other_format": ("bundle_damaged", {"format": 2}, {}),
    "result_as_bundle": ("untrusted", {"kind": "result"}, {}),
    "serial_is_text": ("bundle_damaged", {"serial_in_manifest": "7"}, {}),
    "leaves_the_directory": ("bundle_damaged", {"more": {"../x": b""}}, {}),
    "unknown_folder": ("bundle_damaged", {"more": {"bin/run.sh": b"id"}}, {}),
    "more_inventories": ("bundle_damaged", {"more": {"site/group_vars/all.yml": b""}}, {}),
    "wrong_digest": ("bundle_damaged", {"more": {f"artifacts/{'0' * 64}/adapter_config.json": b"{}"}}, {}),
    "not_carried": ("artifact_not_found", {"carried": ("first",)}, {}),
    "no_node": ("invalid_request", {}, {"node": None}),
    "no_key": ("invalid_request", {}, {"result_key": None}),
    "bad_key": ("invalid_request", {}, {"result_key": "/dev/null"}),
    "no_key_of_a_server": ("invalid_request", {"variables": {"vllm_api_key_env": "NO_SUCH_KEY"}}, {}),
    "no_bundle": ("invalid_request", {}, {"bundle": "/nowhere"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(
    case: str,
    apply: Callable,
    make_bundle: Callable,
    servers: Any,
    site: Path,
    tmp_path: Path,
    keys: SimpleNamespace,
) -> None:
    code, made, given = REFUSED[case]
    made = {**made, **({"key": getattr(keys, made["key"])} if "key" in made else {})}
    header = {"serial": made.pop("serial_in_manifest")} if "serial_in_manifest" in made else {}
    bundle = _with_header(make_bundle, made, header, keys)
    before = state(site)
    with pytest.raises(VllmError) as error:
        apply(bundle, given=given)
    assert error.value.code == code, error.value.message
    assert (state(site), servers.asked, (tmp_path / "store").exists()) == (before, 0, False)


def _with_header(make_bundle: Callable, made: dict, header: dict, keys: SimpleNamespace) -> Path:
    bundle = make_bundle(**made)
    if header:
        from ansible_collections.sovereign.vllm.plugins.plugin_utils._site.signing import sign

        manifest = {**json.loads((bundle / "manifest.json").read_text()), **header}
        content = json.dumps(manifest).encode()
        (bundle / "manifest.json").write_bytes(content)
        (bundle / "manifest.json.sig").write_bytes(sign(content, keys.headquarters, "bundle", "key"))
    return bundle


def test_the_ledger_refuses_old_and_repeated_bundles(apply: Callable, make_bundle: Callable, servers: Any) -> None:
    old, first, second = (make_bundle(serial) for serial in (SERIAL - 1, SERIAL, SERIAL + 1))
    assert apply(first, check_mode=True)["outcome"] == "checked"
    applied = apply(first)
    assert (applied["outcome"], applied["signer"], len(applied["staged"])) == ("applied", "headquarters", 2)
    for again, says in ((first, "applied here already"), (old, f"older than {SERIAL}")):
        with pytest.raises(VllmError, match=says) as error:
            apply(again)
        assert error.value.code == "bundle_superseded"
    assert servers.asked == 1
    # The ledger knows the node.
    assert apply(second, given={"node": None})["staged"] == []
    with pytest.raises(VllmError, match="the ledger says 'edge1'"):
        apply(second, given={"node": "edge2"})


def test_a_signature_reaches_a_version_that_was_staged_without_it(
    apply: Callable, make_bundle: Callable, servers: Any, tmp_path: Path
) -> None:
    digest, files = artifact("first")
    apply(make_bundle(declared=("first",), carried=("first",)))
    signed = {f"artifacts/{digest[7:]}/model.sig": b"signature"}
    apply(make_bundle(SERIAL + 1, declared=("first",), carried=("first",), more=signed))
    version = tmp_path / "store" / "first" / digest[7:19]
    assert {file.name: file.read_bytes() for file in version.iterdir()} == {**files, "model.sig": b"signature"}
    assert [entry.name for entry in version.parent.iterdir() if entry.is_dir()] == [version.name]


def test_a_bundle_that_was_taken_back_can_be_applied_again(
    apply: Callable, make_bundle: Callable, servers: Any, site: Path
) -> None:
    apply(make_bundle(SERIAL - 2, declared=("first",), carried=("first",)))
    declared = (site / "site" / "hosts.yml").read_text()
    servers.fails = "no memory"
    bundle = make_bundle()
    failed = apply(bundle)
    assert failed["failed"] and failed["error"]["code"] == "bundle_taken_back" and "one: no memory" in failed["msg"]
    result = json.loads((site / "results" / f"result-edge1-{SERIAL}" / "result.json").read_text())
    assert (result["outcome"], result["msg"]) == ("taken_back", "one: no memory")
    assert (site / "site" / "hosts.yml").read_text() == declared
    assert not (site / "next").exists()
    shutil.move(bundle, bundle.parent / "kept")
    with pytest.raises(VllmError, match=f"another bundle with the serial {SERIAL}"):
        apply(make_bundle(declared=("first",)))
    shutil.rmtree(bundle)
    shutil.move(bundle.parent / "kept", bundle)
    servers.fails = ""
    assert apply(bundle)["outcome"] == "applied"
    assert read_ledger(Layout(site)).as_dict() == {"format": 1, "node": NODE, "applied": SERIAL, "started": None}


def test_servers_that_do_not_answer(apply: Callable, make_bundle: Callable, servers: Any) -> None:
    servers.is_down = True
    bundle = make_bundle()
    first, second = apply(bundle), apply(bundle)
    assert first["failed"] and first["error"]["code"] == "unreachable"
    # The artifacts are staged, and the second run has nothing to stage.
    assert (first["changed"], len(first["staged"])) == (True, 2)
    assert (second["changed"], second["staged"]) == (False, [])
    servers.is_down = False
    assert apply(bundle)["outcome"] == "applied"


def test_check_mode_writes_nothing(apply: Callable, make_bundle: Callable, site: Path, tmp_path: Path) -> None:
    bundle = make_bundle()
    before = sorted(tmp_path.rglob("*"))
    assert apply(bundle, check_mode=True)["outcome"] == "checked"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bundle_can_be_named_by_a_link_but_not_by_another_name(
    apply: Callable, make_bundle: Callable, servers: Any, tmp_path: Path
) -> None:
    bundle = make_bundle()
    link = tmp_path / "latest"
    link.symlink_to(bundle)
    assert apply(link)["result"] == str(bundle.parent / f"result-{NODE}-{SERIAL}")
    renamed = make_bundle(SERIAL + 1).rename(bundle.parent / "copy")
    with pytest.raises(VllmError, match=f"rename the directory to bundle-{NODE}-{SERIAL + 1}") as error:
        apply(renamed)
    assert error.value.code == "bundle_damaged"


def test_one_run_at_a_time(apply: Callable, make_bundle: Callable, servers: Any, site: Path) -> None:
    with site_lock(Layout(site)), pytest.raises(VllmError) as error:
        apply(make_bundle())
    assert (error.value.code, servers.asked) == ("site_busy", 0)


def test_a_ledger_that_cannot_be_read_stops_everything(apply: Callable, make_bundle: Callable, site: Path) -> None:
    (site / "ledger.json").write_text('{"format": 1}')
    with pytest.raises(VllmError, match="cannot be used"):
        apply(make_bundle())


def test_a_read_only_disk_is_no_failure(
    apply: Callable, make_bundle: Callable, servers: Any, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    applied = apply(make_bundle(), given={"result_directory": str(tmp_path / "file" / "below")})
    assert applied["outcome"] == "applied" and "was not copied" in applied["warnings"][0]
    assert applied["result"] == str(site / "results" / f"result-edge1-{SERIAL}")


def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(
    apply: Callable, make_bundle: Callable, servers: Any, site: Path, tmp_path: Path
) -> None:
    world = [tmp_path / name for name in ("site", "store", "disk", "served")]
    apply(make_bundle(SERIAL - 1, carried=("first",), declared=("first",)))
    bundle = make_bundle(carried=("second",), more={"wheels/one.whl": b"wheel"})
    kept = tmp_path.parent / f"{tmp_path.name}-kept"
    shutil.copytree(tmp_path, kept, symlinks=True)
    before = (site / "site" / "hosts.yml").read_text()
    kills = 0
    while True:
        for place in world:
            shutil.rmtree(place) if place.is_dir() else place.unlink()
        shutil.copytree(kept, tmp_path, symlinks=True, dirs_exist_ok=True)
        if not is_killed_at(kills + 1, lambda: apply(bundle), tmp_path):
            break
        kills += 1
        # An agent that runs now finds a whole declaration, the former one or one that is served.
        declared = (site / "site" / "hosts.yml").read_text()
        assert declared in (before, (tmp_path / "served").read_text())
        assert (bundle / "manifest.json").exists()
        if read_ledger(Layout(site)).applied != SERIAL:
            assert apply(bundle)["outcome"] == "applied"
        assert (tmp_path / "served").read_text() == (site / "site" / "hosts.yml").read_text() != before
        for place in (site / "results", tmp_path / "disk"):
            assert (place / f"result-edge1-{SERIAL}" / "manifest.json.sig").exists()
        for seed in ("first", "second"):
            digest, files = artifact(seed)
            version = tmp_path / "store" / seed / digest[7:19]
            assert {file.name: file.read_bytes() for file in version.iterdir()} == files
        assert (site / "carried" / "wheels" / "one.whl").read_bytes() == b"wheel"
        left = [str(path) for top in world[:3] for path in top.rglob(".*") if path.name != ".lock"]
        assert not left
    assert kills > 25
