# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook sovereign.vllm.converge where sites of a wave fail, are out of reach, or get lost on the way."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stand_in import Fault
from tests.support.guide import shell
from tests.support.playbook import IN_WORKER
from tests.support.site import Site

from .conftest import NewSite

pytestmark = pytest.mark.timeout(300)
# It fails, by 2 or by 4, as the version of Ansible has it.
FAILS = "! ansible-playbook -i sites.json -e @given.json sovereign.vllm.converge"
OVER_SSH = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_connection": "ssh"}
MUTE = Fault("POST", "/v1/completions", "answer", status=500, text="EngineCore is gone")


def roll_out(
    directory: Path, sites: Mapping[str, Mapping[str, Any]], strategy: str = "linear", **variables: Any
) -> str:
    """Converge these hosts in this order, and return what was printed; strategy: the one that ansible.cfg names."""
    everywhere = {"vllm_retries": 0, "lora_grace_period": 0, "vllm_timeout": 20}
    inventory = {"vllm": {"hosts": {name: {**IN_WORKER, **host} for name, host in sites.items()}, "vars": everywhere}}
    (directory / "sites.json").write_text(json.dumps(inventory))
    (directory / "given.json").write_text(json.dumps(variables))
    environment = {
        "ANSIBLE_SHOW_CUSTOM_STATS": "1",
        "ANSIBLE_STRATEGY": strategy,
        "VLLM_API_KEY": "sk-of-the-fleet",
    }
    return shell(FAILS, directory, environment=environment, seconds=250)


def node(site: Site, **variables: Any) -> dict[str, Any]:
    place = {"vllm_base_url": site.watched.url, "lora_store": f"{site.artifacts}/store"}
    return {**place, "lora_boot_file": f"{site.artifacts}/etc/vllm/lora.env", **variables}


def boot_file(site: Site) -> Path:
    return site.artifacts / "etc" / "vllm" / "lora.env"


def said(output: str, host: str) -> str:
    """The last message with which a host failed."""
    return re.findall(rf'fatal: \[{host}\]: \w+! => .*"msg": "(.*?)"[,}}]', output)[-1]


def test_a_wave_that_fails_gives_names_gateway_and_statistic_back(new_site: NewSite, tmp_path: Path) -> None:
    canary, one, broken, ssh_down = (new_site() for _site in range(4))
    source, old = one.artifact("sql", "second"), "sql-0123abcd"
    for site in (one, broken):
        kept = Path(shutil.copytree(one.artifact("old"), site.artifacts / "store" / "sql" / "0123abcd4567"))
        site.server.load(old, kept)
        site.watched.clear_log()
    broken.watched.faults.add(MUTE)
    # Fails when others would long have gone on, if they did not wait for it.
    broken.watched.on_request = lambda request: time.sleep(4) if request.path == "/v1/completions" else None
    switch = [
        {
            "name": "Tell the gateway",
            "ansible.builtin.copy": {
                "content": "{{ lora_declaration.served_names | to_json }}",
                "dest": str(tmp_path / "gateway-of-{{ inventory_hostname }}"),
            },
        }
    ]
    (tmp_path / "switch.yml").write_text(json.dumps(switch))
    declared = [{"name": name, "src": source, "is_3d_lora_weight": True} for name in ("sql", "more")]
    sites = {
        "away": {"vllm_base_url": "http://127.0.0.1:9"},
        "ssh_down": {**node(ssh_down), **OVER_SSH, "vllm_ask_from": "controller"},
        "canary": node(canary, lora_smoke="none"),
        "one": node(one),
        "broken": node(broken),
    }
    output = roll_out(
        tmp_path,
        {"localhost": {}, **sites},
        strategy="free",  # sites of a wave would not wait for one another
        lora_hosts="vllm:!localhost",
        lora_adapters=declared,
        lora_serial=[1, 2],
        lora_versioned_names=True,
        lora_switch_tasks=str(tmp_path / "switch.yml"),
    )
    # The first wave is not one that is away, and the inventory decides whether adapters are asked.
    served = canary.server.served()
    assert sorted(name.rpartition("-")[0] for name in served) == ["more", "sql"]
    assert all(name in boot_file(canary).read_text() for name in served)
    assert "/v1/completions" not in {request.path for request in canary.watched.log}

    new = next(name for name in served if name.startswith("sql"))
    for site in (one, broken):
        assert list(site.server.served()) == [old]
        assert not boot_file(site).exists()
    (again,) = (
        write.body
        for write in one.watched.writes
        if write.body.get("lora_path") == str(kept).replace(str(broken.artifacts), str(one.artifacts))
    )
    assert again["lora_name"] == old and again["is_3d_lora_weight"] is True
    paths = [(write.path, write.body.get("lora_name")) for write in one.watched.writes]
    assert paths.index(("/v1/load_lora_adapter", old)) < paths.index(("/v1/unload_lora_adapter", new))
    assert json.loads((tmp_path / "gateway-of-one").read_text()) == {"sql": old}
    statistic = json.loads(re.search(r"RUN: (\{.*\})", output).group(1))["lora_served_names"]
    assert statistic["one"] == statistic["broken"] == {"sql": old}
    assert statistic["canary"]["sql"] == new

    assert "Could not ask" in said(output, "broken")
    assert said(output, "one").endswith("The site serves again what it served before.")
    assert not ssh_down.watched.writes
    assert "Could not match supplied host pattern" not in output


def test_a_swap_to_an_adapter_without_effect_is_taken_back(new_site: NewSite, tmp_path: Path) -> None:
    """By each way to swap. Nobody has to ask for the question: it is the default."""
    replaced, in_place, versioned, good, untouched = (new_site() for _site in range(5))
    served: dict[Site, dict[str, str]] = {}
    for site in (replaced, in_place, good, untouched):
        served[site] = {"sql": site.artifact("old")}
    kept = shutil.copytree(versioned.artifact("old"), versioned.artifacts / "store" / "sql" / "0123abcd4567")
    served[versioned] = {"sql-0123abcd": str(kept)}
    for site, adapters in served.items():
        for name, path in adapters.items():
            site.server.load(name, path)
        site.watched.clear_log()

    def swapped(site: Site, example: str, **variables: Any) -> dict[str, Any]:
        return node(site, lora_adapters=[{"name": "sql", "src": site.artifact("new", example)}], **variables)

    seen = tmp_path / "fingerprints"
    seen.mkdir()
    numbers = {
        "route": "/v1/completions",
        "prompts": ["a"],
        "logprobs": [{"a": -1.0}],
        "cached_logprobs": [{"a": -1.0}],
    }
    of_before = {"sql": {"path": served[good]["sql"], "root": "tiny", "version": "0.32.0", **numbers}}
    (seen / "good.json").write_text(json.dumps(of_before))
    output = roll_out(
        tmp_path,
        {
            "replaced": swapped(replaced, "zero", lora_smoke=None),
            "in_place": swapped(in_place, "misnamed", lora_reload_strategy="in_place"),
            "versioned": swapped(versioned, "zero", lora_versioned_names=True),
            "good": swapped(good, "second"),
            "untouched": swapped(untouched, "second"),
        },
        lora_serial=[4, 1],
        lora_fingerprints="fingerprints",
    )
    for name, site in {"replaced": replaced, "in_place": in_place, "versioned": versioned}.items():
        assert site.server.served() == served[site], name
        assert "Could not see an effect of adapter 'sql" in said(output, name)
        assert said(output, name).endswith("The site serves again what it served before.")
        assert not boot_file(site).exists()
    assert good.server.served() == served[good]
    assert "Another site of this wave failed. The site serves again" in said(output, "good")
    restored = output.split("Restore the recorded fingerprints]")[1].split("TASK")[0]
    assert "changed: [good]" in restored
    assert json.loads((seen / "good.json").read_text()) == of_before
    assert [file.name for file in seen.iterdir()] == ["good.json"]
    assert untouched.server.served() == served[untouched] and not untouched.watched.writes
    assert "not tried: untouched" in output


def test_each_site_says_why_it_failed_and_whether_it_is_back(
    new_site: NewSite, tmp_path: Path, jinja: str, ran: Path
) -> None:
    stuck, unread, refused, keyed, unswitched = (new_site() for _site in range(5))
    kept = Path(shutil.copytree(unswitched.artifact("old"), unswitched.artifacts / "store" / "sql" / "0123abcd4567"))
    unswitched.server.load("sql-0123abcd", kept)
    gone = {site: site.artifact("gone") for site in (stuck, unread, refused)}
    for site, path in gone.items():
        site.server.load("sql", path)
        site.server.load(jinja, path)
        site.watched.clear_log()
    keyed.watched.clear_log()
    shutil.rmtree(gone[stuck])  # so that it cannot be loaded again
    stuck.watched.faults.add(replace(MUTE, text=f"EngineCore is gone {jinja}"))
    boot_file(unread).mkdir(parents=True)  # which nobody can read as a file
    good, bad = refused.artifact("good"), refused.artifact("bad", "dora")
    output = roll_out(
        tmp_path,
        {
            "stuck": node(stuck, lora_adapters=[{"name": "sql", "src": good}]),
            "unread": node(unread, lora_adapters=[{"name": "sql", "src": good}]),
            "refused": node(refused, lora_adapters=[{"name": "sql", "src": bad}]),
            "keyed": node(keyed, lora_adapters=[], vllm_api_key="{{ nowhere }}"),
            "unswitched": node(
                unswitched,
                lora_adapters=[{"name": "sql", "src": good}],
                lora_versioned_names=True,
                lora_switch_tasks=str(tmp_path / "none.yml"),
            ),
        },
        strategy="host_pinned",
        lora_serial=5,
        lora_max_fail_percentage=100,
    )
    assert "Could not ask" in said(output, "stuck") and "EngineCore is gone" in said(output, "stuck")
    assert "The site could not be restored to what it served before. Check it by hand: " in said(output, "stuck")
    assert said(output, "unread").endswith("Nothing was changed at this site.")
    assert boot_file(unread).is_dir() and not unread.watched.writes
    assert "vLLM does not serve DoRA" in said(output, "refused")
    assert said(output, "refused").endswith("The site serves again what it served before.")
    assert refused.server.served() == dict.fromkeys(("sql", jinja), gone[refused])
    # Nobody knows which names the gateway has, so neither of them is unloaded.
    assert "Check lora_switch_tasks. The site could not be restored" in said(output, "unswitched")
    assert "sql-0123abcd" in unswitched.server.served() and len(unswitched.server.served()) == 2
    assert not ran.exists(), "what a server says is never evaluated"
    assert "'nowhere' is undefined" in said(output, "keyed")
    assert not keyed.watched.log, "a site with a key of its own never gets that of the fleet instead"
    assert "Could not match supplied host pattern" not in output


def test_a_wave_in_which_nobody_is_left_ends_the_rollout(new_site: NewSite, tmp_path: Path) -> None:
    lost, away, last = (new_site() for _site in range(3))
    # Answers when all are looked for, and no more when its wave begins.
    away.watched.faults.add(Fault("GET", "/v1/models", "reset", after=1))
    cut = tmp_path / "cut"
    lost.watched.on_request = lambda request: cut.touch() if "load_lora" in request.path else None
    cable = f"{{{{ 'ssh' if lookup('ansible.builtin.fileglob', '{cut}') else 'local' }}}}"
    declared = [{"name": "sql", "path": last.artifact("sql")}]
    output = roll_out(
        tmp_path,
        {
            "lost": {**OVER_SSH, "vllm_base_url": lost.watched.url, "ansible_connection": cable},
            "away": {"vllm_base_url": away.watched.url},
            "last": {"vllm_base_url": last.watched.url},
        },
        lora_adapters=declared,
        lora_serial=[2, 1],
    )
    assert list(lost.server.served()) == ["sql"], "it was lost after it had begun"
    assert not last.watched.writes
    assert "Another site of this wave failed. Nothing was changed at this site." in said(output, "away")
    for line in ("offline: away", "lost on the way: lost", "not tried: last"):
        assert line in output

    # Without any host that is left, Ansible runs no task that could say it. The statistic of the job does.
    lost.server.unload("sql")
    cut.unlink()
    alone = {**OVER_SSH, "vllm_base_url": lost.watched.url, "ansible_connection": cable, "lora_adapters": declared}
    output = roll_out(
        tmp_path, {"alone": alone, "last": {"vllm_base_url": last.watched.url, "lora_adapters": declared}}
    )
    assert cut.exists() and '"lost": [   "alone"  ]' in output and '"not_tried": [   "last"  ]' in output
