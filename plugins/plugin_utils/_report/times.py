# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of a report: ISO 8601 text, in whatever time zone it was written."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime, timezone

from ansible_collections.sovereign.vllm.plugins.plugin_utils._report.text import JUDGED


def in_utc(text: str) -> str:
    """Return ISO 8601 text in UTC, as ``2027-01-31T08:00:00Z``. Without a time zone, it is in UTC.

    :raises ValueError: if it is no such text.
    """
    # Before Python 3.11, the library does not know the suffix.
    moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text.strip()))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return f"{moment.astimezone(timezone.utc).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def audited_at(fleet: Mapping, site: Mapping) -> str:
    """Return the time that the verdict on the site is about, in UTC.

    :param fleet: the report, for its time.
    """
    is_cached = fleet["source"] == "inventory" and site["verdict"] in JUDGED
    for found in (site["as_of"], site["last_seen"] if is_cached else None):
        # The inventory takes this time from a variable, in which anything can be written.
        with contextlib.suppress(ValueError, OverflowError):
            if found:
                return in_utc(found)
    return in_utc(fleet["generated_at"])


def seconds(text: str) -> float:
    """Return a time of a report in seconds since 1970."""
    return datetime.fromisoformat(in_utc(text).replace("Z", "+00:00")).timestamp()
