# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a page about a fleet."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_page
author:
  - The fleet.ssm contributors (@fleet-ssm)
short_description: Make a page about managed nodes, their patches and agents
version_added: 0.1.0
description:
  - Counts what M(fleet.ssm.managed_node_info) and M(fleet.ssm.patch_info) return, and renders a Jinja template with it, such as
    the one of the role P(fleet.ssm.report#role).
  - The template is rendered by Jinja and not by Ansible. Every value is escaped, so that the name of a node can never be markup.
    There are Jinja's own filters and tests and none of Ansible's.
  - Its variables are C(title), C(most) (O(most_rows)) and C(page). In C(page) are C(totals), C(map), C(patch_groups),
    C(severities), C(patches), C(agents), C(platforms), C(silent) (nodes of which AWS hears no more), C(needing) (those with
    patches to install), C(well) (the rest), C(changes), C(places), C(states) and C(as_of), the time of the newest data.
  - The same data gives the same page.
positional: patching, template
options:
  _input:
    description:
      - What M(fleet.ssm.managed_node_info) returned, once for each place, an account in a region.
    type: list
    elements: dict
    required: true
  patching:
    description:
      - What M(fleet.ssm.patch_info) returned of the same places. Patches by their severities need its
        O(fleet.ssm.patch_info#module:patches).
    type: list
    elements: dict
    required: true
  template:
    description: The text of the template.
    type: str
    required: true
  title:
    description: What stands on top of the page.
    type: str
    default: Fleet report
  places:
    description:
      - The places, with C(name), or else C(region), C(profile) or C(assume_role_arn), which are then the name. Without it, there is
        one, with no name.
    type: list
    elements: dict
    default: [{}]
  group_by:
    description: How the squares of the map are grouped.
    type: str
    choices: [place, platform, patch_group]
    default: platform
  most_rows:
    description: How many nodes a table shows at first.
    type: int
    default: 50
  changes:
    description: What a run changed, as C(nodes) of M(fleet.ssm.patch). A member C(failure) says why a node failed.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: List the nodes
  fleet.ssm.managed_node_info:
  register: listed

- name: Read how they are patched
  fleet.ssm.patch_info:
    patches: problems
  register: patched

- name: Write a page of your own
  ansible.builtin.copy:
    content: "{{ [listed] | fleet.ssm.fleet_page([patched], lookup('ansible.builtin.file', 'fleet.html.j2')) }}"
    dest: fleet.html
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
  sample: "<p>20 nodes, 17 compliant</p>"
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.page import GROUPINGS, page
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.rendering import BadTemplateError, rendered

Rows = list[dict[str, t.Any]]


def fleet_page(
    listed: Rows,
    patching: Rows,
    template: str,
    title: str = "Fleet report",
    places: Rows | None = None,
    group_by: str = "platform",
    most_rows: int = 50,
    changes: Rows | None = None,
) -> str:
    """Make the page, or say what is wrong with what it is to be made of."""
    known = [{}] if places is None else places
    _check(listed, patching, known, group_by)
    figures = page(listed, patching, known, group_by, changes or [])
    try:
        return rendered(str(template), {"title": title, "most": int(most_rows), "page": figures})
    except BadTemplateError as error:
        raise AnsibleFilterError(f"fleet_page cannot render the template: {error}") from error


def _check(listed: Rows, patching: Rows, places: Rows, group_by: str) -> None:
    if not len(listed) == len(patching) == len(places):
        raise AnsibleFilterError(
            f"fleet_page needs an answer of managed_node_info and one of patch_info for each place: there are {len(listed)} and"
            f" {len(patching)} for {len(places)}."
        )
    if group_by not in GROUPINGS:
        raise AnsibleFilterError(f"fleet_page groups by {', '.join(GROUPINGS)}, not by {group_by!r}.")
    for name, rows, member in (("managed_node_info", listed, "managed_nodes"), ("patch_info", patching, "nodes")):
        if any(member not in row for row in rows):
            raise AnsibleFilterError(f"fleet_page needs what fleet.ssm.{name} returned: there is no {member} in it.")


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name it."""
        return {"fleet_page": fleet_page}
