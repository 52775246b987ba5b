# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a server is spoken to: addresses, certificates, proxies, and what is sent."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.playbook import IN_WORKER, run_playbook
from tests.vllm_stand_in import StandIn

from .conftest import NewSite


def certificate(directory: Path) -> Path:
    """A certificate for 127.0.0.1, its own authority, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + made.public_bytes(serialization.Encoding.PEM)
    file = directory / "node.pem"
    file.write_bytes(pem)
    return file


@pytest.mark.parametrize("asks_clients", [False, True], ids=["server certificate", "client certificate"])
def test_certificates(tmp_path: Path, asks_clients: bool) -> None:
    pem = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if asks_clients:
        context.load_verify_locations(pem)
        context.verify_mode = ssl.CERT_REQUIRED
    tasks = """
        - name: trusted
          sovereign.vllm.vllm_base_model_info: {ca_path: "{{ pem }}", client_cert: "{{ pem }}"}
        - name: not verified
          sovereign.vllm.vllm_base_model_info: {validate_certs: false, client_cert: "{{ pem }}", client_key: "{{ pem }}"}
        - name: without a client certificate
          sovereign.vllm.vllm_base_model_info: {ca_path: "{{ pem }}"}
          ignore_unreachable: true
        - name: unknown authority
          sovereign.vllm.vllm_base_model_info: {client_cert: "{{ pem }}"}
          ignore_unreachable: true
        - name: no such authority
          sovereign.vllm.vllm_base_model_info: {ca_path: /no/such/file}
          ignore_errors: true
    """
    with StandIn(ssl_context=context) as server:
        hosts = {"site": {**IN_WORKER, "url": server.url, "pem": str(pem)}}
        defaults = {"base_url": "{{ url }}", "retry_delay": 0.05}
        run = run_playbook(tasks, hosts, tmp_path / "run", defaults=defaults)
    assert run["trusted"]["base_models"] == run["not verified"]["base_models"] != []
    assert run["without a client certificate"].status == ("unreachable" if asks_clients else "ok")
    assert (run["unknown authority"].status, run["unknown authority"].code) == ("unreachable", "tls")
    assert "self-signed certificate" in run["unknown authority"].msg.replace("self signed", "self-signed")
    assert (run["no such authority"].status, run["no such authority"].code) == ("failed", "invalid_request")


def test_plain_http_where_tls_is_spoken(new_site: NewSite) -> None:
    site = new_site()
    task = f"""
        - name: info
          sovereign.vllm.vllm_base_model_info: {{base_url: "{site.watched.url.replace("http", "https")}"}}
    """
    assert site.run(task, rc=4)["info"].code == "tls"


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_base_url_from_the_environment_with_any_ending(new_site: NewSite, ending: str) -> None:
    site = new_site()
    site.run(
        "- sovereign.vllm.vllm_base_model_info:",
        defaults={},
        environment={"VLLM_BASE_URL": site.watched.url + ending},
    )
    assert site.asked == ["GET /v1/models"]


@pytest.mark.parametrize(("use_proxy", "asked"), [(True, []), (False, ["GET /v1/models"])])
def test_proxy(new_site: NewSite, use_proxy: bool, asked: list[str]) -> None:
    site, proxy = new_site(), new_site()  # a stand-in does for a proxy that answers in the server's place
    task = f"- sovereign.vllm.vllm_base_model_info: {{use_proxy: {str(use_proxy).lower()}}}"
    proxy.watched.clear_log()
    site.run(task, rc=None, environment={"http_proxy": proxy.watched.url, "no_proxy": ""})
    assert site.asked == asked
    assert [request.path for request in proxy.watched.log] == ([] if asked else [f"{site.watched.url}/v1/models"])


def test_password_of_a_netrc_file_is_not_sent(new_site: NewSite, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n", encoding="utf-8")
    site = new_site()
    site.run("- sovereign.vllm.vllm_base_model_info:", environment={"NETRC": str(tmp_path / "netrc")})
    assert ["authorization" in request.headers for request in site.watched.log] == [False]


def test_only_what_is_needed_is_sent(new_site: NewSite) -> None:
    """Servers ignore fields that they do not know, and `load_inplace` sticks to an adapter that was not even there."""
    site = new_site()
    first = site.artifact("first")
    site.run(
        """
        - sovereign.vllm.vllm_lora_adapter: {name: plain, path: "{{ artifacts }}/first/", base_model: tiny}
        - sovereign.vllm.vllm_lora_adapter: {name: moe, path: "{{ artifacts }}/first", is_3d_lora_weight: true}
        - sovereign.vllm.vllm_lora_adapter: {name: new, path: "{{ artifacts }}/first", reload_strategy: in_place}
        - sovereign.vllm.vllm_lora_adapter: {name: new, state: absent}
        """
    )
    assert [request.body for request in site.watched.writes] == [
        {"lora_name": "plain", "lora_path": f"{first}/"},
        {"lora_name": "moe", "lora_path": first, "is_3d_lora_weight": True},
        {"lora_name": "new", "lora_path": first},
        {"lora_name": "new"},
    ]


def test_without_requests_the_usual_message(new_site: NewSite, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    site = new_site(host={"ansible_connection": "local", "ansible_python_interpreter": str(bare)})
    run = site.run("- name: info\n  sovereign.vllm.vllm_base_model_info:", rc=2)
    assert "Failed to import the required Python library (requests)" in run["info"].msg
    assert site.asked == []
