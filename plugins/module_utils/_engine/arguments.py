# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Build a module's argument spec from its documentation, so that there is one source for both."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws import options as aws_options

# PyYAML comes with ansible-core, but a module may run on another machine.
try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

Spec = dict[str, dict[str, t.Any]]

_COPIED = ("type", "required", "default", "choices", "elements", "aliases")
_PATHS = frozenset({"ca_bundle"})


def argument_spec(documentation: str, secrets: t.Container[str], from_environment: t.Callable[..., t.Any]) -> Spec:
    """Give the spec of the options a module documents, and of the AWS options, which it documents by a fragment."""
    own = yaml.safe_load(documentation).get("options", {})
    spec = {name: _argument(name, option, secrets) for name, option in own.items()}
    return {**spec, **{name: _aws_argument(name, from_environment) for name in aws_options.NAMES}}


def _argument(name: str, option: dict[str, t.Any], secrets: t.Container[str]) -> dict[str, t.Any]:
    argument = {key: option[key] for key in _COPIED if key in option}
    if "suboptions" in option:
        argument["options"] = {inner: _argument(inner, sub, secrets) for inner, sub in option["suboptions"].items()}
    # Said either way: Ansible warns of option names that look like secrets and leave it open.
    argument["no_log"] = name in secrets
    return argument


def _aws_argument(name: str, from_environment: t.Callable[..., t.Any]) -> dict[str, t.Any]:
    return {
        "type": "path" if name in _PATHS else "str",
        "no_log": name in aws_options.SECRETS,
        "fallback": (from_environment, [aws_options.environment_variable(name)]),
    }
