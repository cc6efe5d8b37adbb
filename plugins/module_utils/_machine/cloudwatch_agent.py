# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The CloudWatch agent as the package managers of this machine know it. Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._machine import installation, system

NAME = "amazon-cloudwatch-agent"
UNIT = "amazon-cloudwatch-agent.service"


def describe() -> "dict[str, t.Any]":
    """Return kind, version and unit, each None where there is none, and whether systemd runs the machine."""
    there = installation.installed(NAME)
    # No machine that works has two package managers; where one is there for looks, the first is the machine's own.
    found = dict(there[0]._asdict(), unit=UNIT) if there else dict.fromkeys(("kind", "version", "unit"))
    return dict(found, booted=system.is_booted())
