# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide for sites on their own shows works as written, from the keys to the report on the result."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.guide import Guide, shell
from tests.support.server import Server

DIST = Path(__file__).parents[2] / ".build" / "dist"
NOT_RUN = {"pip download": "needs the network", "pip install": "has nothing to install from"}
KEY = "sk-guide-8150"


@pytest.fixture
def headquarters(tmp_path: Path, examples: Path) -> Path:
    """The directory with the adapter and what was fetched: the tarball that `make build` made, and a wheel."""
    tarballs = list(DIST.glob("sovereign-vllm-*.tar.gz"))
    if not tarballs:
        pytest.skip("make build makes the tarball")
    for name in ("carry", "wheels", "adapters"):
        (tmp_path / "hq" / name).mkdir(parents=True)
    shutil.copy(tarballs[0], tmp_path / "hq" / "carry")
    (tmp_path / "hq" / "wheels" / "requests-2.32-py3-none-any.whl").write_bytes(b"a wheel")
    shutil.copytree(examples / "first", tmp_path / "hq" / "adapters" / "sql")
    return tmp_path / "hq"


@pytest.mark.timeout(300)
def test_what_is_shown(headquarters: Path, tmp_path: Path) -> None:
    site, disk = tmp_path / "site", headquarters / "disk"
    site.mkdir()
    environment = {"VLLM_API_KEY": KEY}
    with StandIn(api_key=KEY) as server, Guide("site_guide", NOT_RUN) as guide:

        def at_site(text: str) -> str:
            return text.replace("/var/lib/sovereign_vllm", str(site / "var"))

        shell(guide.take("ssh-keygen -t ed25519 -N '' -f hq_key"), headquarters)
        shell(at_site(guide.take("ssh-keygen -t ed25519 -N '' -f site_key")), site)
        shutil.copy(headquarters / "allowed_signers", site / "var")
        shutil.copy(site / "site_key.pub", headquarters)
        shell(guide.take('echo "edge1'), headquarters)
        places = {"http://127.0.0.1:8000": server.url, "/srv/lora": str(site / "store")}
        guide.write("inventory.yml", headquarters, places)
        first, following = (
            guide.take("mkdir -p results"),
            guide.take("ansible-playbook -i inventory.yml sovereign.vllm.bundle"),
        )
        assert "1 artifact (all artifacts)" in shell(first, headquarters)
        (bundle,) = disk.glob("bundle-edge1-*")

        verify, compare = guide.take("ssh-keygen -Y verify"), guide.take("python3 -c")
        assert "Good" in shell(at_site(verify), bundle)
        assert not shell(compare, bundle).strip()
        wheel = bundle / "wheels" / "requests-2.32-py3-none-any.whl"
        wheel.write_bytes(b"another wheel")
        assert shell(compare, bundle).strip() == "wheels/requests-2.32-py3-none-any.whl"
        wheel.write_bytes(b"a wheel")
        installed = {**environment, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")}
        shell(guide.take("ansible-galaxy collection install"), bundle, environment=installed)
        (bundle / "ansible.cfg").unlink()  # of this test
        shutil.rmtree(bundle / "home")

        apply = guide.take("ansible-playbook sovereign.vllm.apply_bundle")
        apply = apply.replace("/media/usb/bundle-edge1-20261128120000", str(bundle)).strip()
        shell(f"{apply} -e agent_directory={site / 'var'}", site, environment=installed)
        (path,) = Server(server.url, KEY).served().values()
        assert path.startswith(str(site / "store" / "sql"))

        (result,) = disk.glob("result-edge1-*")
        shutil.copytree(result, headquarters / "results" / result.name)
        report = shell(guide.take("ansible-playbook -i inventory.yml sovereign.vllm.drift_audit"), headquarters)
        assert "1 site: 1 in sync" in report
        assert "0 artifacts (only what edge1 does not have after bundle" in shell(following, headquarters)
