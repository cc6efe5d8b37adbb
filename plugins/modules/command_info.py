# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: command_info
short_description: List commands of Run Command, and what became of them on each node
version_added: 0.1.0
description:
  - Lists what was sent by Run Command in an account and region, the newest first. AWS keeps a command for 30 days.
  - With O(invocations=true), also the exit code and the output of each node. That takes a question for each command and 50 nodes.
  - It needs the IAM action C(ssm:ListCommands), with O(invocations=true) also C(ssm:ListCommandInvocations), and with O(output)
    other than V(none) also C(ssm:GetCommandInvocation).
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  command_id:
    description:
      - Only the command of this id. There is none in the result when AWS does not know it, or not yet.
    type: str
  instance_id:
    description:
      - Only commands that were sent to this node, and with O(invocations=true) only what became of them there.
    type: str
  document:
    description:
      - Only commands that run this document.
    type: str
  status:
    description:
      - Only commands that are so.
    type: str
    choices:
      - Pending
      - InProgress
      - Success
      - Cancelled
      - Failed
      - TimedOut
      - AccessDenied
      - DeliveryTimedOut
      - ExecutionTimedOut
      - Incomplete
      - NoInstancesInTag
      - LimitExceeded
  invoked_after:
    description:
      - Only commands that were sent at this time or later, such as V(2030-01-31T18:00:00Z).
    type: str
  invoked_before:
    description:
      - Only commands that were sent before this time.
    type: str
  invocations:
    description:
      - Whether to list what became of each command on its nodes, too.
    type: bool
    default: false
  output:
    description:
      - For which nodes to ask one by one when the list has no more than the beginning of their output, as with
        M(fleet.ssm.run_command).
    type: str
    choices: [all, failed, none]
    default: none
notes:
  - The result holds the parameters of commands, and what nodes printed. Where that may be secret, set C(no_log) on the task.
seealso:
  - module: fleet.ssm.run_command
  - module: fleet.ssm.execution_info
    description: Says what failed first in a command, and what to do about it; this module tells everything and judges nothing.
"""

EXAMPLES = r"""
- name: List what failed since midnight
  fleet.ssm.command_info:
    status: Failed
    invoked_after: "{{ '%Y-%m-%dT00:00:00Z' | strftime }}"
  register: failed

- name: Send a command that takes long
  fleet.ssm.run_command:
    document: AWS-RunPatchBaseline
    parameters:
      Operation: Scan
    targets:
      - key: tag:role
        values: [web]
    wait: false
  register: sent

- name: See how far it is
  fleet.ssm.command_info:
    command_id: "{{ sent.command_id }}"
    invocations: true
  register: seen
  until: seen.commands and seen.commands[0].status not in ['Pending', 'InProgress']
  retries: 60
  delay: 30
"""

RETURN = r"""
commands:
  description:
    - The commands, as AWS lists them, with C(document) and C(delivery_timeout) for what AWS calls C(DocumentName) and
      C(TimeoutSeconds).
  returned: always
  type: list
  elements: dict
  contains:
    command_id:
      description: Its id.
      returned: always
      type: str
      sample: 9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e
    document:
      description: What it runs.
      returned: always
      type: str
      sample: AWS-RunShellScript
    parameters:
      description: The document's parameters.
      returned: when it has any
      type: dict
      sample: {commands: [uptime]}
    instance_ids:
      description: The nodes it was sent to by their ids.
      returned: when there are any
      type: list
      elements: str
      sample: [i-0123456789abcdef0]
    targets:
      description: Which nodes it was sent to.
      returned: when it has any
      type: list
      elements: dict
      sample: [{key: "tag:role", values: [web]}]
    comment:
      description: What is shown beside it.
      returned: when it has one
      type: str
      sample: nightly
    requested_date_time:
      description: When it was sent, in UTC.
      returned: always
      type: str
      sample: "2030-01-31T18:00:00+00:00"
    status:
      description: AWS's word for how it is.
      returned: always
      type: str
      sample: Success
    status_details:
      description: AWS's more detailed word.
      returned: always
      type: str
      sample: Success
    target_count:
      description: For how many nodes it is.
      returned: always
      type: int
      sample: 2
    completed_count:
      description: On how many it has ended.
      returned: always
      type: int
      sample: 2
    error_count:
      description: On how many it failed, or took too long.
      returned: always
      type: int
      sample: 0
    invocations:
      description: What became of it on each node, as M(fleet.ssm.run_command) returns it.
      returned: with O(invocations=true)
      type: list
      elements: dict
      sample: [{instance_id: i-0123456789abcdef0, status: Success, response_code: 0, stdout: " 18:00:01 up 3 days\n"}]
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._commands import listing
from ansible_collections.fleet.ssm.plugins.module_utils._engine.info import Info
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_info

_UNKNOWN = "InvalidCommandId"


class Commands(Info):
    """The commands of an account and region."""

    noun = "commands"
    item = ("ListCommands", "Commands")
    members: t.ClassVar[dict[str, str]] = {"command_id": "CommandId", "instance_id": "InstanceId"}
    filters: t.ClassVar[dict[str, str]] = {
        "document": "DocumentName",
        "status": "Status",
        "invoked_after": "InvokedAfter",
        "invoked_before": "InvokedBefore",
    }
    renamed: t.ClassVar[dict[str, str]] = {"DocumentName": "document", "TimeoutSeconds": "delivery_timeout"}

    def entries(self) -> list[dict[str, t.Any]]:
        """Add to each what became of it on its nodes; an id that AWS does not know is no command."""
        try:
            listed = super().entries()
        except AwsFailure as failure:
            if failure.code != _UNKNOWN:
                raise
            return []
        if not self.options["invocations"]:
            return listed
        return [{**entry, "invocations": self._invocations(entry["command_id"])} for entry in listed]

    def _invocations(self, command_id: str) -> list[dict[str, t.Any]]:
        rows = listing.rows(self.api, command_id, self.options["instance_id"] or "")
        completion = listing.Completion(self.api, listing.Ask(self.options["output"]))
        return [one.to_result() for one in completion.invocations(rows)]


def main() -> None:
    """Run the module."""
    run_info(Commands, DOCUMENTATION)


if __name__ == "__main__":
    main()
