# Copyright (c) 2026, sovereign.vllm contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of check mode, diff mode, async, platforms and the action group."""

from __future__ import annotations


class ModuleDocFragment:
    # The meaning of the attributes. A module also names INFO or WRITE, for the support of check mode and diff mode.
    DOCUMENTATION = r"""
requirements:
  - Python 3.8 or later, on the host that runs the module, or the later release that the ansible-core of the controller needs
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
    details: The module never changes anything.
  diff_mode:
    support: N/A
    details: The module never changes anything.
"""

    WRITE = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
"""

    # For the modules whose work is done on the controller. Named before the meaning of the attributes, since the first value counts.
    CONTROLLER = r"""
options: {}
attributes:
  async:
    support: none
  platform:
    details: The module runs on the controller.
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
