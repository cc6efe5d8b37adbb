# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The options of modules that load signed files, documented by the fragment fleet.ssm.download. Runs on the node: Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._downloads.transfer import Route

# URLs of proxies may hold a password.
PROXY = {
    "type": "dict",
    "options": {"http": {"type": "str", "no_log": True}, "https": {"type": "str", "no_log": True}, "no": {"type": "str"}},
}  # type: t.Dict[str, t.Any]

ARGUMENTS = {
    "fingerprints": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "accept_expired_key": {"type": "bool", "default": False, "no_log": False},
    "proxy": PROXY,
    "ca_bundle": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
}  # type: t.Dict[str, t.Any]


def route(params: "t.Mapping[str, t.Any]") -> Route:
    """Return the way to the server that the options say."""
    return Route(params["proxy"], params["ca_bundle"], params["timeout"])
