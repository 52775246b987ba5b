# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS is verified: with a private authority, against time and name, and in both directions."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._http.certificates import new_context
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import Endpoint

from tests.stand_in import StandIn
from tests.support.certificates import context_of, hashed_directory, write_certificate
from tests.support.playbook import AS_MODULE, IN_WORKER, Run, run_playbook
from tests.support.site import Site

from .conftest import NewSite

INFO = """
- name: info
  sovereign.vllm.vllm_base_model_info: {ca_path: "{{ ca }}"}
  ignore_unreachable: true
- name: unverified
  sovereign.vllm.vllm_base_model_info: {validate_certs: false}
- name: server
  sovereign.vllm.vllm_server_info: {ca_path: "{{ ca }}", api_key: sesame}
  ignore_unreachable: true
"""
# What a certificate is like, with what OpenSSL says of it.
CERTIFICATES = {
    "good": ({}, None),
    "expired": ({"expired": True}, "certificate has expired"),
    "of-another-host": ({"address": "127.0.0.2"}, "IP address mismatch"),
    "of-another-authority": ({"authority": None}, "self-signed certificate"),
}


def run(servers: dict[str, StandIn], tasks: str, directory: Path, **variables: object) -> Run:
    hosts = {name: {**IN_WORKER, "url": server.url, **variables} for name, server in servers.items()}
    return run_playbook(tasks, hosts, directory, defaults={"base_url": "{{ url }}", "retry_delay": 0.05})


def test_certificate_has_to_be_good(tmp_path: Path) -> None:
    authority = write_certificate(tmp_path / "authority.pem")
    with ExitStack() as stack:
        servers = {}
        for name, (how, _said) in CERTIFICATES.items():
            pem = write_certificate(tmp_path / f"{name}.pem", **{"authority": authority, **how})
            servers[name] = stack.enter_context(StandIn(ssl_context=context_of(pem)))
        played = run(servers, INFO, tmp_path / "run", ca=str(authority))
    for name, (_how, said) in CERTIFICATES.items():
        for task in ("info", "server"):
            result = played.of(task)[name]
            assert (result.status, result.code) == (("unreachable", "tls") if said else ("ok", None))
            assert not said or said in result.msg.replace("self signed", "self-signed")
        assert played.of("unverified")[name]["base_models"]
        if said:
            # Those that were told to verify have sent nothing at all, least of all the key.
            assert [request.path for request in servers[name].log] == ["/v1/models"]
            assert "authorization" not in servers[name].log[0].headers


@pytest.mark.parametrize("asks_clients", [False, True], ids=["server certificate", "client certificate"])
def test_client_certificates(tmp_path: Path, asks_clients: bool) -> None:
    pem = write_certificate(tmp_path / "node.pem")
    tasks = """
        - name: trusted
          sovereign.vllm.vllm_base_model_info: {ca_path: "{{ pem }}", client_cert: "{{ pem }}"}
        - name: with its key in another file
          sovereign.vllm.vllm_base_model_info: {ca_path: "{{ pem }}", client_cert: "{{ pem }}", client_key: "{{ pem }}"}
        - name: without a client certificate
          sovereign.vllm.vllm_base_model_info: {ca_path: "{{ pem }}"}
          ignore_unreachable: true
        - name: no such authority
          sovereign.vllm.vllm_base_model_info: {ca_path: /no/such/file}
          ignore_errors: true
        - name: strangers
          sovereign.vllm.vllm_server_info: {ca_path: "{{ pem }}", client_cert: "{{ pem }}"}
    """
    with StandIn(ssl_context=context_of(pem, pem if asks_clients else None)) as server:
        played = run({"site": server}, tasks, tmp_path / "run", pem=str(pem))
    assert played["trusted"]["base_models"] == played["with its key in another file"]["base_models"] != []
    assert played["without a client certificate"].status == ("unreachable" if asks_clients else "ok")
    assert (played["no such authority"].status, played["no such authority"].code) == ("failed", "invalid_request")
    assert "option ca_path is '/no/such/file': No such file" in played["no such authority"].msg
    # Whoever has no certificate does not get in, so that the missing key lets nobody in.
    found = {finding["id"] for finding in played["strangers"]["findings"]}
    assert found == (set() if asks_clients else {"no_key"})
    assert played["strangers"]["auth_required"] is asks_clients


# Which of these the environment has, as templates, and what comes of it: the first that is set counts alone.
ENVIRONMENTS = {
    "none": ({}, "tls"),
    "requests": ({"REQUESTS_CA_BUNDLE": "good"}, None),
    "curl": ({"CURL_CA_BUNDLE": "good", "SSL_CERT_FILE": "other"}, None),
    "file": ({"SSL_CERT_FILE": "good"}, None),
    "directory": ({"SSL_CERT_DIR": "/no/such/directory:directory"}, None),
    "file and directory": ({"SSL_CERT_FILE": "other", "SSL_CERT_DIR": "directory"}, None),
    "requests before the file": ({"REQUESTS_CA_BUNDLE": "other", "SSL_CERT_FILE": "good"}, "tls"),
    "empty": ({"REQUESTS_CA_BUNDLE": "", "SSL_CERT_FILE": "good"}, None),
    "missing": ({"SSL_CERT_FILE": "/no/such/file"}, "invalid_request"),
    "no PEM": ({"REQUESTS_CA_BUNDLE": "no.pem"}, "invalid_request"),
}


def test_authorities_of_the_environment(tmp_path: Path) -> None:
    """By the keyword `environment` of a task, in Ansible's worker and in a module's own process."""
    good, other = write_certificate(tmp_path / "good"), write_certificate(tmp_path / "other")
    hashed_directory(tmp_path / "directory", good)
    (tmp_path / "no.pem").write_text("no certificate")
    tasks = ""
    for name, (environment, _code) in ENVIRONMENTS.items():
        places = {
            variable: ":".join(str(tmp_path / place) if place else "" for place in value.split(":"))
            for variable, value in environment.items()
        }
        tasks += f"""
- name: {name}
  sovereign.vllm.vllm_base_model_info:
  environment: {json.dumps(places)}
  ignore_errors: true
  ignore_unreachable: true
"""
    tasks += f"""
- name: option
  sovereign.vllm.vllm_base_model_info: {{ca_path: "{good}"}}
  environment: {{REQUESTS_CA_BUNDLE: "{other}"}}
- name: not verified
  sovereign.vllm.vllm_base_model_info: {{validate_certs: false}}
  environment: {{REQUESTS_CA_BUNDLE: /no/such/file}}
"""
    with StandIn(ssl_context=context_of(good)) as server:
        hosts = {name: {**how, "url": server.url} for name, how in (("worker", IN_WORKER), ("module", AS_MODULE))}
        played = run_playbook(tasks, hosts, tmp_path / "run", defaults={"base_url": "{{ url }}", "retry_delay": 0.05})
    expected = {name: code for name, (_environment, code) in ENVIRONMENTS.items()}
    for host in hosts:
        assert {name: played.of(name)[host].code for name in expected} == expected, host
        assert played.of("option")[host]["base_models"] == played.of("not verified")[host]["base_models"] != []
        assert "SSL_CERT_FILE is '/no/such/file': No such file" in played.of("missing")[host].msg
        assert "REQUESTS_CA_BUNDLE is '" in played.of("no PEM")[host].msg


def test_store_of_the_system_together_with_that_of_certifi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is named. OpenSSL takes the system's store from elsewhere where this variable is set."""
    monkeypatch.setenv("SSL_CERT_FILE", str(write_certificate(tmp_path / "of-the-system.pem")))
    context = new_context(Endpoint("https://edge1"), ())
    names = {value for authority in context.get_ca_certs() for ((_kind, value), *_more) in authority["subject"]}
    assert "of-the-system" in names
    assert len(names) > 20


def test_plain_http_where_tls_is_spoken(new_site: NewSite) -> None:
    site: Site = new_site()
    task = f"""
        - name: info
          sovereign.vllm.vllm_base_model_info: {{base_url: "{site.watched.url.replace("http", "https")}"}}
    """
    assert site.run(task, rc=4)["info"].code == "tls"
