# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_window
short_description: Create, update or delete maintenance windows with their targets and tasks
version_added: 0.1.0
description:
  - A maintenance window has AWS carry out tasks on nodes at times when that disturbs nobody.
  - The module knows a window by its O(name). AWS lets several have the same name; the module then keeps the first that is as
    wanted, and O(state=absent) deletes all of them.
  - Options that are not given stay as they are in a window that is there, and so do those of a target or a task.
  - O(targets) and O(tasks) are whole lists, if they are given. What is in the window and not in the list is taken from it.
  - It needs the IAM actions C(ssm:DescribeMaintenanceWindows) and C(ssm:GetMaintenanceWindow), and as far as it is to do that
    C(ssm:CreateMaintenanceWindow), C(ssm:UpdateMaintenanceWindow) and C(ssm:DeleteMaintenanceWindow).
  - With O(targets), also C(ssm:DescribeMaintenanceWindowTargets), C(ssm:RegisterTargetWithMaintenanceWindow),
    C(ssm:UpdateMaintenanceWindowTarget) and C(ssm:DeregisterTargetFromMaintenanceWindow).
  - With O(tasks), also C(ssm:DescribeMaintenanceWindowTasks), C(ssm:GetMaintenanceWindowTask),
    C(ssm:RegisterTaskWithMaintenanceWindow), C(ssm:UpdateMaintenanceWindowTask) and C(ssm:DeregisterTaskFromMaintenanceWindow),
    and C(iam:PassRole) of O(tasks[].service_role_arn).
  - With O(tags), also C(ssm:ListTagsForResource), C(ssm:AddTagsToResource) and C(ssm:RemoveTagsFromResource).
author:
  - The fleet.ssm contributors (@fleet-ssm)
extends_documentation_fragment:
  - fleet.ssm.aws
  - fleet.ssm.attributes
  - fleet.ssm.attributes.resource
  - fleet.ssm.attributes.actiongroup
options:
  name:
    description:
      - The name of the window, of 3 to 128 letters, digits, dots, hyphens and underscores.
    type: str
    required: true
  state:
    description:
      - Whether there is to be such a window. Deleting one deletes its targets and tasks too; commands that run are not stopped.
    type: str
    choices: [present, absent]
    default: present
  schedule:
    description:
      - When it opens, such as V(cron(0 2 ? * SUN#2 *\)), V(rate(7 days\)) or V(at(2030-01-31T02:00:00\)).
      - Required with O(state=present).
    type: str
  schedule_timezone:
    description:
      - The time zone of O(schedule), as in V(Europe/Berlin). AWS takes UTC when this is not given; an empty text takes it away.
    type: str
  schedule_offset:
    description:
      - How many days after the day of a C(cron) expression it opens, from 1 to 6; V(0) takes it away.
    type: int
  start_date:
    description:
      - From when on it opens at all, an ISO 8601 time; an empty text takes it away.
    type: str
  end_date:
    description:
      - Until when it opens at all, an ISO 8601 time; an empty text takes it away.
    type: str
  duration:
    description:
      - How many hours it is open, from 1 to 24.
      - Required with O(state=present).
    type: int
  cutoff:
    description:
      - How many hours before its end no more tasks are begun, less than O(duration).
      - Required with O(state=present).
    type: int
  allow_unassociated_targets:
    description:
      - Whether tasks may run on nodes that are not among the O(targets).
    type: bool
    default: false
  enabled:
    description:
      - Whether it opens. A new one does unless this says otherwise.
    type: bool
  description:
    description:
      - What it is for; an empty text takes it away.
    type: str
  targets:
    description:
      - All targets of the window. An empty list takes all away. One that a task names can be taken away only with O(tasks) given
        too.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name by which the target is known in the window.
        type: str
        required: true
      resource_type:
        description:
          - V(RESOURCE_GROUP) where O(targets[].targets) are resource groups. A target of another type is replaced.
        type: str
        choices: [INSTANCE, RESOURCE_GROUP]
        default: INSTANCE
      targets:
        description:
          - Which nodes it is, those that all entries choose.
        type: list
        elements: dict
        required: true
        suboptions:
          key:
            description:
              - V(tag:NAME), V(tag-key) or V(InstanceIds); for resource groups V(resource-groups:Name) or
                V(resource-groups:ResourceTypeFilters).
            type: str
            required: true
          values:
            description:
              - The values, at most 50.
            type: list
            elements: str
            required: true
      description:
        description:
          - What it is.
        type: str
      owner_information:
        description:
          - What AWS puts into events that tell of the target.
        type: str
  tasks:
    description:
      - All tasks of the window. An empty list takes all away.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name by which the task is known in the window.
        type: str
        required: true
      task_type:
        description:
          - What kind of task it is. A task of another type is replaced.
        type: str
        choices: [RUN_COMMAND, AUTOMATION, LAMBDA, STEP_FUNCTIONS]
        default: RUN_COMMAND
      task_arn:
        description:
          - The name or ARN of the document, or the ARN of the function or state machine.
        type: str
        required: true
      window_targets:
        description:
          - The names of O(targets) of the window that it is carried out on.
        type: list
        elements: str
      targets:
        description:
          - Nodes by their ids that it is carried out on, instead of O(tasks[].window_targets).
        type: list
        elements: dict
        suboptions:
          key:
            description:
              - V(InstanceIds), or V(WindowTargetIds) for targets of the window by id.
            type: str
            required: true
          values:
            description:
              - The ids.
            type: list
            elements: str
            required: true
      priority:
        description:
          - Tasks with a lower number are carried out first, those with the same one at once. AWS takes V(0) when this is not given.
        type: int
      max_concurrency:
        description:
          - On how many targets at once, a number or a percentage. Required for a task with targets.
        type: str
      max_errors:
        description:
          - After how many failures it is begun on no further target, a number or a percentage. Required for a task with targets.
        type: str
      cutoff_behavior:
        description:
          - What becomes of it when the time for tasks is up. AWS takes V(CONTINUE_TASK) when this is not given.
        type: str
        choices: [CONTINUE_TASK, CANCEL_TASK]
      service_role_arn:
        description:
          - The ARN of the role that Systems Manager assumes for it. AWS takes its service-linked role when this is not given.
        type: str
      description:
        description:
          - What it is for.
        type: str
      alarm_configuration:
        description:
          - A CloudWatch alarm that stops it.
        type: dict
        suboptions:
          alarms:
            description:
              - The alarm.
            type: list
            elements: dict
            required: true
            suboptions:
              name:
                description:
                  - Its name.
                type: str
                required: true
          ignore_poll_alarm_failure:
            description:
              - Whether it goes on when the state of the alarm cannot be told.
            type: bool
      task_invocation_parameters:
        description:
          - What it is carried out with, the entry that goes with O(tasks[].task_type).
          - These are shown in results and differences. For a secret refer to a parameter of Parameter Store, C({{ssm:name}}) on
            AWS's side, or set C(no_log) on the task.
        type: dict
        suboptions:
          run_command:
            description:
              - For V(RUN_COMMAND).
            type: dict
            suboptions:
              parameters:
                description:
                  - The document's parameters. AWS has lists of texts; a single text, number or boolean stands for a list of it.
                type: dict
              document_version:
                description:
                  - A number, V($DEFAULT) or V($LATEST).
                type: str
              document_hash:
                description:
                  - The hash that the document must have.
                type: str
              document_hash_type:
                description:
                  - Of which kind O(tasks[].task_invocation_parameters.run_command.document_hash) is.
                type: str
                choices: [Sha256, Sha1]
              comment:
                description:
                  - What the command is for, at most 100 characters.
                type: str
              timeout_seconds:
                description:
                  - How long AWS tries to deliver it to a node.
                type: int
              output_s3_bucket_name:
                description:
                  - A bucket for the output.
                type: str
              output_s3_key_prefix:
                description:
                  - What the names of objects there begin with.
                type: str
              cloud_watch_output_config:
                description:
                  - Output in CloudWatch Logs.
                type: dict
                suboptions:
                  cloud_watch_output_enabled:
                    description:
                      - Whether output goes there.
                    type: bool
                  cloud_watch_log_group_name:
                    description:
                      - The log group.
                    type: str
              notification_config:
                description:
                  - Messages to an SNS topic.
                type: dict
                suboptions:
                  notification_arn:
                    description:
                      - The topic.
                    type: str
                  notification_events:
                    description:
                      - Of which states it is told.
                    type: list
                    elements: str
                  notification_type:
                    description:
                      - Whether it is told of commands or of each node.
                    type: str
                    choices: [Command, Invocation]
              service_role_arn:
                description:
                  - The role that sends these messages.
                type: str
          automation:
            description:
              - For V(AUTOMATION).
            type: dict
            suboptions:
              parameters:
                description:
                  - The runbook's parameters, in the same way.
                type: dict
              document_version:
                description:
                  - A number, V($DEFAULT) or V($LATEST).
                type: str
          lambda:
            description:
              - For V(LAMBDA).
            type: dict
            suboptions:
              payload:
                description:
                  - What the function gets, JSON.
                type: json
              client_context:
                description:
                  - What it gets besides, JSON in base64.
                type: str
              qualifier:
                description:
                  - A version or an alias of the function.
                type: str
          step_functions:
            description:
              - For V(STEP_FUNCTIONS).
            type: dict
            suboptions:
              input:
                description:
                  - What the execution gets, JSON.
                type: json
              name:
                description:
                  - The name of the execution.
                type: str
  tags:
    description:
      - Tags that the window is to have.
    type: dict
  purge_tags:
    description:
      - Whether tags that are not in O(tags) are removed. Those of AWS, which begin with C(aws:), never are.
    type: bool
    default: false
seealso:
  - module: fleet.ssm.maintenance_window_info
  - name: Maintenance windows
    description: The user guide of AWS Systems Manager.
    link: https://docs.aws.amazon.com/systems-manager/latest/userguide/maintenance-windows.html
"""

EXAMPLES = r"""
- name: Patch the web servers on every second Sunday of a month
  fleet.ssm.maintenance_window:
    name: patch-web
    schedule: cron(0 2 ? * SUN#2 *)
    schedule_timezone: Europe/Berlin
    duration: 3
    cutoff: 1
    targets:
      - name: web
        targets:
          - key: tag:role
            values: [web]
    tasks:
      - name: install
        task_arn: AWS-RunPatchBaseline
        window_targets: [web]
        max_concurrency: 25%
        max_errors: 10%
        task_invocation_parameters:
          run_command:
            parameters:
              Operation: Install
              RebootOption: RebootIfNeeded
            timeout_seconds: 600

- name: Have it closed over Christmas, with targets and tasks as they are
  fleet.ssm.maintenance_window:
    name: patch-web
    schedule: cron(0 2 ? * SUN#2 *)
    duration: 3
    cutoff: 1
    enabled: false

- name: Delete it
  fleet.ssm.maintenance_window:
    name: patch-web
    state: absent
"""

RETURN = r"""
maintenance_window:
  description:
    - The window, as AWS describes it. Empty when there is none.
    - In check mode, what would be created, without ids.
  returned: always
  type: dict
  contains:
    window_id:
      description: Its id.
      returned: when there is a window
      type: str
      sample: mw-0c50858d01EXAMPLE
    name:
      description: Its name.
      returned: when there is a window
      type: str
      sample: patch-web
    schedule:
      description: When it opens.
      returned: when there is a window
      type: str
      sample: cron(0 2 ? * SUN#2 *)
    enabled:
      description: Whether it opens.
      returned: when there is a window
      type: bool
      sample: true
    next_execution_time:
      description: When it opens next.
      returned: when it does
      type: str
      sample: "2030-01-13T01:00:00.000Z"
    targets:
      description: Its targets, by name, with the C(window_target_id) of each.
      returned: when O(targets) is given
      type: list
      elements: dict
      sample: [{name: web, resource_type: INSTANCE, targets: [{key: "tag:role", values: [web]}]}]
    tasks:
      description: Its tasks, by name, with the C(window_task_id) of each. Targets of the window are there by their ids.
      returned: when O(tasks) is given
      type: list
      elements: dict
      sample: [{name: install, task_arn: AWS-RunPatchBaseline, task_type: RUN_COMMAND, priority: 0}]
    tags:
      description: Its tags.
      returned: when O(tags) is given
      type: dict
      sample: {site: plant7}
"""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._engine.converge import RefusedError, Thing
from ansible_collections.fleet.ssm.plugins.module_utils._engine.facets import Facet
from ansible_collections.fleet.ssm.plugins.module_utils._engine.module import run_resource
from ansible_collections.fleet.ssm.plugins.module_utils._engine.resource import Resource
from ansible_collections.fleet.ssm.plugins.module_utils._maintenance_windows.children import Targets, Tasks
from ansible_collections.fleet.ssm.plugins.module_utils._maintenance_windows.moments import same_moment

# What an empty text, or no days, takes away.
_OPTIONAL = {
    "Description": "description",
    "StartDate": "start_date",
    "EndDate": "end_date",
    "ScheduleTimezone": "schedule_timezone",
    "ScheduleOffset": "schedule_offset",
}


class Window(Resource):
    """A maintenance window; an update leaves what it does not say, and takes away only when it replaces all."""

    noun = "maintenance_window"
    title = "name"
    ids = ("WindowId",)
    item = ("DescribeMaintenanceWindows", "WindowIdentities")
    create = "CreateMaintenanceWindow"
    update = "UpdateMaintenanceWindow"
    delete = "DeleteMaintenanceWindow"
    tagged_as = "MaintenanceWindow"
    rules: t.ClassVar[dict[str, t.Any]] = {"required_if": [("state", "present", ["schedule", "duration", "cutoff"])]}

    def check(self) -> None:
        """Refuse times that leave none for tasks."""
        duration, cutoff = self.options["duration"], self.options["cutoff"]
        if duration is not None and cutoff is not None and cutoff >= duration:
            raise RefusedError(f"cutoff must be less than duration, or no task is ever begun; it is {cutoff} of {duration} hours.")
        if self.options["schedule_offset"] and not (self.options["schedule"] or "").startswith("cron("):
            raise RefusedError("schedule_offset needs a cron expression as schedule.")

    def shape(self) -> t.Any:
        """Give what GetMaintenanceWindow tells; what is listed lacks some."""
        return self.api.answer_shape("GetMaintenanceWindow")

    def find(self) -> list[dict[str, t.Any]]:
        """List those of the name, and read each whole."""
        named = [{"Key": "Name", "Values": [self.options["name"]]}]
        listed = self.api.items(*self.item, Filters=named)
        # AWS may take a filter for the beginning of a name.
        ids = [row["WindowId"] for row in listed if row["Name"] == self.options["name"]]
        return [self.api.call("GetMaintenanceWindow", WindowId=window_id) for window_id in ids]

    def facets(self) -> list[Facet]:
        """Add targets, and then the tasks, which name them."""
        return [*super().facets(), Targets(self.api, self.options), Tasks(self.api, self.options)]

    def wanted(self) -> dict[str, t.Any]:
        """Leave out what is to be taken away."""
        return {member: value for member, value in super().wanted().items() if member not in self._taken_away()}

    def compared(self, want: dict[str, t.Any]) -> dict[str, t.Any]:
        """Add what a new window cannot be told, and that what is taken away is not to be there."""
        enabled = self.options["enabled"]
        return {**want, **({} if enabled is None else {"Enabled": enabled}), **dict.fromkeys(self._taken_away())}

    def same(self, member: str, have: t.Any, want: t.Any) -> bool:
        """Compare times as such."""
        if member in ("StartDate", "EndDate") and have and want:
            return same_moment(have, want)
        return super().same(member, have or None, want) if member in _OPTIONAL else super().same(member, have, want)

    def changes(self, have: Thing, want: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Say what is wanted; to take something away, repeat all else and have AWS replace the whole."""
        asked = self.compared(dict(want))
        members = self.updatable()
        if not any(have.get(member) for member in self._taken_away()):
            return {member: value for member, value in asked.items() if member in members and value is not None}
        whole = {**have, **asked, "Replace": True}
        return {member: whole[member] for member in members if whole.get(member) is not None}

    def created(self, answer: dict[str, t.Any]) -> dict[str, t.Any]:
        """Close it, if it is to be closed: AWS creates none that is."""
        if self.options["enabled"] is False:
            self.api.call("UpdateMaintenanceWindow", WindowId=answer["WindowId"], Enabled=False)
        return {}

    def _taken_away(self) -> list[str]:
        return [member for member, option in _OPTIONAL.items() if self.options[option] in ("", 0)]


def main() -> None:
    """Run the module."""
    run_resource(Window, DOCUMENTATION)


if __name__ == "__main__":
    main()
