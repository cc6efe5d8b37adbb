# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Merge options into amazon-ssm-agent.json, and write the drop-in with the agent's proxy. Runs on the node: Python 3.6."""

import json
import typing as t

# The agent asks the instance metadata service at this address, which no proxy reaches.
METADATA = "169.254.169.254"
# Where the agent of a hybrid node leaves its credentials for others (Profile.ShareCreds), without a region.
SHARED_CREDENTIALS = "/root/.aws/credentials"
# Where those others look for the region.
SHARED_CONFIG = "/root/.aws/config"
_VARIABLES = ("http_proxy", "https_proxy")


class UnreadableError(Exception):
    """The file that is there is not a JSON object."""


def parse(text: str) -> "dict[str, t.Any]":
    """Read the file; an empty one has no options."""
    if not text.strip():
        return {}
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UnreadableError("it is not JSON ({0})".format(error)) from error
    if not isinstance(content, dict):
        raise UnreadableError("it is not a JSON object")
    return content


def merge(there: "t.Mapping[str, t.Any]", wanted: "t.Mapping[str, t.Any]") -> "dict[str, t.Any]":
    """Return what is there with what is wanted over it, object by object; None takes an option out."""
    merged = dict(there)
    for name, value in wanted.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = merge(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def render(content: "t.Mapping[str, t.Any]") -> str:
    """Write it as AWS's own template is written."""
    return json.dumps(content, indent=4) + "\n"


def drop_in(proxy: "t.Mapping[str, str | None]") -> str:
    """Return the text of the unit's drop-in for ``http``, ``https`` and ``no``, or nothing when there is no proxy."""
    values = [(name, proxy.get(name[: -len("_proxy")])) for name in _VARIABLES]
    given = [(name, value) for name, value in values if value]
    if not given:
        return ""
    exceptions = [name.strip() for name in (proxy.get("no") or "").split(",") if name.strip()]
    if METADATA not in exceptions:
        exceptions.append(METADATA)
    given.append(("no_proxy", ",".join(exceptions)))
    lines = ["Environment={0}".format(_quoted("{0}={1}".format(name, value))) for name, value in given]
    return "\n".join(["# Written by Ansible (fleet.ssm.agent_config).", "[Service]", *lines, ""])


def _quoted(text: str) -> str:
    # systemd.syntax(7): quotes and backslashes are escaped; a percent sign is doubled, or else begins a specifier.
    return '"{0}"'.format(text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%"))
