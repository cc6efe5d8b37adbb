# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say which variables a host has: what is known of the node, and how to reach it."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record

# What the connection must know to use the same identity, secrets apart.
_HANDED_ON = ("profile", "endpoint_url", "ca_bundle", "assume_role_arn", "external_id", "role_session_name")


def facts(record: Record) -> dict[str, t.Any]:
    """Give what is known of a node; with a prefix, for Ansible has meanings of its own for names such as tags."""
    return {f"ssm_{name}": value for name, value in record.items()}


def identity(options: AwsOptions) -> dict[str, t.Any]:
    """Give what the connection is to be told of the identity that listed a node."""
    said = options.public()
    return {f"ansible_ssm_{name}": said[name] for name in _HANDED_ON if name in said}


def connection(record: Record) -> dict[str, t.Any]:
    """Give the rest of what the connection is to be told."""
    shell = {"ansible_shell_type": "powershell"} if record.get("platform_type") == "Windows" else {}
    return {
        "ansible_connection": "fleet.ssm.session",
        "ansible_host": record["instance_id"],
        "ansible_ssm_region": record["region"],
        **shell,
    }
