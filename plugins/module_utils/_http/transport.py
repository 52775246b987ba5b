# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send one HTTP request with requests and return its answer, or the reason why there is none."""

from __future__ import annotations

import os
import ssl
import threading
import traceback
from collections.abc import Callable
from typing import TypeVar

from .._vllm.answers import Answer
from .._vllm.endpoint import Endpoint, authorities
from .certificates import UnusableCertificate, new_context

try:
    import requests  # pylint: disable=unused-import
    import urllib3  # pylint: disable=unused-import  # requests is built on it
    from requests.adapters import HTTPAdapter  # pylint: disable=unused-import  # for those who import it from here
    from requests.auth import AuthBase  # pylint: disable=unused-import

    REQUESTS_IMPORT_ERROR = None
except ImportError:
    requests = urllib3 = None
    AuthBase = HTTPAdapter = object
    REQUESTS_IMPORT_ERROR = traceback.format_exc()


_T = TypeVar("_T")


class DeadlinePassed(Exception):
    """The call was given up."""


def call_within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what ``call`` returns, or raise what it raises.

    A call that takes longer is left to its own time-outs in a daemon thread: nothing can stop a blocked name look-up.

    :raises DeadlinePassed: when it takes longer than ``seconds``.
    """
    outcome: list = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise DeadlinePassed()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


#: Bytes. The cards of 10,000 adapters take about 6 MB.
BODY_LIMIT = 32 * 1024 * 1024
_CHUNK = 16 * 1024
# Lets the more precise time-outs of the socket come first.
_GRACE = 0.2
from .._vllm.no_answer import BodyTooLarge, transport_error  # it takes the names above

_PROBLEMS = (OSError, ValueError, DeadlinePassed, BodyTooLarge, UnusableCertificate)


class _Bearer(AuthBase):
    """Sends the key, or nothing: without an auth object, requests would send what a netrc file holds for the host."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request):
        if self._key:
            request.headers["Authorization"] = "Bearer " + self._key
        return request


class _Tls(HTTPAdapter):
    """Speaks TLS with one context that decides everything: what requests would add to it is left out."""

    def __init__(self, context: ssl.SSLContext) -> None:
        if urllib3.__version__.startswith("1."):
            # It names no address to OpenSSL, and compares the certificate with the address itself where this is off.
            context.check_hostname = False
        self._tls_options = {"ssl_context": context, "cert_reqs": context.verify_mode}
        super().__init__()

    def init_poolmanager(self, *args, **options):
        super().init_poolmanager(*args, **self._tls_options, **options)

    def proxy_manager_for(self, proxy, **options):
        if proxy.lower().startswith("https:"):
            options["proxy_ssl_context"] = self._tls_options["ssl_context"]
        return super().proxy_manager_for(proxy, **self._tls_options, **options)

    def get_connection_with_tls_context(self, request, verify, proxies=None, cert=None):
        """As of requests 2.32, where this would choose a context or files of its own."""
        proxy = requests.utils.select_proxy(request.url, proxies)
        if proxy:
            manager = self.proxy_manager_for(requests.utils.prepend_scheme_if_needed(proxy, "http"))
        else:
            manager = self.poolmanager
        return manager.connection_from_url(request.url)

    # 2.32.0 and 2.32.1 call it so.
    _get_connection = get_connection_with_tls_context

    def cert_verify(self, conn, url, verify, cert):
        """Leave everything to the context."""


class Transport:
    """A keep-alive session with one server."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "sovereign.vllm", "Accept-Encoding": "identity"})
        if not endpoint.validate_certs:
            # Whoever sets this knows; in Ansible's worker each warning would be three lines on the screen.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._needs_context = endpoint.base_url.startswith("https:")

    def close(self) -> None:
        self._session.close()

    def request(self, method: str, path: str, tried: str, limit: float, payload: dict | None = None) -> Answer:
        """Send one request.

        :param tried: what it is for, for the error sentence.
        :param limit: seconds for the whole answer.
        :param payload: sent as JSON.
        :raises VllmError: when no usable HTTP answer came.
        """
        url = self._endpoint.base_url + path
        try:
            return call_within(limit + _GRACE, lambda: self._exchange(method, url, limit, payload))
        except _PROBLEMS as problem:
            raise transport_error(problem, tried, url, limit) from None

    def _exchange(self, method: str, url: str, limit: float, payload: dict | None) -> Answer:
        endpoint = self._endpoint
        if self._needs_context:
            trusted = authorities(endpoint.ca_path, os.environ)
            self._session.mount("https://", _Tls(new_context(endpoint, trusted)))
            self._needs_context = False
        with self._session.request(
            method,
            url,
            json=payload,
            auth=_Bearer(endpoint.api_key),
            timeout=(min(endpoint.connect_timeout, limit), limit),
            verify=(endpoint.ca_path or True) if endpoint.validate_certs else False,
            proxies=None if endpoint.use_proxy else {"no_proxy": "*"},
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise BodyTooLarge()
            return Answer(
                url,
                response.status_code,
                body.decode("utf-8", "replace"),
                retry_after=response.headers.get("Retry-After"),
                location=response.headers.get("Location"),
                secret=endpoint.api_key,
            )
