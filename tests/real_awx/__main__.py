# Copyright (c) 2026, sovereign.vllm contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python -m tests.real_awx

Starts a real AWX, prints what Ansible needs to reach it, and stops it on Ctrl-C.
"""

from __future__ import annotations

import signal
import sys

from tests.real_awx.controller import RealAwx
from tests.real_awx.images import images
from tests.real_awx.programs import MissingProgramError


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with RealAwx(images()) as awx:
            print(f"export CONTROLLER_HOST={awx.url} CONTROLLER_OAUTH_TOKEN={awx.token}", flush=True)
            print(f"# Its files, among them the output of its programs: {awx.directory}", flush=True)
            signal.pause()
    except MissingProgramError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
