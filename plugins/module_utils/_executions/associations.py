# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Follow associations of State Manager, and what of Quick Setup made them, to the output of their executions. I/O."""

from __future__ import annotations

from ansible_collections.fleet.ssm.plugins.module_utils._executions import joining, trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.asking import Answer, Questions, UnansweredError
from ansible_collections.fleet.ssm.plugins.module_utils._executions.automations import Automations
from ansible_collections.fleet.ssm.plugins.module_utils._executions.commands import Commands
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.wanted import NotThereError, Wanted

_QUICK_SETUP = "ssm-quicksetup"


class Associations:
    """The associations of an account in a region."""

    def __init__(self, questions: Questions, wanted: Wanted, commands: Commands, automations: Automations) -> None:
        self._questions = questions
        self._wanted = wanted
        self._commands = commands
        self._automations = automations

    def named(self, association_id: str) -> list[Trace]:
        """Give what the association of an id did."""
        try:
            answer = self._questions.ask("the association", "DescribeAssociation", AssociationId=association_id)
        except UnansweredError as missing:
            missing.refuse_if("AssociationDoesNotExist")
            found = Trace(trace.ASSOCIATION, id=association_id).with_parts([missing.part])
        else:
            found = joining.association(answer["AssociationDescription"])
        return self._by_quick_setup([self._followed(found)])

    def called(self, name: str) -> list[Trace]:
        """Give what the associations of a name did; several may have one name."""
        by_name = [{"key": "AssociationName", "value": name}]
        rows, unasked = self._questions.list("associations", "ListAssociations", "Associations", AssociationFilterList=by_name)
        if not rows and not unasked:
            raise NotThereError(f"AWS knows no association called {name} in this account and region.")
        return [*self._by_quick_setup([self._followed(joining.association(row)) for row in rows]), *unasked]

    def on(self, node: str) -> list[Trace]:
        """Give what the associations of a node did on it, and what failed of Quick Setup."""
        rows, unasked = self._questions.list(
            "associations of the node", "DescribeInstanceAssociationsStatus", "InstanceAssociationStatusInfos", InstanceId=node
        )
        found = [one for one in map(joining.association, rows) if self._wanted.takes(one)]
        return [*self._by_quick_setup([self._followed(one, node) for one in found], with_failed=True), *unasked]

    def _followed(self, found: Trace, node: str = "") -> Trace:
        after = [{"Key": "CreatedTime", "Value": self._wanted.since_text, "Type": "GREATER_THAN"}]
        rows, unasked = self._questions.list(
            "executions of the association",
            "DescribeAssociationExecutions",
            "AssociationExecutions",
            AssociationId=found.id,
            Filters=after,
        )
        newest, rest = self._wanted.newest(rows, joining.association_execution, "executions of the association")
        return found.with_parts([*(self._execution(found.id, one, node) for one, _row in newest), *rest, *unasked])

    def _execution(self, association_id: str, found: Trace, node: str) -> Trace:
        request: Answer = {"AssociationId": association_id, "ExecutionId": found.id}
        if node:
            request["Filters"] = [{"Key": "ResourceId", "Value": node}]
        rows, unasked = self._questions.list(
            "targets of the execution", "DescribeAssociationExecutionTargets", "AssociationExecutionTargets", **request
        )
        newest, rest = self._wanted.newest(rows, joining.association_target, "targets of the execution")
        return found.with_parts([*(one.with_parts(self._output(row)) for one, row in newest), *rest, *unasked])

    def _output(self, row: Answer) -> list[Trace]:
        source, is_automation = joining.output_of(row)
        if not source:
            return []
        return self._automations.named(source, 1) if is_automation else self._commands.invocations(source, str(row["ResourceId"]))

    def _by_quick_setup(self, associations: list[Trace], *, with_failed: bool = False) -> list[Trace]:
        """Put associations that Quick Setup made below what made them; with_failed: and add what failed of Quick Setup."""
        if not with_failed and not any(joining.is_of_quick_setup(one.name) for one in associations):
            return associations
        rows, unasked = self._questions.list(
            "configuration managers of Quick Setup", "ListConfigurationManagers", "ConfigurationManagersList", service=_QUICK_SETUP
        )
        managers = []
        for row in rows:
            made = [one for one in associations if joining.is_made_by(row, one.name)]
            associations = [one for one in associations if one not in made]
            manager = joining.quick_setup(row)
            if made or (with_failed and manager.failed):
                managers.append(manager.with_parts([*self._configurations(manager), *made]))
        return [*managers, *associations, *unasked]

    def _configurations(self, manager: Trace) -> list[Trace]:
        """Give the accounts and regions in which a configuration of Quick Setup failed."""
        if not manager.failed:
            return []
        rows, unasked = self._questions.list(
            "accounts and regions of Quick Setup",
            "ListConfigurations",
            "ConfigurationsList",
            service=_QUICK_SETUP,
            ManagerArn=manager.id,
        )
        newest, rest = self._wanted.newest(
            (row for row in rows if joining.configuration(row).failed), joining.configuration, "accounts and regions of Quick Setup"
        )
        return [*(one for one, _row in newest), *rest, *unasked]
