# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: run_command
short_description: Run a Systems Manager document on managed nodes by Run Command
version_added: 0.1.0
description:
  - Sends a Command document to managed nodes, waits until it has ended on all of them, and returns the exit code and the output of
    each. AWS does the sending, so that one task is enough for a thousand nodes, which need neither SSH nor Python.
  - While it runs, one question is asked for all nodes together, at growing intervals. When it is over, 50 nodes are listed with one
    question. A node is asked for by itself only when that list has no more than the beginning of its output, see O(output).
  - When the module is interrupted, by Ctrl-C, an end of Ansible, or an C(async) whose time is up, it has AWS cancel the command.
    AWS tells the agents to stop it, and promises nothing. When C(ansible-playbook) alone is killed by SIGKILL, or before
    ansible-core 2.19 by SIGTERM, its workers go on to the end of their tasks, and the command does, too.
  - The request to send it is not repeated when it may have arrived, so that a command does not run twice.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.action
  - fleet.ssm.attributes.actiongroup
options:
  document:
    description:
      - The name, or for a document of another account the ARN, of the Command document. AWS calls it C(DocumentName).
      - Its own parameter C(executionTimeout), where it has one, says how long it may run on a node.
    type: str
    required: true
  document_version:
    description:
      - The version of the document, a number, V($DEFAULT) or V($LATEST). AWS takes V($DEFAULT) when this is not given.
    type: str
  parameters:
    description:
      - The document's parameters. AWS has lists of texts; a single text, number or boolean stands for a list of it.
      - They are shown in results, and AWS keeps them with the command. For a secret refer to a parameter of Parameter Store,
        C({{ssm:name}}) on AWS's side; to keep one out of Ansible's output only, set C(no_log) on the task.
    type: dict
  instance_ids:
    description:
      - The nodes by their ids. AWS refuses all of it when one of them is not online.
      - AWS takes 50 in one command. More are sent in parts of 50, each when the one before is over, so that O(max_concurrency) and
        O(max_errors) hold for all of them together; percentages are of all. For more than 50 nodes at once use O(targets).
      - Exactly one of O(instance_ids) and O(targets) must be given.
    type: list
    elements: str
  targets:
    description:
      - Which nodes it is for, those that all entries choose. AWS takes five entries.
    type: list
    elements: dict
    suboptions:
      key:
        description:
          - V(tag:NAME) for nodes with a tag of one of the values, V(tag-key) for those with any tag of these names,
            V(resource-groups:Name) for a resource group, V(InstanceIds) for nodes by id.
        type: str
        required: true
      values:
        description:
          - The values, at most 50.
        type: list
        elements: str
        required: true
  max_concurrency:
    description:
      - On how many nodes at once, a number or a percentage of them such as V(10%). AWS takes V(50) when this is not given.
    type: str
  max_errors:
    description:
      - How many nodes may fail, a number or a percentage of them. When one more does, it is begun on no further node. AWS takes
        V(0) when this is not given.
    type: str
  comment:
    description:
      - What to show beside it in lists, at most 100 characters.
    type: str
  delivery_timeout:
    description:
      - How many seconds AWS has to hand it to a node, from 30 on. AWS calls it C(TimeoutSeconds), and takes V(3600) when this is
        not given.
    type: int
  output_s3_bucket_name:
    description:
      - A bucket in which nodes put all that they print. It takes their own role's right to C(s3:PutObject).
    type: str
  output_s3_key_prefix:
    description:
      - What the names of these objects begin with.
    type: str
  cloud_watch_output_config:
    description:
      - Have nodes send all that they print to CloudWatch Logs. It takes their own role's right to that.
    type: dict
    suboptions:
      cloud_watch_output_enabled:
        description:
          - Whether they do.
        type: bool
      cloud_watch_log_group_name:
        description:
          - The log group; without it C(/aws/ssm/) and the name of the document.
        type: str
  service_role_arn:
    description:
      - The role by which Run Command sends notifications.
    type: str
  notification_config:
    description:
      - What to notify an SNS topic of.
    type: dict
    suboptions:
      notification_arn:
        description:
          - The topic.
        type: str
      notification_events:
        description:
          - The events.
        type: list
        elements: str
        choices: [All, InProgress, Success, TimedOut, Cancelled, Failed]
      notification_type:
        description:
          - Whether to notify of the command or of each node.
        type: str
        choices: [Command, Invocation]
  wait:
    description:
      - Whether to wait until it is over. With V(false) the module returns the id of the command, and M(fleet.ssm.command_info)
        tells what becomes of it.
    type: bool
    default: true
  wait_timeout:
    description:
      - How many seconds to wait for all of it. After that the task fails, and the command goes on.
      - Leave it time for O(delivery_timeout) and for the time that the document allows a node. With C(async) it should be less than
        that.
    type: int
    default: 3600
  output:
    description:
      - For which nodes to ask one by one when the list of all has no more than the beginning of their output, 2,500 characters of
        both streams together. What is cut is marked by C(output_cut).
      - V(all) makes output complete, up to the 24,000 characters of standard output and 8,000 of standard error that AWS keeps of
        each step. That is one question for each node that printed more than the list has.
      - V(failed) asks for those that did not succeed only.
      - V(none) asks for none.
    type: str
    choices: [all, failed, none]
    default: all
  full_output:
    description:
      - Whether to read the whole of what AWS keeps a part of, from O(output_s3_bucket_name) or else from CloudWatch Logs, for the
        nodes that O(output) names. One of the two must be in use.
      - Of what comes from CloudWatch Logs, each stream ends with a line break, whether it was printed or not.
    type: bool
    default: false
  fail_on:
    description:
      - V(any) fails the task unless it succeeded on every node.
      - V(max_errors) lets as many fail as O(max_errors) says, and nodes not be reached; it fails the task when more did, when the
        command was cancelled, and when no node succeeded.
      - V(none) never fails the task by what happened on nodes.
    type: str
    choices: [any, max_errors, none]
    default: any
notes:
  - A module cannot show progress. To see how far a long command is, run the task with C(async) and C(poll=0), or with
    O(wait=false), and look by M(fleet.ssm.command_info).
  - The result holds what nodes printed. Where that may be secret, set C(no_log) on the task.
  - It needs the IAM actions C(ssm:SendCommand) for the document and the nodes, C(ssm:ListCommands), C(ssm:ListCommandInvocations),
    C(ssm:GetCommandInvocation) and C(ssm:CancelCommand), and with O(full_output) C(s3:GetObject) or C(logs:GetLogEvents).
seealso:
  - module: fleet.ssm.command_info
  - module: fleet.ssm.execution_info
    description: Says what failed first in a command of the past, and follows associations and automations to their commands.
  - module: fleet.ssm.association
    description: Has AWS carry out a document on a schedule, and on nodes yet to come.
"""

EXAMPLES = r"""
- name: Run a script on all nodes with a tag
  fleet.ssm.run_command:
    document: AWS-RunShellScript
    parameters:
      commands:
        - uptime
        - df -h /
    targets:
      - key: tag:role
        values: [web, db]
    max_concurrency: 10%
    max_errors: 5%
  register: ran

- name: Show what each of them printed
  ansible.builtin.debug:
    msg: "{{ item.computer_name }}: {{ item.stdout }}"
  loop: "{{ ran.invocations }}"

- name: Run it on the hosts of this play, once, and read also what is too long for AWS to keep
  fleet.ssm.run_command:
    document: AWS-RunShellScript
    parameters:
      commands: journalctl --since today
    instance_ids: "{{ ansible_play_hosts }}"
    output_s3_bucket_name: our-logs
    full_output: true
  run_once: true
  delegate_to: localhost

- name: Go on when a few nodes fail or are switched off
  fleet.ssm.run_command:
    document: AWS-UpdateSSMAgent
    targets:
      - key: resource-groups:Name
        values: [plant7]
    max_errors: 10%
    delivery_timeout: 600
    fail_on: max_errors

- name: Send it and do not wait
  fleet.ssm.run_command:
    document: AWS-RunPowerShellScript
    parameters:
      commands: Get-Service
    instance_ids: [i-0123456789abcdef0]
    wait: false
  register: sent
"""

RETURN = r"""
command_id:
  description: The id of the command; of several, that of the first.
  returned: when it was sent
  type: str
  sample: 9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e
command_ids:
  description: The ids of the commands, one for each 50 of O(instance_ids).
  returned: when it was sent
  type: list
  elements: str
  sample: [9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e]
command:
  description: What was sent; in check mode, what would be. More than 50 O(instance_ids) are all here.
  returned: always
  type: dict
  sample:
    document: AWS-RunShellScript
    parameters: {commands: [uptime]}
    targets: [{key: "tag:role", values: [web]}]
status:
  description: AWS's word for how the command is. Of several, that of one which did not succeed.
  returned: when it was waited for
  type: str
  sample: Failed
status_details:
  description: AWS's more detailed word.
  returned: when it was waited for
  type: str
  sample: Failed
counts:
  description: On how many nodes it is what, as AWS counts.
  returned: when it was waited for
  type: dict
  contains:
    targets:
      description: How many it is for.
      returned: always
      type: int
      sample: 2
    completed:
      description: On how many it has ended.
      returned: always
      type: int
      sample: 2
    errors:
      description: On how many it failed, or took too long.
      returned: always
      type: int
      sample: 1
    delivery_timed_out:
      description: How many it did not reach in time.
      returned: always
      type: int
      sample: 0
not_sent:
  description: The ids of O(instance_ids) that it was not sent to, because more than O(max_errors) had failed before.
  returned: when it was waited for
  type: list
  elements: str
  sample: []
invocations:
  description: What became of it on each node, by the ids of the nodes.
  returned: when it was waited for
  type: list
  elements: dict
  contains:
    command_id:
      description: The id of its command.
      returned: always
      type: str
      sample: 9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e
    instance_id:
      description: The node.
      returned: always
      type: str
      sample: i-0123456789abcdef0
    computer_name:
      description: The node's own name; empty when AWS does not tell.
      returned: always
      type: str
      sample: web-1.example.com
    status:
      description: AWS's word for how it is.
      returned: always
      type: str
      sample: Failed
    status_details:
      description: AWS's more detailed word, such as V(Undeliverable), V(DeliveryTimedOut), V(ExecutionTimedOut) or V(Terminated).
      returned: always
      type: str
      sample: Failed
    response_code:
      description: The exit code of the first step that did not succeed, or else of the last; null when there is none.
      returned: always
      type: int
      sample: 3
    stdout:
      description: What its steps printed to standard output.
      returned: always
      type: str
      sample: "so far so good\n"
    stderr:
      description: What its steps printed to standard error. The agent adds a line about an exit code other than 0.
      returned: always
      type: str
      sample: "failed to run commands: exit status 3"
    output_cut:
      description: Whether there is more of it than this.
      returned: always
      type: bool
      sample: false
    steps:
      description: The steps of the document, with the same members.
      returned: always
      type: list
      elements: dict
      contains:
        name:
          description: What the document calls it.
          returned: always
          type: str
          sample: aws:runShellScript
        status:
          description: AWS's word for how it is.
          returned: always
          type: str
          sample: Failed
        status_details:
          description: AWS's more detailed word.
          returned: always
          type: str
          sample: Failed
        response_code:
          description: Its exit code; null when there is none.
          returned: always
          type: int
          sample: 3
        started:
          description: When it began, in UTC; empty when it did not.
          returned: always
          type: str
          sample: "2030-01-31T18:00:05+00:00"
        ended:
          description: When it ended, in UTC; empty when it did not.
          returned: always
          type: str
          sample: "2030-01-31T18:00:06+00:00"
        stdout:
          description: What it printed to standard output.
          returned: always
          type: str
          sample: "so far so good\n"
        stderr:
          description: What it printed to standard error.
          returned: always
          type: str
          sample: "failed to run commands: exit status 3"
        output_cut:
          description: Whether there is more of it than this.
          returned: always
          type: bool
          sample: false
        stdout_url:
          description: Where all of its standard output is; empty when no bucket was named.
          returned: always
          type: str
          sample: ""
        stderr_url:
          description: Where all of its standard error is; empty when no bucket was named.
          returned: always
          type: str
          sample: ""
"""

import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._commands.command import Command
from ansible_collections.fleet.ssm.plugins.module_utils._commands.parameters import as_texts
from ansible_collections.fleet.ssm.plugins.module_utils._commands.whole_output import WholeOutput
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api
from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_action


class RunCommand(Command):
    """Any document, with whatever the user gives it."""

    renamed: t.ClassVar[dict[str, str]] = {"DocumentName": "document", "TimeoutSeconds": "delivery_timeout"}

    def __init__(self, api: Api, options: t.Mapping[str, t.Any]) -> None:
        given = options["parameters"]
        super().__init__(api, {**options, "parameters": given if given is None else as_texts(given)})

    def check(self) -> None:
        """Refuse also to read what is put nowhere."""
        super().check()
        if self.options["full_output"] and not self.whole_output():
            raise RefusedError(
                "full_output needs output_s3_bucket_name, or cloud_watch_output_enabled of cloud_watch_output_config."
            )

    def whole_output(self) -> WholeOutput | None:
        """Look for it where the user had the nodes put it."""
        bucket, logs = self.options["output_s3_bucket_name"], self.options["cloud_watch_output_config"] or {}
        if not self.options["full_output"] or not (bucket or logs.get("cloud_watch_output_enabled")):
            return None
        # What the agent makes of the document's name (messageservice/utils).
        default = re.sub(r"[^a-zA-Z0-9_\-/.#]", ".", f"/aws/ssm/{self.options['document']}")
        group = (logs.get("cloud_watch_log_group_name") or default) if logs.get("cloud_watch_output_enabled") else ""
        return WholeOutput(self.api, bucket or "", group)


def main() -> None:
    """Run the module."""
    run_action(RunCommand, DOCUMENTATION)


if __name__ == "__main__":
    main()
