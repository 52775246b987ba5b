# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules say about check mode, diff mode, async, platforms and the action group."""

from __future__ import annotations


class ModuleDocFragment:
    # What the attributes mean. A module names one of INFO and WRITE besides, which say how far they are supported.
    DOCUMENTATION = r"""
requirements:
  - Python 3.8 or later, on the host that runs the module, or a later one if the ansible-core of the controller asks for it
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing, in C(diff_mode).
  async:
    description: Supports being used with the C(async) keyword.
    support: full
  platform:
    description: Target OS/families that can be operated against.
    support: full
    platforms: posix
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: It never changes anything.
  diff_mode:
    support: N/A
    details: It never changes anything.
"""

    WRITE = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
"""

    # For the modules that take the connection options.
    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/sovereign.vllm.vllm) in C(module_defaults) to set the connection options of all members.
    support: full
    membership:
      - sovereign.vllm.vllm
"""
