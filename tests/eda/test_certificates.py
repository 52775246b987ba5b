# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source verifies TLS like the modules, and chooses trusted authorities by the same rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stand_in import StandIn
from tests.support.certificates import context_of, write_certificate
from tests.support.environment import CERTIFICATE_VARIABLES

from .watching import Watching, declare, endpoints, observed


class Tls:
    """A server that speaks TLS and asks for the client certificate `client`."""

    def __init__(self, directory: Path) -> None:
        self.certificate = write_certificate(directory / "server.pem")
        self.client = write_certificate(directory / "client.pem")
        self.other = write_certificate(directory / "other.pem")
        self.no_pem = directory / "no.pem"
        self.no_pem.write_text("not a certificate")
        self.context = context_of(self.certificate, self.client)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(tmp_path_factory.mktemp("certificates"))


# Names of the options' files in Tls, and the code of the error.
CERTIFICATES = {
    "good": ({"ca_path": "certificate", "client_cert": "client"}, None),
    "good with its key": ({"ca_path": "certificate", "client_cert": "client", "client_key": "client"}, None),
    "not verified": ({"validate_certs": False, "client_cert": "client"}, None),
    "of nobody known": ({"client_cert": "client"}, "tls"),
    "of somebody else": ({"ca_path": "other", "client_cert": "client"}, "tls"),
    "authority is missing": ({"ca_path": "missing", "client_cert": "client"}, "invalid_request"),
    "authority is no PEM": ({"ca_path": "no_pem"}, "invalid_request"),
    "client's is no PEM": ({"ca_path": "certificate", "client_cert": "no_pem"}, "invalid_request"),
}


def test_certificates(servers, file, tls):
    secure = servers(CERTIFICATES, ssl_context=tls.context)
    options = {
        name: {n: str(getattr(tls, v, "/nonexistent.pem")) if isinstance(v, str) else v for n, v in given.items()}
        for name, (given, _code) in CERTIFICATES.items()
    }
    declare(file, *(endpoint | options[endpoint["name"]] for endpoint in endpoints(secure)), adapters=[])
    refused = {
        name: ("unreachable" if code == "tls" else "failed", code)
        for name, (_options, code) in CERTIFICATES.items()
        if code
    }
    with Watching(file) as watching:
        events = {event["endpoint"]: event for event in watching.next(len(refused))}
        assert {name: (event["state"], event.get("error", {}).get("code")) for name, event in events.items()} == refused
        for name in set(CERTIFICATES) - set(refused):
            observed(secure[name])
        assert watching.events == []
    assert "the TLS handshake failed (self-signed certificate)" in events["of nobody known"]["msg"]


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"SSL_CERT_FILE": "certificate"}, None),
        ({"REQUESTS_CA_BUNDLE": "certificate", "SSL_CERT_FILE": "other"}, None),
        ({"CURL_CA_BUNDLE": "other", "SSL_CERT_FILE": "certificate"}, "tls"),
        ({"REQUESTS_CA_BUNDLE": "missing"}, "invalid_request"),
    ],
)
def test_authorities_of_the_environment(file, tls, monkeypatch, environment, code):
    for variable in CERTIFICATE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, name in environment.items():
        monkeypatch.setenv(variable, str(getattr(tls, name, "/nonexistent.pem")))
    with StandIn(ssl_context=tls.context) as server:
        declare(file, {"base_url": server.url, "adapters": [], "client_cert": str(tls.client)})
        with Watching(file) as watching:
            if code:
                assert watching.next()[0]["error"]["code"] == code
            else:
                observed(server)
                assert watching.events == []


def test_client_certificate_that_the_server_refuses(file, tls):
    with StandIn(ssl_context=tls.context) as server:
        options = {"ca_path": str(tls.certificate), "client_cert": str(tls.other)}
        declare(file, {"base_url": server.url, "adapters": [], **options})
        with Watching(file) as watching:
            (event,) = watching.next()
    # TLS 1.3 lets a server refuse after the handshake, which can look like a connection that is closed.
    assert event["state"] == "unreachable"
    assert event["error"]["code"] in ("tls", "unreachable")


def test_renewed_certificate_is_taken_without_a_restart(file, tls, tmp_path):
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(tls.other.read_bytes())
    with StandIn(ssl_context=tls.context) as server:
        declare(file, {"base_url": server.url, "adapters": [], "ca_path": str(trusted), "client_cert": str(tls.client)})
        with Watching(file) as watching:
            assert watching.next()[0]["state"] == "unreachable"
            trusted.write_bytes(tls.certificate.read_bytes())
            assert watching.next()[0]["state"] == "reachable"


def test_plain_http_server_at_an_https_address(server, file):
    declare(file, {"base_url": server.url.replace("http", "https"), "adapters": []})
    with Watching(file) as watching:
        assert watching.next()[0]["error"]["code"] == "tls"
