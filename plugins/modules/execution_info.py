# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: execution_info
short_description: Tell what failed in commands, associations and automations of AWS Systems Manager
version_added: 0.1.0
description:
  - Follows an execution from what was asked for down to the output of the step that failed, over all the places in which AWS
    keeps a part of it, and says what failed first and what to do next.
  - From a configuration of Quick Setup it goes to the association of State Manager that it made, to the executions of that, their
    targets, the command that ran on each, the steps of the command, and their exit codes, standard output and standard error; from
    an automation execution to its steps, and to the commands and automations that those started.
  - What your own identity may not ask is V(unknown) in the result, with the IAM action that is missing; it is never left out.
  - It changes nothing. It asks one to three questions for each execution it looks at; O(limit) and O(since) set how many these are.
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.info
  - fleet.ssm.attributes.actiongroup
options:
  instance_id:
    description:
      - Tell what State Manager, Run Command and Automation did on this node, V(i-…) or V(mi-…), and what failed of Quick Setup.
    type: str
  association_id:
    description:
      - Tell what this association did.
    type: str
  association_name:
    description:
      - Tell what the association of this name did. If several have it, all are told.
    type: str
  command_id:
    description:
      - Tell what this command did on its nodes.
    type: str
  automation_execution_id:
    description:
      - Tell what this automation execution did.
    type: str
  since:
    description:
      - For how many hours back to look at executions of associations, and with O(instance_id) at commands and automations.
      - AWS keeps commands and automation executions for 30 days, that is V(720).
    type: int
    default: 24
  only_failed:
    description:
      - Whether to tell only what failed. With V(false), what did not fail is told too, which takes many more questions.
    type: bool
    default: true
  limit:
    description:
      - How many of each list to follow, the newest first; of the executions of an association for instance, of the targets of one
        of them, of the commands on a node, and of the nodes of a command.
      - That there are more is told in the result.
    type: int
    default: 5
notes:
  - The result holds what commands printed. Where that may be secret, set C(no_log) on the task.
  - AWS itself cuts what a step printed, standard output after 24,000 characters and standard error after 8,000. The result has the
    address of the whole output where a bucket was named for it.
  - The configurations of Quick Setup are known in its home region only.
  - The IAM actions it uses are C(ssm:DescribeInstanceAssociationsStatus), C(ssm:DescribeAssociation), C(ssm:ListAssociations),
    C(ssm:DescribeAssociationExecutions), C(ssm:DescribeAssociationExecutionTargets), C(ssm:ListCommands),
    C(ssm:ListCommandInvocations), C(ssm:GetCommandInvocation), C(ssm:DescribeAutomationExecutions),
    C(ssm:GetAutomationExecution), C(ssm:DescribeAutomationStepExecutions), C(ssm-quicksetup:ListConfigurationManagers) and
    C(ssm-quicksetup:ListConfigurations).
seealso:
  - module: fleet.ssm.node_doctor
  - module: fleet.ssm.agent_doctor
"""

EXAMPLES = r"""
- name: Say what failed on a node since yesterday
  fleet.ssm.execution_info:
    instance_id: i-0123456789abcdef0
    region: eu-west-1
  register: failed

- name: Show it, the first cause on top
  ansible.builtin.debug:
    msg: "{{ failed.summary }}"

- name: Say why a configuration of Quick Setup does not arrive
  fleet.ssm.execution_info:
    association_name: AWS-QuickSetup-SSMHostMgmt-CollectInventory-8a1a2
    since: 72

- name: Tell all that an automation did, also what went well
  fleet.ssm.execution_info:
    automation_execution_id: 4105a4fc-f944-11e6-9d32-0a1b2c3d495h
    only_failed: false
"""

RETURN = r"""
summary:
  description:
    - What failed, in lines to read; the first cause on top with the last lines of its output and what to do next, then what failed
      besides, then what could not be asked.
    - The failures of a newer run come before those of an older one, and those within a run in the order of time. Failures that are
      alike are told once.
  returned: always
  type: list
  elements: str
  sample:
    - "First cause: step aws:runShellScript of AWS-RunShellScript: Failed with exit code 127 on i-0123456789abcdef0 at
      2030-01-31T18:00:05+00:00."
    - "  | _script.sh: line 1: cloud-init: command not found"
    - "  part of: command AWS-RunShellScript (9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e)"
    - "  next: The shell did not find a program: install it, or give its whole path."
cause:
  description: The first cause; null when nothing failed.
  returned: always
  type: dict
  contains:
    cause:
      description: What failed, where, when, and how it ended.
      returned: always
      type: str
      sample: "step aws:runShellScript of AWS-RunShellScript: Failed with exit code 127 on i-0123456789abcdef0."
    evidence:
      description: The last lines of its standard error, or else of its standard output, or else what AWS says.
      returned: always
      type: list
      elements: str
      sample: ["_script.sh: line 1: cloud-init: command not found"]
    remedy:
      description: What to do next.
      returned: always
      type: str
      sample: "The shell did not find a program: install it, or give its whole path."
    path:
      description: What it is part of, from the top down, and itself.
      returned: always
      type: list
      elements: str
      sample: [command AWS-RunShellScript (9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e), step aws:runShellScript]
    kind:
      description: As in RV(traces).
      returned: always
      type: str
      sample: command_step
    id:
      description: As in RV(traces).
      returned: always
      type: str
      sample: aws:runShellScript
    name:
      description: As in RV(traces).
      returned: always
      type: str
      sample: aws:runShellScript
    status:
      description: As in RV(traces).
      returned: always
      type: str
      sample: Failed
    target:
      description: The node; empty when there is none.
      returned: always
      type: str
      sample: i-0123456789abcdef0
    response_code:
      description: The exit code; null when there is none.
      returned: always
      type: int
      sample: 127
    started:
      description: When it began, in UTC; empty when AWS does not tell.
      returned: always
      type: str
      sample: "2030-01-31T18:00:05+00:00"
    stdout_url:
      description: Where the whole standard output is; empty when no bucket was named.
      returned: always
      type: str
      sample: ""
    stderr_url:
      description: Where the whole standard error is; empty when no bucket was named.
      returned: always
      type: str
      sample: ""
traces:
  description:
    - What was found, as a tree. Each entry has C(parts), which are such entries again.
    - The kinds are C(quick_setup), C(quick_setup_configuration), C(association), C(association_execution),
      C(association_execution_target), C(command), C(command_invocation), C(command_step), C(automation_execution) and
      C(automation_step); C(unknown) stands for parts that could not be asked for, or that are more than O(limit).
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: What it is.
      returned: always
      type: str
      sample: command
    id:
      description: AWS's id.
      returned: when it has one
      type: str
      sample: 9d2b4c1e-5f0a-4c3b-8d7e-6a1f2b3c4d5e
    name:
      description: The name of the association, document, configuration or step; of unknown parts, what they are.
      returned: when it has one
      type: str
      sample: AWS-RunShellScript
    status:
      description: AWS's own word for how it is; the detailed one where there are two. Of unknown parts V(unknown).
      returned: when AWS tells
      type: str
      sample: Failed
    failed:
      description: Whether that is a failure.
      returned: always
      type: bool
      sample: true
    target:
      description: The node; for Quick Setup the account and region.
      returned: when it has one
      type: str
      sample: i-0123456789abcdef0
    response_code:
      description: The exit code of a step.
      returned: when it has one
      type: int
      sample: 127
    started:
      description: When it began, in UTC.
      returned: when AWS tells
      type: str
      sample: "2030-01-31T18:00:05+00:00"
    ended:
      description: When it ended, in UTC.
      returned: when AWS tells
      type: str
      sample: "2030-01-31T18:00:06+00:00"
    said:
      description: What AWS says of it; of unknown parts, why they are unknown.
      returned: when AWS tells
      type: str
      sample: ""
    stdout:
      description: What a step printed to standard output.
      returned: when there is any
      type: str
      sample: ""
    stderr:
      description: What a step printed to standard error.
      returned: when there is any
      type: str
      sample: "_script.sh: line 1: cloud-init: command not found\n"
    stdout_url:
      description: Where the whole standard output is; of an association or command, the bucket and prefix for all outputs.
      returned: when a bucket was named
      type: str
      sample: https://s3.eu-west-1.amazonaws.com/outputs/9d2b4c1e/i-0123456789abcdef0/awsrunShellScript/0.awsrunShellScript/stdout
    stderr_url:
      description: Where the whole standard error is.
      returned: when a bucket was named
      type: str
      sample: https://s3.eu-west-1.amazonaws.com/outputs/9d2b4c1e/i-0123456789abcdef0/awsrunShellScript/0.awsrunShellScript/stderr
    iam_action:
      description: The IAM action that is missing to ask for it.
      returned: when a right is missing
      type: str
      sample: ssm:DescribeAssociationExecutions
    parts:
      description: What it consists of, in the same form.
      returned: always
      type: list
      elements: dict
      sample: []
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.parameters import env_fallback
from ansible_collections.fleet.ssm.plugins.module_utils._aws.failures import AwsFailure
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.sessions import AwsSession, open_session
from ansible_collections.fleet.ssm.plugins.module_utils._engine.arguments import HAS_YAML, argument_spec
from ansible_collections.fleet.ssm.plugins.module_utils._executions.asking import Questions
from ansible_collections.fleet.ssm.plugins.module_utils._executions.associations import Associations
from ansible_collections.fleet.ssm.plugins.module_utils._executions.automations import Automations
from ansible_collections.fleet.ssm.plugins.module_utils._executions.commands import Commands
from ansible_collections.fleet.ssm.plugins.module_utils._executions.findings import failures, ids_of_commands, summary
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.wanted import NotThereError, Wanted

_SUBJECTS = ("instance_id", "association_id", "association_name", "command_id", "automation_execution_id")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=argument_spec(DOCUMENTATION, frozenset(), env_fallback) if HAS_YAML else {},
        supports_check_mode=True,
        required_one_of=[_SUBJECTS] if HAS_YAML else [],
        mutually_exclusive=[_SUBJECTS] if HAS_YAML else [],
    )
    if not HAS_YAML:
        module.fail_json(msg=missing_required_lib("PyYAML"))
    if not any(module.params[name] for name in _SUBJECTS):
        module.fail_json(msg=f"One of {', '.join(_SUBJECTS)} must say what to tell of; the one given is empty.")
    for name in ("since", "limit"):
        if module.params[name] < 1:
            module.fail_json(msg=f"{name} must be at least 1, not {module.params[name]}.")
    try:
        traces = _traces(open_session(AwsOptions.from_mapping(module.params)), module.params)
    except AwsFailure as failure:
        module.fail_json(msg=str(failure), error_code=failure.code)
    except NotThereError as error:
        module.fail_json(msg=str(error))
    first = next(iter(failures(traces)), None)
    module.exit_json(
        changed=False,
        summary=summary(traces, module.params["since"]),
        cause=first.to_result() if first else None,
        traces=[one.to_result() for one in traces],
    )


def _traces(session: AwsSession, params: dict[str, t.Any]) -> list[Trace]:
    since = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=params["since"])
    wanted, questions = Wanted(since, params["only_failed"], params["limit"]), Questions(session)
    commands = Commands(questions, wanted)
    automations = Automations(questions, wanted, commands)
    associations = Associations(questions, wanted, commands, automations)

    def on_node(node: str) -> list[Trace]:
        found = associations.on(node)
        return [*found, *commands.on(node, ids_of_commands(found)), *automations.on(node)]

    follow: dict[str, t.Callable[[str], list[Trace]]] = {
        "instance_id": on_node,
        "association_id": associations.named,
        "association_name": associations.called,
        "command_id": commands.named,
        "automation_execution_id": automations.named,
    }
    return next((follow[name](params[name]) for name in _SUBJECTS if params[name]), [])


if __name__ == "__main__":
    main()
