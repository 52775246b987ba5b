# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one third-party library, imported so that its absence can be reported the way Ansible reports it."""

from __future__ import annotations

import traceback

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
