# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What adapter_config.json declares for each module, as PEFT and vLLM 0.32 read ``rank_pattern`` and ``alpha_pattern``."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
import warnings

from ._artifact_files import ArtifactError
from ._artifact_text import shown

MATCHING_TIME = 3.0  # seconds for all keys of a pattern and all modules, in which the engine would stand still; milliseconds are usual


class _TooSlow(Exception):
    pass


def declared_values(modules, field: str, default, pattern: dict) -> dict:
    """Return what is declared for each module, by name.

    :param modules: names of modules, without ``base_model.model.``.
    :param field: the key of the pattern in adapter_config.json, for messages.
    :param default: the value for modules that no pattern matches.
    :param pattern: values by regular expressions for the end of a name, from a dot on. The first match counts.
    :raises ArtifactError: when a key is no regular expression, or is one that takes for ever.
    """
    try:
        with _time_limit(MATCHING_TIME):
            patterns = [(_compiled(field, key), value) for key, value in pattern.items()]
            return {
                module: next((value for key, value in patterns if key.match(_parameter(module))), default)
                for module in modules
            }
    except _TooSlow:
        raise ArtifactError(
            f"adapter_config.json: {field} takes more than {MATCHING_TIME:.0f} seconds to match, and vLLM matches it as well: "
            "write out the names of the modules."
        ) from None


def _compiled(field, key):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(rf"(.*\.)?({key})$")
    except (re.error, OverflowError, RecursionError):
        raise ArtifactError(
            f"adapter_config.json: {field} has the key {shown(key)}, which is not a regular expression."
        ) from None


def _parameter(module):
    # PEFT stores LoRA on the parameters of fused experts under the module, and matches patterns against the parameters.
    if module.endswith(".experts.base_layer"):
        return module[: -len("base_layer")] + "gate_up_proj"
    return module + ".down_proj" if module.endswith(".experts") else module


@contextlib.contextmanager
def _time_limit(seconds):
    """Raise ``_TooSlow`` in the block after so many seconds: a regular expression cannot be stopped in any other way.

    Without effect outside of the main thread, and where somebody else's alarm comes earlier.
    """
    outer, interval = signal.getitimer(signal.ITIMER_REAL)
    if threading.current_thread() is not threading.main_thread() or 0 < outer < seconds:
        yield
        return

    def stop(*_unused):
        raise _TooSlow

    started = time.monotonic()
    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous or signal.SIG_DFL)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - started), 0.001), interval)
