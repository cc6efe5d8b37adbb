# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Document what a module promises, once per kind of module."""

from __future__ import annotations


class ModuleDocFragment:
    """Fragments fleet.ssm.attributes, .info, .resource, .action and .actiongroup."""

    # What is the same for every module of the collection.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what would change, without changing it.
  diff_mode:
    description: Returns in diff mode what changed, or would in check mode.
  idempotent:
    description: When run twice in a row with the same arguments, the second run changes nothing.
"""

    # A module that only reads.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - It changes nothing.
  diff_mode:
    support: N/A
    details:
      - It changes nothing.
  idempotent:
    support: full
    details:
      - It changes nothing.
"""

    # A module that brings a resource into a state.
    RESOURCE = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

    # A module that has AWS do something each time.
    ACTION = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - It sends nothing, and returns what it would send.
  diff_mode:
    support: none
    details:
      - What it does on nodes is not known to AWS.
  idempotent:
    support: none
    details:
      - It does what it is told each time.
"""

    ACTIONGROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/fleet.ssm.ssm) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - fleet.ssm.ssm
"""
