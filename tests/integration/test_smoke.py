# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do adapters have an effect, and are these the weights? On stand-ins, whose log-probabilities follow from the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.stand_in import Fault
from tests.support.playbook import IN_WORKER
from tests.support.site import Site, run_on_all

from .conftest import NewSite

EFFECT = """
- name: see
  sovereign.vllm.vllm_smoke_test:
    models: "{{ models }}"
    differs_from_base: true
"""
OFF = {"status": 404, "json": {"detail": "Not Found"}}
# A pooling model up to 0.10, and since then.
POOLS = {
    "status": 400,
    "json": {"object": "error", "message": "The model does not support Completions API", "code": 400},
}


def weights_of(site: Site, models: str = "[sql]", **how: Any) -> Any:
    """Take fingerprints, or compare them: `expect` is a variable."""
    task = f"""
- name: look
  sovereign.vllm.vllm_smoke_test:
    models: {models}
    fingerprint: "{{{{ expect is not defined }}}}"
    expect: "{{{{ expect | default(omit) }}}}"
"""
    return site.run(task, **how)["look"]


def test_adapters_without_effect_are_told_from_others(new_site: NewSite, tmp_path: Path) -> None:
    """Whatever the noise. The tenth of a nat is more than a GPU makes."""
    sites = {
        str(noise): new_site(host={**IN_WORKER, "models": ["good", "zero", "misnamed", "tiny"]}, noise=noise)
        for noise in (0, 0.001, 0.1)
    }
    for site in sites.values():
        for name in ("good", "zero", "misnamed"):
            site.server.load(name, site.artifact(name, "first" if name == "good" else name))
    done = run_on_all(sites, EFFECT, tmp_path / "run", rc=2).of("see")
    for noise, result in done.items():
        assert (result.code, result["effective"]) == ("adapter_without_effect", ["good"]), noise
        assert result["answered"] == ["good", "zero", "misnamed", "tiny"]
        assert "2 of 4 models failed: Could not see an effect of adapter 'zero'" in result.msg
    exact = done["0"]
    assert "log-probabilities differ by 0," in exact.msg
    # 6 for the good one, 2 for each other, since numbers that are equal to the last digit leave no doubt; the base model
    # has answered with them.
    asked = [request for request in sites["0"].watched.log if request.path == "/v1/completions"]
    assert len(asked) == 6 + 2 + 2
    for site in sites.values():
        asked = [request for request in site.watched.log if request.path == "/v1/completions"]
        assert len(asked) <= 16 * 3
        # Each of these fields has killed engines.
        assert not any({"prompt_logprobs", "echo"} & set(request.body or {}) for request in asked)


def test_weaker_answer_where_nothing_can_be_measured(new_site: NewSite, tmp_path: Path) -> None:
    """It never fails: that would roll a good adapter back."""
    cases: dict[str, tuple[dict[str, Any], list[Fault]]] = {
        "no-logprobs": ({"max_logprobs": 0}, []),
        "stripped": ({}, [Fault("POST", "/v1/completions", "answer", json={"choices": [{"text": "a"}]})]),
        "pools": ({}, [Fault("POST", "/v1/c", "answer", **OFF)]),
        "pools-old": ({}, [Fault("POST", "/v1/c", "answer", **POOLS)]),
    }
    sites = {}
    for profile in ("0.7", "0.10.1", "0.33", "rust-0.33"):
        for name, (settings, faults) in cases.items():
            site = sites[f"{name}-on-{profile}"] = new_site(
                host={**IN_WORKER, "models": ["sql"]}, profile=profile, **settings
            )
            site.server.load("sql", site.artifact("sql"))
            site.watched.faults.add(*faults)
    tasks = EFFECT + "    fingerprint: true\n" + "- name: ask\n  sovereign.vllm.vllm_smoke_test: {models: [sql]}\n"
    run = run_on_all(sites, tasks, tmp_path / "run", rc=2)
    asked = run.of("ask")
    for name, result in run.of("see").items():
        pools = name.startswith("pools")
        assert (result.status, result["effective"], result["fingerprints"]) == ("ok", [], {}), name
        assert result["answered"] == ([] if pools else ["sql"]), name
        (warning,) = result.warnings
        assert f"Could not measure 'sql' at {sites[name].watched.url}/v1/" in warning
        assert ("generates no text" if pools else "gives no log-probabilities") in warning
        # Without a stronger question, there is no weaker answer.
        assert asked[name].code == ("no_completions" if pools else None), name


def test_answers_that_adapters_mix_up_are_not_judged(new_site: NewSite, tmp_path: Path) -> None:
    """On a CPU before 0.33, while requests for adapters run, the base model can answer with an adapter's weights."""
    running = 'max_lora="2",running_lora_adapters="busy",waiting_lora_adapters=""'
    lines = {
        "cpu": f'vllm:cache_config_info{{block_size="128"}} 1.0\nvllm:lora_requests_info{{{running}}} 2.0\n',
        "gpu": f'vllm:cache_config_info{{block_size="16"}} 1.0\nvllm:lora_requests_info{{{running}}} 2.0\n',
    }
    sites = {}
    for profile in ("0.32", "0.33"):
        for kind, text in lines.items():
            site = sites[f"{kind}-{profile}"] = new_site(host={**IN_WORKER, "models": ["zero"]}, profile=profile)
            site.server.load("zero", site.artifact("zero", "zero"))
            site.watched.faults.add(Fault("GET", "/metrics", "answer", text=text))
    for name, result in run_on_all(sites, EFFECT, tmp_path / "run", rc=2).of("see").items():
        if name != "cpu-0.32":
            assert result.code == "adapter_without_effect", name
            continue
        assert (result["answered"], result["effective"]) == (["zero"], [])
        assert "while requests for adapters run (now for busy)" in result.warnings[0]


def test_chat_template_where_completions_are_off(new_site: NewSite) -> None:
    site = new_site(host={**IN_WORKER, "models": ["good", "zero"]})
    for name in ("good", "zero"):
        site.server.load(name, site.artifact(name, "first" if name == "good" else name))
    site.watched.faults.add(Fault("POST", "/v1/completions", "answer", **OFF))
    result = site.run(EFFECT + "    prompts: [Hello, Goodbye]\n", rc=2)["see"]
    assert (result["effective"], result.code) == (["good"], "adapter_without_effect")
    assert "at " + site.watched.url + "/v1/chat/completions" in result.msg
    assert site.asked.count("POST /v1/completions") == 1
    assert site.asked.count("POST /v1/chat/completions") == 2 * (6 + 2)
    taken = weights_of(site, "[good]")["fingerprints"]
    assert taken["good"]["route"] == "/v1/chat/completions"
    assert weights_of(site, "[good]", variables={"expect": taken})["answered"] == ["good"]
    assert weights_of(site, "[zero]", variables={"expect": {"zero": taken["good"]}}, rc=2).code == "other_weights"
    site.watched.faults.clear()
    (warning,) = weights_of(site, "[good]", variables={"expect": taken}).warnings
    assert "was taken by /v1/chat/completions, so it was not compared" in warning


def test_fingerprints_through_the_life_of_files(new_site: NewSite) -> None:
    site = new_site(noise=0.005)
    path = site.artifact("sql")
    site.server.load("sql", path)
    taken = weights_of(site)["fingerprints"]
    assert json.loads(json.dumps(taken)) == taken
    told = taken["sql"]
    assert (told["base_model"], told["root"], told["version"]) == ("tiny", "tiny", "0.32.0")
    assert len(told["prompts"]) == len(told["logprobs"]) == len(told["cached_logprobs"]) == 4
    assert all(len(top) == 5 for top in told["logprobs"])
    # What the server has in its memory counts, not the files.
    site.artifact("sql", "second")
    same = weights_of(site, variables={"expect": taken})
    assert (same.status, same["answered"], same.changed) == ("ok", ["sql"], False)
    site.server.unload("sql")
    site.server.load("sql", path)
    other = weights_of(site, variables={"expect": taken}, rc=2)
    assert (other.code, other["error"]["retryable"]) == ("other_weights", False)
    assert "recognise the weights of 'sql'" in other.msg
    # Under a new name, nothing stale is in the way.
    site.server.load("fresh", path)
    right = weights_of(site, "[fresh]")["fingerprints"]
    assert right["fresh"]["logprobs"] != told["logprobs"]
    # These are the right weights under the old name, whose prefixes are still those of the old files.
    stale = weights_of(site, variables={"expect": {"sql": right["fresh"]}}, rc=2)
    assert stale.code == "stale_prefix_cache"
    assert "prefix cache is stale" in stale.msg
    assert "prefix cache is stale" in other.msg
    # Nobody has to know the right weights to see it.
    assert weights_of(site, rc=2).code == "stale_prefix_cache"


def test_fingerprint_of_another_server_is_told_apart(new_site: NewSite) -> None:
    site = new_site()
    site.server.load("sql", site.artifact("sql"))
    taken = weights_of(site)["fingerprints"]["sql"]
    other = {**taken, "version": "0.30.0", "root": "acme/base", "logprobs": [{"a": -1.0}] * 4}
    result = weights_of(site, variables={"expect": {"sql": other, "nobody": 1}}, rc=2)
    origins = "of vLLM '0.30.0' with base model 'acme/base', this server is vLLM '0.32.0' with base model 'tiny'"
    assert f"the fingerprint is {origins}" in result.msg


USELESS = {"prompts": ["a"], "route": "x", "logprobs": [{"a": "high"}], "cached_logprobs": [{"a": 1}]}
BAD: dict[str, tuple[dict[str, Any], str | None]] = {
    "empty": ({"expect": {"sql": {}}}, "Option expect has no usable fingerprint for 'sql'"),
    "useless": ({"expect": {"sql": USELESS}}, "Option expect has no usable fingerprint for 'sql'"),
    "no-prompts": ({"prompts": []}, "Option prompts must have 1 to 64 texts"),
    "tolerance": ({"tolerance": -1}, "Option tolerance must be 0 or more"),
    "good": ({"differs_from_base": True}, None),
}


def test_check_mode_asks_nothing_and_refuses_bad_options(new_site: NewSite, tmp_path: Path) -> None:
    sites = {name: new_site(host={**IN_WORKER, "options": options}) for name, (options, _message) in BAD.items()}
    for site in sites.values():
        site.watched.clear_log()
    task = """
- name: see
  sovereign.vllm.vllm_smoke_test:
  args: "{{ {'models': ['sql'], 'fingerprint': true} | combine(options) }}"
"""
    done = run_on_all(sites, task, tmp_path / "run", rc=2, options=["--check"]).of("see")
    for name, (_options, message) in BAD.items():
        assert sites[name].watched.log == []
        assert done[name].code == ("invalid_request" if message else None)
        assert (message or "") in done[name].values.get("msg", "")
    good = done["good"]
    assert (good["answered"], good["effective"], good["fingerprints"]) == ([], [], {})


def test_unknown_model_is_not_taken_for_one_without_effect(new_site: NewSite) -> None:
    site = new_site(host={**IN_WORKER, "models": ["nobody"]})
    result = site.run(EFFECT, rc=2)["see"]
    assert result.code == "not_converged"
    assert "/v1/models does not list it" in result.msg
