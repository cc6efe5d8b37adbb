# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""List the managed nodes of AWS Systems Manager as hosts: options, cache and errors; the work is in plugin_utils/_inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: managed_nodes
author:
  - The fleet.ssm contributors (@fleet-ssm)
short_description: List the managed nodes of AWS Systems Manager
version_added: 0.1.0
description:
  - Lists EC2 instances (C(i-)) and hybrid nodes (C(mi-)) that AWS Systems Manager manages in one region.
  - Each host is set up for the connection plugin P(fleet.ssm.session#connection), so that playbooks run with no more settings.
  - The file's name must end in C(ssm.yml) or C(ssm.yaml); any other C(.yml) or C(.yaml) file will do too if it says
    C(plugin=fleet.ssm.managed_nodes).
notes:
  - The AWS identity needs C(ssm:DescribeInstanceProperties), or else C(ssm:DescribeInstanceInformation), which takes twenty times
    as many calls. Tags of EC2 instances need C(ec2:DescribeInstances); tags of hybrid nodes need C(tag:GetResources), or else
    C(ssm:ListTagsForResource), which takes a call for each node.
  - If any part cannot be had, the inventory fails and says why. It is never short in silence.
  - Systems Manager lists no stopped or terminated instances.
  - Host variables start with C(ssm_), such as C(ssm_instance_id), C(ssm_kind) (V(ec2) or V(hybrid)), C(ssm_region),
    C(ssm_ping_status), C(ssm_platform_type), C(ssm_platform_name), C(ssm_platform_version), C(ssm_agent_version),
    C(ssm_computer_name), C(ssm_ip_address), C(ssm_iam_role), C(ssm_tags), and C(ssm_ec2) with O(ec2_facts).
    C(ansible-inventory --host) shows them all.
  - Text from AWS, tags for instance, is never taken for a template.
  - O(access_key), O(secret_key) and O(session_token) are not handed to the hosts, where C(ansible-inventory) would show them. Let
    the connection find credentials in the environment or by O(profile).
options:
  plugin:
    description:
      - Says that the file is for this plugin.
    type: str
    required: true
    choices: [fleet.ssm.managed_nodes]
  ping_status:
    description:
      - Only nodes with one of these ping statuses. AWS filters, so fewer nodes are transferred.
      - Without it, all nodes, those that cannot be reached now included. The group C(ping_online) holds those that can.
    type: list
    elements: str
    choices: [Online, ConnectionLost, Inactive]
    env:
      - name: FLEET_SSM_PING_STATUS
  platforms:
    description:
      - Only nodes with one of these platform types. AWS filters.
    type: list
    elements: str
    choices: [Linux, Windows, MacOS]
    env:
      - name: FLEET_SSM_PLATFORMS
  kinds:
    description:
      - Only EC2 instances, or only hybrid nodes. AWS filters.
    type: list
    elements: str
    choices: [ec2, hybrid]
    env:
      - name: FLEET_SSM_KINDS
  tags:
    description:
      - Fetch the nodes' tags, as C(ssm_tags) and groups. A call more for each 1000 EC2 instances, and for each 100 hybrid nodes.
    type: bool
    default: true
    env:
      - name: FLEET_SSM_TAGS
  ec2_facts:
    description:
      - Set C(ssm_ec2) to what EC2 knows of an instance, such as its addresses, image, network and state. With O(tags), it takes no
        call more.
    type: bool
    default: false
    env:
      - name: FLEET_SSM_EC2_FACTS
  hostnames:
    description:
      - Jinja expressions over the host variables. The first that gives text is the host's name.
      - A name that two nodes would have is given to neither. They get the next that is free, in the end their ids, and a warning
        says so.
    type: list
    elements: str
    default: [ssm_instance_id]
    env:
      - name: FLEET_SSM_HOSTNAMES
  default_groups:
    description:
      - Which groups to make without being asked.
      - V(kind) makes C(ec2) and C(hybrid).
      - V(ping) makes C(ping_online) and so on.
      - V(platform) makes C(platform_linux) and so on for the type, C(platform_ubuntu) and so on for the name.
      - V(region) makes C(region_eu_west_1) and so on.
      - V(tag) makes C(tag_KEY_VALUE) for all tags but C(Name).
      - V(patch_group) makes C(patch_group_VALUE) for the tag C(Patch Group).
      - In these names, what is neither letter nor digit is an underscore.
    type: list
    elements: str
    choices: [kind, ping, platform, region, tag, patch_group]
    default: [kind, ping, platform, region, tag, patch_group]
    env:
      - name: FLEET_SSM_DEFAULT_GROUPS
  set_connection:
    description:
      - Set C(ansible_connection) and C(ansible_host) for each host, and as C(ansible_ssm_...) the region, profile, role and
        endpoint in use.
    type: bool
    default: true
    env:
      - name: FLEET_SSM_SET_CONNECTION
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.aws.plugins
  - ansible.builtin.inventory_cache
  - ansible.builtin.constructed
"""

EXAMPLES = r"""
# fleet.ssm.yml - all of the region: ansible-inventory -i fleet.ssm.yml --graph
plugin: fleet.ssm.managed_nodes

---
# production.ssm.yml - online Linux nodes, called by their Name tag, cached for ten minutes
plugin: fleet.ssm.managed_nodes
region: eu-west-1
profile: production
ping_status: [Online]
platforms: [Linux]
hostnames:
  - ssm_tags.Name
  - ssm_computer_name
keyed_groups:
  - key: ssm_tags.env
    prefix: env
groups:
  outdated: ssm_agent_version is version('3.3.0.0', '<')
compose:
  site: ssm_tags.site | default('cloud')
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /tmp/fleet-ssm-inventory
cache_timeout: 600

---
# billing.ssm.yml - the nodes of another account; the connection assumes the same role
plugin: fleet.ssm.managed_nodes
region: us-east-1
assume_role_arn: arn:aws:iam::123456789012:role/ansible
external_id: fleet
"""

import functools
import pathlib
import re
import time
import typing as t

import ansible.template
from ansible.errors import AnsibleError, AnsibleParserError, AnsibleUndefinedVariable
from ansible.module_utils.common.text.converters import to_native
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.loader import connection_loader, shell_loader
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.fleet.ssm.plugins.module_utils._aws import options as aws_options
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import environment, open_session
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory import caching, grouping
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.listing import Query, list_nodes

_SUFFIXES = ("ssm.yml", "ssm.yaml")
_NAMES_US = re.compile(r"""^plugin:\s*["']?fleet\.ssm\.managed_nodes["']?\s*(#.*)?$""", re.MULTILINE)
_RESOURCE_TYPES = {"ec2": "EC2Instance", "hybrid": "ManagedInstance"}

# What the connection must know to use the same identity, secrets apart.
_HANDED_ON = ("profile", "endpoint_url", "ca_bundle", "assume_role_arn", "external_id", "role_session_name")


# Since 2.19, ansible-core takes for templates only what it is told to trust, and before, all text that was not marked as unsafe.
_TRUST = getattr(ansible.template, "trust_as_template", None)


@functools.lru_cache(maxsize=65536)
def _marked(text: str) -> str:
    """Mark text so that a template stays text, and ansible-inventory shows the rest as plain JSON on every ansible-core."""
    if "{" in text:
        return str(text) if _TRUST is not None else t.cast("str", wrap_var(text))
    return t.cast("str", _TRUST(text)) if _TRUST is not None else text


def _inert(value: t.Any) -> t.Any:
    """Mark all text within a value."""
    if isinstance(value, str):
        return _marked(value)
    if isinstance(value, dict):
        return {_marked(key): _inert(item) for key, item in value.items()}
    return [_inert(item) for item in value] if isinstance(value, list) else value


def _load_connection() -> None:
    """Load what the nodes' tasks run with: their workers are forks, and each would load it again, for every task."""
    connection_loader.get("fleet.ssm.session", class_only=True)
    shell_loader.get("sh", class_only=True)


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Managed nodes as hosts."""

    NAME = "fleet.ssm.managed_nodes"

    def verify_file(self, path: str) -> bool:
        """Take files that end in ssm.yml, and YAML files that name this plugin."""
        if not super().verify_file(path):
            return False
        if path.endswith(_SUFFIXES):
            return True
        return path.endswith((".yml", ".yaml")) and bool(_NAMES_US.search(pathlib.Path(path).read_text(errors="replace")))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Fill the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            nodes = self._nodes(path, cache)
        except AwsFailure as failure:
            # Without its cause, which Ansible would print after it; the sentence says it all.
            raise AnsibleParserError(str(failure)) from None
        start = time.monotonic()
        self._add_hosts(nodes)
        _load_connection()
        self.display.vv(f"{path}: {len(nodes)} nodes made into hosts and groups in {time.monotonic() - start:.1f} s")

    def _nodes(self, path: str, cache: bool) -> list[Record]:
        """Take the nodes from the cache, if they answer this very question, or else from AWS."""
        wanted = bool(self.get_option("cache"))
        key = self.get_cache_key(path)
        question = caching.fingerprint(self._question())
        if wanted and cache:
            kept = caching.unpack(self._kept(key), question)
            if kept is not None:
                self.display.vv(f"{path}: {len(kept)} nodes taken from the cache")
                return kept
        nodes = self._ask(path)
        if wanted:
            self._cache[key] = caching.pack(nodes, question)
        return nodes

    def _kept(self, key: str) -> t.Any:
        try:
            return self._cache[key]
        except KeyError:
            return None

    def _ask(self, path: str) -> list[Record]:
        start = time.monotonic()
        nodes = list_nodes(open_session(self._aws_options()), self._query(), lambda line: self.display.v(f"{path}: {line}"))
        self.display.vv(f"{path}: {len(nodes)} nodes listed in {time.monotonic() - start:.1f} s")
        return nodes

    def _aws_options(self) -> aws_options.AwsOptions:
        return aws_options.AwsOptions.from_mapping({name: self.get_option(name) for name in aws_options.NAMES})

    def _query(self) -> Query:
        return Query(
            ping_status=tuple(self.get_option("ping_status") or ()),
            platforms=tuple(self.get_option("platforms") or ()),
            resource_types=tuple(_RESOURCE_TYPES[kind] for kind in self.get_option("kinds") or ()),
            tags=self.get_option("tags"),
            ec2_facts=self.get_option("ec2_facts"),
        )

    def _question(self) -> dict[str, t.Any]:
        """Give all that decides what the answer is: the filters, and whose account is asked."""
        return {"query": vars(self._query()), "aws": self._aws_options().public(), "environment": environment()}

    def _add_hosts(self, nodes: list[Record]) -> None:
        variables = {node["instance_id"]: {name: _inert(value) for name, value in self._variables(node).items()} for node in nodes}
        names = self._names(variables)
        families = frozenset(self.get_option("default_groups"))
        hosts: t.Any = self.inventory
        for node in nodes:
            name = names[node["instance_id"]]
            hosts.add_host(name)
            for variable, value in variables[node["instance_id"]].items():
                hosts.set_variable(name, variable, value)
            for group in grouping.group_names(node, families):
                hosts.add_child(hosts.add_group(group), name)
            self._construct(name, variables[node["instance_id"]])

    def _construct(self, host: str, variables: dict[str, t.Any]) -> None:
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)

    def _variables(self, node: Record) -> dict[str, t.Any]:
        facts = {f"ssm_{name}": value for name, value in node.items()}
        return {**facts, **self._connection(node)} if self.get_option("set_connection") else facts

    def _connection(self, node: Record) -> dict[str, t.Any]:
        identity = {f"ansible_ssm_{name}": self.get_option(name) for name in _HANDED_ON if self.get_option(name)}
        shell = {"ansible_shell_type": "powershell"} if node.get("platform_type") == "Windows" else {}
        return {
            "ansible_connection": "fleet.ssm.session",
            "ansible_host": node["instance_id"],
            "ansible_ssm_region": node["region"],
            **identity,
            **shell,
        }

    def _names(self, variables: dict[str, dict[str, t.Any]]) -> dict[str, str]:
        candidates = {node_id: self._candidates(node_id, of_node) for node_id, of_node in variables.items()}
        names = grouping.host_names(candidates)
        refused = {wanted[0] for node_id, wanted in candidates.items() if wanted and wanted[0] != names[node_id]}
        if refused:
            shown = ", ".join(sorted(refused)[:10]) + (", ..." if len(refused) > 10 else "")
            self.display.warning(f"Several nodes would have the same name, so none of them has it: {shown}")
        return names

    def _candidates(self, node_id: str, variables: dict[str, t.Any]) -> list[str]:
        names = (self._name(node_id, expression, variables) for expression in self.get_option("hostnames"))
        return [name for name in names if name]

    def _name(self, node_id: str, expression: str, variables: dict[str, t.Any]) -> str:
        if expression in variables:
            return str(variables[expression] or "")
        try:
            return str(self._compose(expression, variables) or "")
        except AnsibleUndefinedVariable:  # a node without the tag is what the next expression is for
            return ""
        except AnsibleError as error:
            raise AnsibleParserError(f"hostnames: {expression!r} does not work for {node_id}: {to_native(error)}") from None
