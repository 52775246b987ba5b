# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of examples/fleet, on 30 servers with a key each, of which three are offline."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultSecret

from tests.examples.conftest import EXAMPLES, foreign_environment
from tests.examples.receivers import MailServer, Webhook
from tests.stand_in import StandIn
from tests.support.server import Server

LAYOUT = EXAMPLES / "fleet"
REGIONS = {"north": 12, "south": 10, "coast": 8}
SITES = [f"{region}{number:02}" for region, count in REGIONS.items() for number in range(1, count + 1)]
OFFLINE = {"north03", "south07", "coast05"}
README = (LAYOUT / "README.md").read_text(encoding="utf-8")
PATHS = {
    "sql": "sql/4f2a9c01d7be",
    "customs": "customs/90be11c2a7d4",
    "harbour": "harbour/c3d94e0b1f28",
    "archive": "archive/7a6b5c4d3e2f",
}


def _keys() -> dict[str, str]:
    """The keys in the vault, by site."""
    loader = DataLoader()
    password = (LAYOUT / "example-vault-password").read_bytes().strip()
    loader.set_vault_secrets([("default", VaultSecret(password))])
    return dict(loader.load_from_file(str(LAYOUT / "inventory" / "group_vars" / "vllm" / "vault.yml"))["vault_keys"])


def _commands(section: str) -> list[str]:
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def _expected(site: str) -> set[str]:
    """The names of the adapters that the layout declares for a site."""
    of_region = {"north": {"customs"}, "south": set(), "coast": {"harbour"}}[site[:-2]]
    return {"sql", *of_region, *({"archive"} if site == "south10" else set())}


class Fleet:
    """The layout in `directory`, and a server for each of the sites. `servers`: by site."""

    def __init__(self, directory: Path, adapters: Path, opened: ExitStack, sites: Sequence[str] = SITES) -> None:
        self.directory, self.keys = directory, _keys()
        store = directory.with_name("srv")
        for path in PATHS.values():
            shutil.copytree(adapters / "first", store / path)
        self.declared = {name: str(store / path) for name, path in PATHS.items()}
        other = str(adapters / "second")
        drifted = {
            "north01": {"sql": self.declared["sql"]},  # one is missing
            "north02": {},  # after a restart
            "south01": {"sql": other},
            "south02": {**self._in_sync("south02"), "rogue": other},  # undeclared
            "south04": {**self._in_sync("south04"), "trial-7": other},  # excluded
            "coast01": {**self._in_sync("coast01"), "rogue": other},  # unexpected, since the region prunes
        }
        self.servers = {
            site: opened.enter_context(
                StandIn(
                    base_models=("base",),
                    api_key=self.keys[site],
                    static=drifted.get(site, self._in_sync(site)),
                )
            )
            for site in sites
        }
        for site in OFFLINE & set(sites):
            self.servers[site].kill()
        self._check_out(store)

    def _in_sync(self, site: str) -> dict[str, str]:
        return {name: self.declared[name] for name in _expected(site)}

    def _check_out(self, store: Path) -> None:
        """The layout, with the addresses and paths of these servers in place of its own."""
        shutil.copytree(LAYOUT, self.directory, ignore=shutil.ignore_patterns("reports"))
        source = self.directory / "inventory" / "sites.vllm.yml"
        options = yaml.safe_load(source.read_text())
        assert [endpoint["name"] for endpoint in options["endpoints"]] == [
            f"{region}[01:{count:02}]" for region, count in REGIONS.items()
        ]
        options["endpoints"] = [
            {"name": site, "base_url": server.url, "vars": {"region": site[:-2]}}
            for site, server in self.servers.items()
        ]
        source.write_text(json.dumps(options))
        for file in (self.directory / "inventory").glob("*_vars/**/*.yml"):
            file.write_text(file.read_text().replace("/srv/adapters", str(store)))

    def configure(self, name: str, **settings: object) -> None:
        """Set variables in a file of the group vllm."""
        file = self.directory / "inventory" / "group_vars" / "vllm" / f"{name}.yml"
        given = yaml.safe_load(file.read_text())
        assert set(settings) <= set(given)
        file.write_text(json.dumps({**given, **settings}))

    def run(self, command: str, **variables: str) -> tuple[int, str]:
        """Run it in the directory, with the layout's own ansible.cfg, and variables of the environment.

        No key may be in its output.
        """
        home = self.directory.with_name("home")
        home.mkdir(exist_ok=True)
        environment = foreign_environment(home) | {"ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"), **variables}
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert not [site for site, key in self.keys.items() if key in ran.stdout]
        return ran.returncode, ran.stdout

    def report(self) -> dict[str, Any]:
        report = json.loads((self.directory / "reports" / "drift.json").read_text())
        assert {site["name"] for site in report["sites"]} == set(self.servers)
        return {site["name"]: site["verdict"] for site in report["sites"]}

    def written(self) -> set[str]:
        """The sites to which something was loaded or unloaded."""
        return {site for site, server in self.servers.items() if any("lora" in write.path for write in server.writes)}

    def served(self, site: str) -> dict[str, str]:
        return Server(self.servers[site].url, self.keys[site]).served()


@pytest.fixture
def fleet(tmp_path: Path, examples: Path) -> Iterator[Fleet]:
    with ExitStack() as opened:
        yield Fleet(tmp_path / "fleet", examples, opened)


DRIFTED = {"north01", "north02", "south01", "coast01"}
UNDECLARED = {"south02"}


@pytest.mark.timeout(600)  # several runs on 30 sites
def test_audit_rollout_and_audit_again(fleet: Fleet) -> None:
    assert sorted(fleet.keys) == sorted(SITES)
    assert len(set(fleet.keys.values())) == len(SITES)
    (graph,), (audit,) = _commands("Look"), _commands("Audit")
    first, approved, again, reachable = _commands("Roll out")
    assert audit == first == again

    rc, shown = fleet.run(graph)
    assert rc == 0, shown
    assert all(f"@{region}:" in shown for region in REGIONS)

    rc, shown = fleet.run(audit)
    assert rc == 2, shown
    assert _of(fleet.report(), "drifted") == DRIFTED, shown
    # As the layout is, it tells nobody, and misses nothing for that.
    assert "rescued=1" not in shown
    assert _of(fleet.report(), "undeclared") == UNDECLARED
    assert _of(fleet.report(), "unreachable") == OFFLINE
    assert not fleet.written()

    # Somebody changes a site after the approval. Nothing is written there.
    fleet.servers["north02"].load("sql", fleet.declared["sql"])
    rc, shown = fleet.run(approved)
    assert rc & 2, shown
    assert "plan_changed" in shown
    assert fleet.written() == DRIFTED - {"north02"}, shown

    rc, shown = fleet.run(reachable)
    assert rc == 0, shown
    rc, shown = fleet.run(audit)
    assert rc == 0, shown
    assert _of(fleet.report(), "in_sync") == set(SITES) - OFFLINE - UNDECLARED
    assert _of(fleet.report(), "undeclared") == UNDECLARED
    assert _of(fleet.report(), "unreachable") == OFFLINE
    for site in set(SITES) - OFFLINE:
        served = fleet.served(site)
        assert {name: served[name] for name in _expected(site)} == {n: fleet.declared[n] for n in _expected(site)}
    assert fleet.written() == DRIFTED
    # Each server got only its own key: with any other it answers 401, and logs it.
    for site, server in fleet.servers.items():
        sent = {dict(request.headers).get("authorization", "") for request in server.log}
        assert sent <= {f"Bearer {fleet.keys[site]}"}, site


def _of(verdicts: dict[str, str], verdict: str) -> set[str]:
    return {site for site, found in verdicts.items() if found == verdict}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_units(tmp_path: Path) -> None:
    for unit in (LAYOUT / "systemd").iterdir():
        text = unit.read_text().replace("/srv/ansible/bin/ansible-playbook", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", *map(str, tmp_path.glob("vllm-audit.*"))]
    verified = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr


@pytest.fixture
def two_sites(tmp_path: Path, examples: Path) -> Iterator[Fleet]:
    """One lacks an adapter, and the other one serves an adapter that is not declared, with a name that means something."""
    with ExitStack() as opened:
        fleet = Fleet(tmp_path / "fleet", examples, opened, ["north01", "south03"])
        fleet.servers["south03"].load(RUDE, examples / "second")
        yield fleet


SHOWN_WEBHOOK = "https://chat.example.org/hooks/xyz"
RUDE = "<!channel> {{ 1 // 0 }} [x](http://evil.example)"
#: The form of a message → its headline, and its text.
FORMS: dict[str, Callable[[Any], tuple[str, str]]] = {
    "slack": lambda told: (told["blocks"][0]["text"]["text"], told["blocks"][1]["text"]["text"]),
    "teams": lambda told: (
        told["attachments"][0]["content"]["body"][0]["text"],
        told["attachments"][0]["content"]["body"][1]["inlines"][0]["text"],
    ),
    "generic": lambda told: (told["headline"], "\n".join(told["lines"])),
}


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_people_are_told(two_sites: Fleet) -> None:
    fleet = two_sites
    (tell,) = _commands("Tell people")
    assert tell.count(SHOWN_WEBHOOK) == 1
    tell = tell.replace(SHOWN_WEBHOOK, '"$NOTIFY_WEBHOOK_URL"')
    with Webhook() as webhook, MailServer() as mail:
        fleet.configure(
            "notify",
            notify_mail_to=["Operators <ops@example.org>"],
            notify_mail_host="127.0.0.1",
            notify_mail_port=mail.port,
            notify_mail_username=mail.username,
        )
        secrets = {"NOTIFY_WEBHOOK_URL": webhook.url, "NOTIFY_MAIL_PASSWORD": mail.password}

        def run(options: str = "", **variables: str) -> tuple[int, str]:
            given = {**secrets, **variables}
            rc, shown = fleet.run(f"{tell} {options}", **given)
            assert not [name for name, secret in given.items() if secret in shown]
            assert webhook.path not in shown
            return rc, shown

        # Two sites need attention. Everything is told, with the page, and then the audit fails.
        rc, shown = run("-vvv")
        assert rc == 2, shown
        assert "Fail on this site" in shown
        (posted,), (sent,) = webhook.posted, mail.mails
        assert list(posted) == ["text"]
        assert (sent["To"], sent["Subject"]) == (
            "Operators <ops@example.org>",
            "Adapters of all regions: 2 of 2 sites need attention",
        )
        text, page = sent.iter_parts()
        assert (text.get_content_type(), text.get_content().rstrip()) == ("text/plain", posted["text"].rstrip())
        assert "| `north01` | drifted |" in posted["text"]
        assert f"`{RUDE} is served from" in posted["text"]
        assert page.get_filename() == "drift.html"
        assert page.get_content().startswith(b"<!doctype html>")

        # Without any change, what needs attention is told again, also in check mode, and in each form.
        for form, read in FORMS.items():
            rc, shown = run(f"--check -e notify_webhook_form={form}")
            assert rc == 2, shown
            headline, text = read(webhook.posted[-1])
            assert headline == "2 of 2 sites need attention"
            assert RUDE in text

        # The other site is removed, and this one is healed: that is a change, and told once.
        fleet.servers["north01"].load("customs", fleet.declared["customs"])
        fleet.servers["south03"].unload(RUDE)
        before = len(webhook.posted)
        for expected in (1, 1):
            rc, shown = run()
            assert rc == 0, shown
            assert len(webhook.posted) - before == len(mail.mails) - before == expected
        assert "**No site needs attention.**" in webhook.posted[-1]["text"]
        assert "Changed since the run of" in webhook.posted[-1]["text"]

        # Nobody can be told. The verdict stays, whichever it is.
        webhook.status = 404
        fleet.servers["north01"].unload("customs")
        rc, shown = run("-vvv", NOTIFY_MAIL_PASSWORD="wr0ng-passw0rd")
        assert rc == 2, shown
        assert "please check your username and/or password. Webhook: the status is 404" in " ".join(shown.split())
        assert "Fail on this site" in shown
        assert "rescued=1" in shown
    rc, shown = run("-e '{drift_report_fail_on: []}'", NOTIFY_WEBHOOK_URL=f"{webhook.url} pasted with more")
    assert rc == 0, shown
    assert "The task 'Fail if a message was not taken' of drift_report_notify failed" in shown
