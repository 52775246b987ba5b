# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide for air-gapped sites shows works as written, from the tarball to the served adapter."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.playbook import IN_WORKER
from tests.support.server import Server

DIST = Path(__file__).parents[2] / ".build" / "dist"
NOT_RUN = {"pip download": "needs the network", "pip install": "has nothing to install from"}
CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")


@pytest.fixture
def carry(tmp_path: Path) -> Path:
    """The directory with the tarball that `make build` made."""
    tarballs = list(DIST.glob("sovereign-vllm-*.tar.gz"))
    if not tarballs:
        pytest.skip("make build makes the tarball")
    (tmp_path / "carry").mkdir()
    shutil.copy(tarballs[0], tmp_path / "carry")
    return tmp_path / "carry"


def test_what_is_shown(carry: Path, examples: Path, tmp_path: Path) -> None:
    with StandIn() as server, Guide("air_gapped_guide", NOT_RUN) as guide:
        sums = guide.take("cd carry")
        for _again in range(2):
            shell(sums, tmp_path)
        check = guide.take("(cd carry")
        assert "OK" in shell(check, tmp_path)
        installed = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")}
        install = guide.take("ansible-galaxy collection install --offline")
        assert "lora_store" in shell(install, tmp_path, environment=installed)

        shutil.copytree(examples / "first", tmp_path / "adapters" / "sql")
        guide.write("digest.yml", tmp_path)
        (digest,) = CHECKSUM.findall(shell(guide.take("ansible-playbook digest.yml"), tmp_path, environment=installed))
        places = {"/srv/lora": str(tmp_path / "store"), "/media/usb": str(tmp_path)}
        site = guide.write("site.yml", tmp_path, places)
        # The Python that Ansible would find on this machine may be any.
        python = f'vllm_base_url: {server.url}\n      ansible_python_interpreter: "{IN_WORKER["ansible_python_interpreter"]}"'
        guide.write("inventory.yml", tmp_path, {"vllm_base_url: http://127.0.0.1:8000": python})
        converge = guide.take("ansible-playbook -i inventory.yml")

        assert "sha256" in shell(converge, tmp_path, rc=2, environment=installed)  # other bytes than were announced
        assert not server.writes
        site.write_text(CHECKSUM.sub(digest, site.read_text()))
        shell(converge, tmp_path, environment=installed)
        (tmp_path / "sql.tar.gz").unlink()  # somebody unplugs the disk
        Server(server.url).unload("sql")
        shell(converge, tmp_path, environment=installed)
        place = tmp_path / "store" / "sql" / digest.removeprefix("sha256:")[:12]
        assert Server(server.url).served() == {"sql": str(place)}
    (carry / "SHA256SUMS").write_text("0" * 64 + "  SHA256SUMS\n")
    assert "FAILED" in shell(check, tmp_path, rc=1)
