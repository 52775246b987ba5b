# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notifications of examples/fleet, with a webhook and a mail server on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.examples.receivers import MailServer, Webhook
from tests.examples.thirty_sites import Fleet, commands

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


@pytest.fixture
def two_sites(tmp_path: Path, examples: Path) -> Iterator[Fleet]:
    """One lacks an adapter, and the other one serves an adapter that is not declared, with a name that means something."""
    with ExitStack() as opened:
        fleet = Fleet(tmp_path / "fleet", examples, opened, ["north01", "south03"])
        fleet.servers["south03"].load(RUDE, examples / "second")
        yield fleet


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_people_are_told(two_sites: Fleet) -> None:
    fleet = two_sites
    (tell,) = commands("Tell people")
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

        # Both sites are healed. That is a change, and it is told once.
        fleet.servers["north01"].load("customs", fleet.declared["customs"])
        fleet.servers["south03"].unload(RUDE)
        before = len(webhook.posted)
        for expected in (1, 1):
            rc, shown = run()
            assert rc == 0, shown
            assert len(webhook.posted) - before == len(mail.mails) - before == expected
        assert "**No site needs attention.**" in webhook.posted[-1]["text"]
        assert "Changed since the run of" in webhook.posted[-1]["text"]

        # No message is taken. The verdict stays, whichever it is.
        webhook.status = 404
        fleet.servers["north01"].unload("customs")
        rc, shown = run("-vvv", NOTIFY_MAIL_PASSWORD="wr0ng-passw0rd")
        assert rc == 2, shown
        assert "please check your username and/or password. Webhook: the status is 404" in " ".join(shown.split())
        assert "Fail on this site" in shown
        assert "rescued=1" in shown
    rc, shown = run("-e '{drift_report_fail_on: []}'", NOTIFY_WEBHOOK_URL=f"{webhook.url} pasted with more")
    assert rc == 0, shown
    failed = f"The task 'Fail if a message was not taken' of {fleet.directory}/notify.yml failed"
    assert failed in " ".join(shown.split())
