# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule chooses the proxy, for modules, inventory and event source; and which addresses are those of one server."""

from __future__ import annotations

import pytest
from ansible_collections.sovereign.vllm.plugins.module_utils._vllm.endpoint import (
    Endpoint,
    is_loopback,
    is_same_server,
    proxy_of,
)

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("base_url", "environment", "proxy"),
    [
        ("http://edge1:8000", {}, None),
        ("http://edge1:8000", {"http_proxy": PROXY}, PROXY),
        ("http://edge1:8000", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://edge1:8000", {"http_proxy": "", "HTTP_PROXY": PROXY}, None),
        ("http://edge1:8000", {"https_proxy": PROXY}, None),
        ("https://edge1:8000", {"https_proxy": PROXY, "http_proxy": "http://other"}, PROXY),
        ("https://edge1:8000", {"all_proxy": PROXY}, PROXY),
        ("http://edge1:8000", {"http_proxy": "proxy:3128"}, PROXY),
    ],
)
def test_variables_name_the_proxy(base_url: str, environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_of(Endpoint(base_url), environment) == proxy
    assert proxy_of(Endpoint(base_url, use_proxy=False), environment) is None


@pytest.mark.parametrize(
    ("base_url", "no_proxy", "is_asked_directly"),
    [
        ("http://edge1:8000", "*", True),
        ("http://edge1:8000", "other, edge1", True),
        ("http://Edge1:8000", "EDGE1:8000", True),
        ("http://edge1:8000", "edge1:8001", False),
        ("http://edge1.example", "example", True),
        ("http://edge1.example", ".example", True),
        ("http://edge1.example", "ample", False),
        ("http://10.1.2.3:8000", "10.0.0.0/8", True),
        ("http://11.1.2.3:8000", "10.0.0.0/8", False),
        ("http://[fd00::1]:8000", "[fd00::1]", True),
        ("http://[fd00::1]:8000", "10.0.0.0/8 fd00::/8", True),
        ("http://edge1:8000", "", False),
    ],
)
def test_no_proxy_lists_the_hosts_that_are_asked_directly(
    base_url: str, no_proxy: str, is_asked_directly: bool
) -> None:
    proxy = proxy_of(Endpoint(base_url), {"all_proxy": PROXY, "no_proxy": no_proxy})
    assert (proxy is None) == is_asked_directly


@pytest.mark.parametrize(
    ("url", "is_loopback_"),
    [
        ("http://127.0.0.1:8000", True),
        ("https://LOCALHOST/v1", True),
        ("http://127.1:8000", True),
        ("http://[::1]:8000", True),
        ("http://[::ffff:127.0.0.1]:8000", True),
        ("http://0.0.0.0:8000", True),
        ("http://localhost.example.org", False),
        ("http://10.0.0.1", False),
        ("nonsense", False),
    ],
)
def test_loopback(url: str, is_loopback_: bool) -> None:
    assert is_loopback(url) == is_loopback_


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("http://node", True),
        ("HTTP://Node.:80/v1/", True),
        ("http://node:8000", False),
        ("https://node", False),
        ("http://node/other", False),
        ("http://node@other", False),
        ("nonsense", False),
    ],
)
def test_spellings_of_one_server(other: str, is_same: bool) -> None:
    assert is_same_server("http://node/", other) == is_same
