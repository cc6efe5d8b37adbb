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
  - Lists EC2 instances (C(i-)) and hybrid nodes (C(mi-)) that AWS Systems Manager manages, of one region or of many regions and
    accounts.
  - A file with the one line C(plugin=fleet.ssm.managed_nodes), as YAML, is a working inventory of the account and region that the
    AWS command line would use. Save it as C(ssm.yml) and try C(ansible-inventory -i ssm.yml --graph).
  - Each host is set up for the connection plugin P(fleet.ssm.session#connection), so that playbooks run with no more settings. It
    reaches a node by the same profile, role and region that listed it.
  - The file's name must end in C(ssm.yml) or C(ssm.yaml); any other C(.yml) or C(.yaml) file will do too if it says
    C(plugin=fleet.ssm.managed_nodes).
notes:
  - The AWS identity needs C(ssm:DescribeInstanceProperties), or else C(ssm:DescribeInstanceInformation), which takes twenty times
    as many calls. Tags of EC2 instances need C(ec2:DescribeInstances); tags of hybrid nodes need C(tag:GetResources), or else
    C(ssm:ListTagsForResource), which takes a call for each node. What the other options need is said there.
  - If any part cannot be had, the inventory fails and says why, unless O(on_error=warn). It is never short in silence.
  - Throttling is waited out.
  - Systems Manager lists no stopped or terminated instances.
  - Host variables start with C(ssm_), such as C(ssm_instance_id), C(ssm_kind) (V(ec2) or V(hybrid)), C(ssm_region),
    C(ssm_account_id), C(ssm_ping_status), C(ssm_platform_type), C(ssm_platform_name), C(ssm_platform_version),
    C(ssm_agent_version), C(ssm_computer_name), C(ssm_ip_address), C(ssm_iam_role), C(ssm_source_type), C(ssm_tags), and what the
    options below add. C(ansible-inventory --host) shows them all.
  - C(ssm_account_id) is set where it is known or asked for anyway, which is the case with O(tags), with roles, and with several
    O(profiles).
  - Text from AWS, tags for instance, is never taken for a template.
  - O(access_key), O(secret_key) and O(session_token) are not handed to the hosts, where C(ansible-inventory) would show them. Let
    the connection find credentials in the environment or by O(profile).
  - With C(-v) it is told how long each phase took, with C(-vv) also how long each account and region took.
options:
  plugin:
    description:
      - Says that the file is for this plugin.
    type: str
    required: true
    choices: [fleet.ssm.managed_nodes]
  regions:
    description:
      - List these regions, or with V(all) every region that the account has enabled, which takes one call more
        (C(ec2:DescribeRegions)).
      - Without it, O(region), which without being set is that of the environment or the profile.
    type: list
    elements: str
    env:
      - name: FLEET_SSM_REGIONS
  profiles:
    description:
      - List the nodes of each of these profiles, instead of O(profile).
    type: list
    elements: str
    env:
      - name: FLEET_SSM_PROFILES
  roles:
    description:
      - Assume each of these roles and list its nodes, in each of O(regions). The roles are assumed with O(profile), or whatever
        identity there is.
      - Each is a role's ARN, or a dictionary of C(arn), C(external_id) and C(session_name). What an entry leaves out is taken from
        O(external_id) and O(role_session_name). V(self) is the identity itself.
      - In the environment variable, ARNs with commas between them, or a JSON list.
    type: raw
    env:
      - name: FLEET_SSM_ROLES
  sync_name:
    description:
      - List the nodes of all accounts and regions of an organisation, by C(ssm:ListNodes) and this resource data sync. That of the
        unified console is V(AWS-QuickSetup-ManagedNode). It takes one call for 50 nodes, and no role to be assumed.
      - Tags, EC2 facts and reports are then asked of each account and region where there are nodes, by O(organization_role).
      - There are C(ssm_organizational_unit_id) and C(ssm_organizational_unit_path) then, but no C(ssm_ping_status).
    type: str
    env:
      - name: FLEET_SSM_SYNC_NAME
  organization_role:
    description:
      - With O(sync_name), the role that opens the accounts of the organisation, for the questions that O(sync_name) does not answer
        and for sessions. A role's name, or an ARN with V({account}) in it.
      - The account of the identity itself is opened without.
    type: str
    env:
      - name: FLEET_SSM_ORGANIZATION_ROLE
  on_error:
    description:
      - What to do when an account or region cannot be listed.
      - V(fail) fails, and names every such part and the IAM action that is missing.
      - V(warn) says the same as a warning and lists the rest. Where O(cache) has an earlier answer, however old, that is used
        instead, and the warning says of when it is. When nothing at all could be listed, it fails too.
    type: str
    choices: [fail, warn]
    default: fail
    env:
      - name: FLEET_SSM_ON_ERROR
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
  tag_filters:
    description:
      - Only nodes with these tags, all of them. A value, a list of values of which one must be the tag's, or nothing when the tag
        must just be there.
      - EC2 and the tagging API filter, which unlike Systems Manager take several tags, together with any other filter. They are
        asked for the tags of those nodes only.
      - In the environment variable, C(key=value) with commas between them, or a JSON object.
    type: raw
    env:
      - name: FLEET_SSM_TAG_FILTERS
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
  unmanaged:
    description:
      - List running EC2 instances that are I(not) managed too, in the group C(unmanaged), so that it can be seen what is missing.
        Their C(ssm_managed) is V(false), and they have none of the groups of kind, ping status and platform.
      - With O(tags) or O(ec2_facts), it takes no call more.
    type: bool
    default: false
    env:
      - name: FLEET_SSM_UNMANAGED
  patch_state:
    description:
      - Set C(ssm_patch) to the result of the last patch scan or installation, such as C(ssm_patch.missing_count). It is empty for
        nodes that had none.
      - A call for each 50 nodes, and C(ssm:DescribeInstancePatchStates).
    type: bool
    default: false
    env:
      - name: FLEET_SSM_PATCH_STATE
  compliance:
    description:
      - Set C(ssm_compliance) to a summary for each compliance type, such as C(ssm_compliance.Patch.status).
      - V(non_compliant) fetches only those that are not compliant, V(all) all of them. A call for each 50 summaries, and
        C(ssm:ListResourceComplianceSummaries).
    type: str
    choices: [non_compliant, all]
    env:
      - name: FLEET_SSM_COMPLIANCE
  inventory_types:
    description:
      - Set C(ssm_inventory) to what Systems Manager's Inventory has of these types, such as V(AWS:Application) or V(Custom:Rack).
        It is a dictionary with a list of entries for each type.
      - For each type, a call for each 50 nodes, and C(ssm:GetInventory).
    type: list
    elements: str
    env:
      - name: FLEET_SSM_INVENTORY_TYPES
  associations:
    description:
      - Set C(ssm_associations) to the State Manager associations of a node and their status. C(ssm_association_status), which sums
        them up, is there without.
      - A call for each node that has any, and C(ssm:DescribeInstanceAssociationsStatus).
    type: bool
    default: false
    env:
      - name: FLEET_SSM_ASSOCIATIONS
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
      - V(account) makes C(account_123456789012) and so on, where C(ssm_account_id) is set.
      - V(tag) makes C(tag_KEY_VALUE) for all tags but C(Name).
      - V(patch_group) makes C(patch_group_VALUE) for the tag C(Patch Group).
      - In these names, what is neither letter nor digit is an underscore.
    type: list
    elements: str
    choices: [kind, ping, platform, region, account, tag, patch_group]
    default: [kind, ping, platform, region, account, tag, patch_group]
    env:
      - name: FLEET_SSM_DEFAULT_GROUPS
  set_connection:
    description:
      - Set C(ansible_connection) and C(ansible_host) for each host, C(ansible_shell_type) for Windows, and as C(ansible_ssm_...)
        the region, profile, role and endpoint in use.
    type: bool
    default: true
    env:
      - name: FLEET_SSM_SET_CONNECTION
  cache_timeout:
    description:
      - How many seconds an answer may be used again. Each account and region has an answer of its own, and one to other options, of
        another account or with another filter, is never used.
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.aws.plugins
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
"""

EXAMPLES = r"""
# ssm.yml - all nodes of the account and region that the AWS command line would use
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
# company.ssm.yml - three accounts in all their regions; one that cannot be listed is told, and its last list used
plugin: fleet.ssm.managed_nodes
regions: [all]
roles:
  - self
  - arn:aws:iam::111122223333:role/ansible
  - arn: arn:aws:iam::444455556666:role/ansible
    external_id: fleet
on_error: warn
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /tmp/fleet-ssm-inventory

---
# organization.ssm.yml - every node of the organisation; to be run in the account that administers Systems Manager for it
plugin: fleet.ssm.managed_nodes
region: eu-west-1
sync_name: AWS-QuickSetup-ManagedNode
organization_role: ansible

---
# patching.ssm.yml - web servers of production, grouped by whether patches are missing; and what no agent looks after
plugin: fleet.ssm.managed_nodes
region: eu-west-1
tag_filters:
  env: prod
  role: [web, proxy]
unmanaged: true
patch_state: true
groups:
  unpatched: ssm_patch.missing_count | default(0) > 0

---
# billing.ssm.yml - the nodes of another account; the connection assumes the same role
plugin: fleet.ssm.managed_nodes
region: us-east-1
assume_role_arn: arn:aws:iam::123456789012:role/ansible
external_id: fleet
"""

import pathlib
import re
import time
import typing as t

from ansible.errors import AnsibleError, AnsibleParserError, AnsibleUndefinedVariable
from ansible.module_utils.common.text.converters import to_native
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.loader import connection_loader, shell_loader
from ansible.utils.vars import combine_vars
from ansible_collections.fleet.ssm.plugins.module_utils._aws import options as aws_options
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory import expressions, grouping, sources, telling, variables
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.caching import Cache
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.gathering import gather
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.marking import inert, trusted
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.parts import Part, Wanted
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.query import BadQuery, Query, tag_filters
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.remembering import RememberingTemplar

_SUFFIXES = ("ssm.yml", "ssm.yaml")
_NAMES_US = re.compile(r"""^plugin:\s*["']?fleet\.ssm\.managed_nodes["']?\s*(#.*)?$""", re.MULTILINE)

_Variables = dict[str, t.Any]


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
        templar: t.Any = RememberingTemplar(self.templar)
        self.templar = templar
        self._read_config_data(path)
        try:
            parts = self._gather(path, cache)
        except (AwsFailure, BadQuery, sources.BadSource) as failure:
            # Without its cause, which Ansible would print after it; the sentence says it all.
            raise AnsibleParserError(str(failure)) from None
        self._add_hosts(path, parts)
        _load_connection()

    # -- what AWS says ------------------------------------------------------------------------------------------------

    def _gather(self, path: str, fresh: bool) -> list[Part]:
        """Gather the nodes, and say how long that took and what is missing."""
        began = time.monotonic()
        key = self.get_cache_key(path)
        caching = bool(self.get_option("cache"))
        seconds = float(self.get_option("cache_timeout") or 0)
        cache = Cache(self._kept(key) if caching else None, time.time(), seconds, fresh)
        gathered = gather(self._wanted(), cache, lambda line, level: self.display.verbose(f"{path}: {line}", caplevel=level - 1))
        if gathered.missing:
            nothing_is_left = all(one.kept_at is None for one in gathered.missing) and len(gathered.missing) == len(gathered.parts)
            if self.get_option("on_error") == "fail" or nothing_is_left:
                raise AnsibleParserError(telling.failure(gathered.missing, len(gathered.parts)))
            for line in telling.warnings(gathered.missing):
                self.display.warning(f"{path}: {line}")
        if caching:
            self._cache[key] = cache.pack()
        count = sum(len(part.records) for part in gathered.parts)
        self.display.v(
            f"{path}: {count} nodes of {len(gathered.parts)} accounts and regions ({gathered.from_cache} from the cache)"
            f" gathered in {time.monotonic() - began:.1f} s"
        )
        return gathered.parts

    def _kept(self, key: str) -> t.Any:
        """Give what the cache has, whatever its age; the cache plugin, left to judge that, would forget what is needed in need."""
        seconds = self.get_option("cache_timeout")
        self.set_option("cache_timeout", 0)
        self.load_cache_plugin()
        self.set_option("cache_timeout", seconds)
        try:
            return self._cache[key]
        except KeyError:
            return None

    def _wanted(self) -> Wanted:
        base = aws_options.AwsOptions.from_mapping({name: self.get_option(name) for name in aws_options.NAMES})
        query = self._query()
        query.check()
        return Wanted(
            identities=tuple(sources.identities(base, self._list("profiles"), self.get_option("roles"))),
            query=query,
            regions=self._list("regions"),
            sync_name=self.get_option("sync_name") or "",
            organization_role=self.get_option("organization_role") or "",
        )

    def _query(self) -> Query:
        return Query(
            ping_status=self._list("ping_status"),
            platforms=self._list("platforms"),
            kinds=self._list("kinds"),
            tag_filters=tag_filters(self.get_option("tag_filters")),
            tags=self.get_option("tags"),
            ec2_facts=self.get_option("ec2_facts"),
            unmanaged=self.get_option("unmanaged"),
            patch_state=self.get_option("patch_state"),
            compliance=self.get_option("compliance") or "",
            inventory_types=self._list("inventory_types"),
            associations=self.get_option("associations"),
        )

    def _list(self, option: str) -> tuple[str, ...]:
        """Give a list; an environment variable that is empty, as AWX sets for a field that was not filled in, is one empty text."""
        return tuple(item for item in self.get_option(option) or () if item)

    # -- what Ansible is to know --------------------------------------------------------------------------------------

    def _add_hosts(self, path: str, parts: list[Part]) -> None:
        began = time.monotonic()
        # A node that two identities see is reached by the first.
        nodes: dict[str, tuple[Record, _Variables]] = {}
        for part in parts:
            identity = {name: trusted(value) for name, value in variables.identity(part.options).items()}
            for record in part.records:
                nodes.setdefault(record["instance_id"], (record, self._variables(record, identity)))
        names = self._names({node_id: of_node for node_id, (_record, of_node) in nodes.items()})
        named = time.monotonic()
        families = frozenset(self.get_option("default_groups"))
        fetch = self._must_fetch_variables()
        hosts: t.Any = self.inventory
        for node_id, (record, of_node) in nodes.items():
            name = names[node_id]
            hosts.add_host(name)
            for variable, value in of_node.items():
                hosts.set_variable(name, variable, value)
            for group in grouping.group_names(record, families):
                hosts.add_child(hosts.add_group(group), name)
            self._construct(name, of_node, fetch)
        self.display.v(
            f"{path}: {len(nodes)} hosts named in {named - began:.1f} s, and added, with {len(hosts.groups)} groups,"
            f" in {time.monotonic() - named:.1f} s"
        )

    def _variables(self, record: Record, identity: _Variables) -> _Variables:
        facts: _Variables = inert(variables.facts(record))
        return {**facts, **inert(variables.connection(record)), **identity} if self.get_option("set_connection") else facts

    def _must_fetch_variables(self) -> bool:
        """Whether an expression may need what Ansible has of a host besides: its groups, of which it gets more all the while."""
        keyed = [entry for entry in self.get_option("keyed_groups") or () if isinstance(entry, dict)]
        texts = [*(self.get_option("groups") or {}).values(), *(entry.get("key") for entry in keyed)]
        known = all(expressions.of_expression(str(text)) is not None for text in texts)
        return not known or any("{" in str(entry.get("parent_group")) for entry in keyed)

    def _construct(self, host: str, of_node: _Variables, fetch: bool) -> None:
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), of_node, host, strict=strict)
        groups, keyed = self.get_option("groups"), self.get_option("keyed_groups")
        if not groups and not keyed:
            return
        if not fetch:
            hosts: t.Any = self.inventory
            of_node = combine_vars(of_node, hosts.get_host(host).get_vars())
        self._add_host_to_composed_groups(groups, of_node, host, strict=strict, fetch_hostvars=fetch)
        self._add_host_to_keyed_groups(keyed, of_node, host, strict=strict, fetch_hostvars=fetch)

    def _names(self, of_nodes: dict[str, _Variables]) -> dict[str, str]:
        candidates = {node_id: self._candidates(node_id, of_node) for node_id, of_node in of_nodes.items()}
        names = grouping.host_names(candidates)
        refused = {wanted[0] for node_id, wanted in candidates.items() if wanted and wanted[0] != names[node_id]}
        if refused:
            self.display.warning(
                f"Several nodes would have the same name, so none of them has it: {telling.shown(sorted(refused))}"
            )
        return names

    def _candidates(self, node_id: str, of_node: _Variables) -> list[str]:
        names = (self._name(node_id, trusted(expression), of_node) for expression in self.get_option("hostnames"))
        return [name for name in names if name]

    def _name(self, node_id: str, expression: str, of_node: _Variables) -> str:
        if expression in of_node:
            return str(of_node[expression] or "")
        try:
            return str(self._compose(expression, of_node) or "")
        except AnsibleUndefinedVariable:  # a node without the tag is what the next expression is for
            return ""
        except AnsibleError as error:
            raise AnsibleParserError(f"hostnames: {expression!r} does not work for {node_id}: {to_native(error)}") from None
