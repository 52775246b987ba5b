# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask many servers what they serve, as a script does it: a pool of threads, and requests.

usage: plain_threads.py FILE
FILE holds the URLs and the timeout in seconds as JSON. Prints how many answered.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

settings = json.loads(Path(sys.argv[1]).read_text())
URLS, TIMEOUT = settings["urls"], settings["timeout"]


def _look(url: str) -> tuple[list, str] | None:
    try:
        with requests.Session() as session:
            models = session.get(f"{url}/v1/models", timeout=TIMEOUT).json()["data"]
            return models, session.get(f"{url}/version", timeout=TIMEOUT).json()["version"]
    except requests.RequestException:
        return None


with ThreadPoolExecutor(len(URLS)) as pool:
    print(sum(seen is not None for seen in pool.map(_look, URLS)))
