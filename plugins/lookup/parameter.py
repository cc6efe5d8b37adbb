# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Look up values of Parameter Store."""

from __future__ import annotations

DOCUMENTATION = r"""
name: parameter
author:
  - The fleet.ssm contributors (@fleet-ssm)
short_description: Look up values of the Parameter Store of AWS Systems Manager
version_added: 0.1.0
description:
  - Gives the values of parameters by their names, or of all parameters below a path.
  - All names of one lookup are asked for together, ten with each call. All below a path take a call for each ten of them.
  - It runs on the controller, as lookups do, and with the controller's AWS credentials unless options say otherwise. It needs the
    IAM action C(ssm:GetParameters), or C(ssm:GetParametersByPath) with O(by_path), and for a SecureString with a key of your own
    also C(kms:Decrypt) of the key.
options:
  _terms:
    description:
      - Names or ARNs of parameters. C(NAME:3) is the version 3 of one, C(NAME:LABEL) the version that has a label.
      - With O(by_path), paths such as V(/plant7/database).
    type: list
    elements: str
    required: true
  by_path:
    description:
      - Whether to look up all parameters below a path. Each path then gives a dictionary of values by names.
    type: bool
    default: false
  recursive:
    description:
      - Whether, with O(by_path), those further down count too, and not only those right below the path.
    type: bool
    default: false
  names:
    description:
      - How parameters are called in the dictionaries that O(by_path) gives, V(full) with their whole names, V(relative) with what
        comes after the path.
    type: str
    choices: [full, relative]
    default: full
  decrypt:
    description:
      - Whether the values of SecureString parameters are decrypted.
    type: bool
    default: true
  on_missing:
    description:
      - What to do about a name that AWS does not know, or a path that has nothing below it.
      - V(error) fails, naming all that are missing. V(warn) says so in a warning. V(skip) says nothing. With the last two the value
        is null, the dictionary of a path empty.
    type: str
    choices: [error, warn, skip]
    default: error
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.aws.plugins
seealso:
  - module: fleet.ssm.parameter
  - module: fleet.ssm.parameter_info
"""

EXAMPLES = r"""
- name: Show a value
  ansible.builtin.debug:
    msg: "{{ lookup('fleet.ssm.parameter', '/plant7/database/host') }}"

- name: Take a value of another region, or what is to be without it
  ansible.builtin.debug:
    msg: "{{ lookup('fleet.ssm.parameter', '/plant7/port', region='eu-west-1', on_missing='skip') | default(5432, true) }}"

- name: Look up two values with one call, the first as it was in version 3
  ansible.builtin.debug:
    msg: "{{ query('fleet.ssm.parameter', '/plant7/database/host:3', '/plant7/database/user') }}"

- name: Use all settings below a path
  ansible.builtin.template:
    src: press.conf.j2
    dest: /etc/press.conf
    mode: "0600"
  vars:
    settings: "{{ lookup('fleet.ssm.parameter', '/plant7', by_path=true, recursive=true, names='relative') }}"
  no_log: true
"""

RETURN = r"""
_raw:
  description:
    - The value of each name, in the order of the names; null for one that is missing.
    - With O(by_path), for each path a dictionary of values by names.
  type: list
  elements: raw
  sample: [db.plant7.example.com]
"""

import functools
import os
import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.fleet.ssm.plugins.module_utils._aws import options as aws_options
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import open_session
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._parameters import reading

_display = Display()


class LookupModule(LookupBase):
    """Values of parameters."""

    def run(self, terms: t.Sequence[t.Any], variables: t.Any = None, **options: t.Any) -> list[t.Any]:
        """Ask AWS for all of them."""
        self.set_options(var_options=variables, direct=options)
        said = aws_options.AwsOptions.from_mapping({name: self.get_option(name) for name in aws_options.NAMES})
        names = _flat(terms)
        try:
            api = _api(said, os.getpid())
            return self._below(api, names) if self.get_option("by_path") else self._called(api, names)
        except AwsFailure as failure:
            # Without its cause, which Ansible would print after it; the sentence says it all.
            raise AnsibleLookupError(str(failure)) from None

    def _called(self, api: Api, names: list[str]) -> list[t.Any]:
        found, unknown = reading.by_names(api, names, self.get_option("decrypt"))
        self._miss([f"There is no parameter {name}." for name in unknown])
        return [found[name]["Value"] if name in found else None for name in names]

    def _below(self, api: Api, paths: list[str]) -> list[t.Any]:
        recursive, decrypt = self.get_option("recursive"), self.get_option("decrypt")
        found = {path: reading.by_path(api, path, recursive, decrypt) for path in paths}
        self._miss([f"There is no parameter below {path}." for path, below in found.items() if not below])
        return [{self._name(path, one["Name"]): one["Value"] for one in found[path]} for path in paths]

    def _name(self, path: str, name: str) -> str:
        return name.removeprefix(path).lstrip("/") if self.get_option("names") == "relative" else name

    def _miss(self, sentences: list[str]) -> None:
        on_missing = self.get_option("on_missing")
        if not sentences or on_missing == "skip":
            return
        told = " ".join([*sentences, "Check the name, the region and the account."])
        if on_missing == "error":
            raise AnsibleLookupError(f"{told} Set on_missing=skip to do without.")
        _display.warning(told)


@functools.cache
def _api(said: aws_options.AwsOptions, _process: int) -> Api:
    """Open a session once; not one for two processes, which would read each other's answers."""
    return Api(open_session(said).client("ssm"))


def _flat(terms: t.Sequence[t.Any]) -> list[str]:
    return [str(name) for term in terms for name in (term if isinstance(term, list) else [term])]
