# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module execution_info, against answers in the shapes of botocore's model."""

from __future__ import annotations

import datetime
import functools
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import execution_info

from tests.unit.conftest import FakeAws, Refusal
from tests.unit.plugins.module_utils._doctor.account import conftest as account

strict_aws = account.strict_aws

NODE, OTHER = "i-0123456789abcdef0", "i-0fedcba9876543210"
ASSOCIATION, EXECUTION, OLDER = (f"{number}0000000-0000-0000-0000-000000000000" for number in "123")
COMMAND, SENT, AUTOMATION, CHILD = (f"{number}0000000-0000-0000-0000-000000000000" for number in "4567")
MANAGER = "arn:aws:ssm-quicksetup:eu-west-1:123456789012:configuration-manager/80000000-0000-0000-0000-000000000000"
COLLECT = "AWS-QuickSetup-SSMHostMgmt-CollectInventory-8a1a2"
NOON = datetime.datetime(2030, 1, 31, 12, tzinfo=datetime.timezone.utc)

Row = dict[str, t.Any]


def minutes(number: int) -> datetime.datetime:
    return NOON + datetime.timedelta(minutes=number)


def plugin(name: str = "aws:runShellScript", code: int = 127, status: str = "Failed", **more: t.Any) -> Row:
    return {"Name": name, "Status": status, "ResponseCode": code, "ResponseStartDateTime": minutes(1), "Output": "mixed", **more}


def invocation(command_id: str, node: str, *plugins: Row, status: str = "Failed", **more: t.Any) -> Row:
    return {
        "CommandId": command_id,
        "InstanceId": node,
        "DocumentName": "AWS-RunShellScript",
        "RequestedDateTime": NOON,
        "Status": status,
        "StatusDetails": status,
        "CommandPlugins": list(plugins),
        **more,
    }


class History:
    """What AWS keeps of executions: an association that Quick Setup made has failed on a node. Tests change the rows."""

    def __init__(self, aws: FakeAws) -> None:
        self.aws = aws
        self.association: Row = {"AssociationId": ASSOCIATION, "AssociationName": COLLECT, "Name": "AWS-RunShellScript"}
        self.statuses: list[Row] = [
            {**self.association, "InstanceId": NODE, "Status": "Failed", "ExecutionSummary": "1 out of 1 plugin processed"}
        ]
        self.executions: list[Row] = [
            {"ExecutionId": OLDER, "Status": "Success", "CreatedTime": minutes(-30)},
            {"ExecutionId": EXECUTION, "Status": "Failed", "ResourceCountByStatus": "{Failed=1}", "CreatedTime": NOON},
        ]
        self.targets: list[Row] = [self.target(NODE, COMMAND)]
        self.commands: list[Row] = []
        self.invocations: list[Row] = [invocation(COMMAND, NODE, plugin())]
        self.outputs: dict[str | None, Row] = {None: {"StandardErrorContent": "line 1: cloud-init: command not found\n"}}
        self.automations: dict[str, Row] = {}
        self.managers: list[Row] = [
            {
                "ManagerArn": MANAGER,
                "Name": "hosts",
                "ConfigurationDefinitionSummaries": [{"Id": "8a1a2", "Type": "AWSQuickSetupType-SSMHostMgmt"}],
                "StatusSummaries": [{"StatusType": "Deployment", "Status": "SUCCEEDED", "LastUpdatedAt": NOON}],
            }
        ]
        self.configurations: list[Row] = []
        for name in dir(self):
            if name.startswith("_") and name[1:2].isupper():
                aws.answers[name[1:]] = getattr(self, name)

    @staticmethod
    def target(node: str, source: str, kind: str = "RunCommand", status: str = "Failed") -> Row:
        output = {"OutputSourceId": source, "OutputSourceType": kind}
        return {"ResourceId": node, "ResourceType": "ManagedInstance", "Status": status, "OutputSource": output}

    def send(self, command_id: str, *invocations: Row, status: str = "Failed") -> None:
        document = {"DocumentName": "AWS-RunShellScript", "RequestedDateTime": NOON}
        self.commands.append({"CommandId": command_id, "Status": status, **document})
        self.invocations += invocations

    def automate(self, execution_id: str, *steps: Row, **more: t.Any) -> None:
        about = {"DocumentName": "AWS-Mend", "AutomationExecutionStatus": "Failed", "ExecutionStartTime": NOON}
        self.automations[execution_id] = {"AutomationExecutionId": execution_id, "StepExecutions": list(steps), **about, **more}

    def _DescribeInstanceAssociationsStatus(self, params: Row) -> Row:  # noqa: N802
        return {"InstanceAssociationStatusInfos": self.statuses}

    def _DescribeAssociation(self, params: Row) -> Row:  # noqa: N802
        if params["AssociationId"] != ASSOCIATION:
            raise Refusal("AssociationDoesNotExist", "There is no such association.")
        return {"AssociationDescription": {**self.association, "Overview": {"Status": "Failed"}}}

    def _ListAssociations(self, params: Row) -> Row:  # noqa: N802
        (wanted,) = params["AssociationFilterList"]
        assert wanted["key"] == "AssociationName"
        return {"Associations": [self.association] if wanted["value"] == self.association["AssociationName"] else []}

    def _DescribeAssociationExecutions(self, params: Row) -> Row:  # noqa: N802
        assert params["Filters"][0]["Key"] == "CreatedTime"
        return {"AssociationExecutions": self.executions}

    def _DescribeAssociationExecutionTargets(self, params: Row) -> Row:  # noqa: N802
        wanted = {one["Value"] for one in params.get("Filters", [])}
        return {"AssociationExecutionTargets": [row for row in self.targets if not wanted or row["ResourceId"] in wanted]}

    def _ListCommands(self, params: Row) -> Row:  # noqa: N802
        return {"Commands": [row for row in self.commands if row["CommandId"] == params["CommandId"]]}

    def _ListCommandInvocations(self, params: Row) -> Row:  # noqa: N802
        assert params["Details"]
        members = [name for name in ("CommandId", "InstanceId") if name in params]
        return {"CommandInvocations": [row for row in self.invocations if all(row[name] == params[name] for name in members)]}

    def _GetCommandInvocation(self, params: Row) -> Row:  # noqa: N802
        if params.get("PluginName") not in self.outputs:
            raise Refusal("InvalidPluginName", "There is no such plugin.")
        return self.outputs[params.get("PluginName")]

    def _GetAutomationExecution(self, params: Row) -> Row:  # noqa: N802
        if params["AutomationExecutionId"] not in self.automations:
            raise Refusal("AutomationExecutionNotFoundException", "There is no such automation execution.")
        return {"AutomationExecution": self.automations[params["AutomationExecutionId"]]}

    def _DescribeAutomationExecutions(self, params: Row) -> Row:  # noqa: N802
        wanted = {one["Key"]: one["Values"] for one in params["Filters"]}
        rows = [
            {name: value for name, value in row.items() if not name.startswith("StepExecutions")}
            for row in self.automations.values()
            if row["AutomationExecutionStatus"] in wanted.get("ExecutionStatus", [row["AutomationExecutionStatus"]])
            and row.get("ParentAutomationExecutionId") in wanted.get("ParentExecutionId", [row.get("ParentAutomationExecutionId")])
        ]
        return {"AutomationExecutionMetadataList": rows}

    def _DescribeAutomationStepExecutions(self, params: Row) -> Row:  # noqa: N802
        return {"StepExecutions": [{"StepName": "last", "Action": "aws:sleep", "StepStatus": "TimedOut"}]}

    def _ListConfigurationManagers(self, params: Row) -> Row:  # noqa: N802
        return {"ConfigurationManagersList": self.managers}

    def _ListConfigurations(self, params: Row) -> Row:  # noqa: N802
        return {"ConfigurationsList": self.configurations}


@pytest.fixture
def history(strict_aws: FakeAws) -> History:
    return History(strict_aws)


@pytest.fixture
def told(run: t.Callable[..., t.Any], history: History) -> t.Callable[..., t.Any]:
    """Run the module."""
    return functools.partial(run, execution_info.main)


def kinds(traces: t.Sequence[Row]) -> list[t.Any]:
    """Give the kinds of traces as a tree."""
    return [[one["kind"], *kinds(one["parts"])] for one in traces]


CHAIN = ["association", ["association_execution", ["association_execution_target", ["command_invocation", ["command_step"]]]]]


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("subject", [{"association_id": ASSOCIATION}, {"association_name": COLLECT}, {"instance_id": NODE}])
def test_an_association_is_followed_from_quick_setup_to_stderr_check_mode(told: t.Any, subject: Row, check_mode: bool) -> None:
    result = told(**subject, check_mode=check_mode)
    assert kinds(result["traces"]) == [["quick_setup", CHAIN]]
    cause = result["cause"]
    assert (cause["kind"], cause["target"], cause["response_code"]) == ("command_step", NODE, 127)
    assert cause["evidence"] == ["line 1: cloud-init: command not found"]
    assert "install it" in cause["remedy"]
    assert cause["path"] == [
        f"Quick Setup hosts ({MANAGER})",
        f"association {COLLECT} ({ASSOCIATION})",
        f"execution {EXECUTION}",
        f"node {NODE}",
        f"node {NODE}",
        "step aws:runShellScript",
    ]
    assert result["changed"] is False
    assert result["summary"][0] == f"First cause: {cause['cause']}"
    assert f"Failed with exit code 127 on {NODE} at 2030-01-31T12:01:00+00:00" in cause["cause"]
    assert "  | line 1: cloud-init: command not found" in result["summary"]


def test_what_did_not_fail_is_told_when_that_is_wanted(told: t.Any, history: History) -> None:
    history.managers.clear()
    assert len(told(association_id=ASSOCIATION)["traces"][0]["parts"]) == 1
    both = told(association_id=ASSOCIATION, only_failed=False)["traces"][0]["parts"]
    assert [one["status"] for one in both] == ["Failed", "Success"]


def test_nothing_that_failed_is_said_to_be_so(told: t.Any, history: History) -> None:
    for rows in (history.statuses, history.invocations):
        rows.clear()
    result = told(instance_id=NODE, since=3)
    assert (result["summary"], result["cause"], result["traces"]) == (["Nothing failed in the last 3 hours."], None, [])


def test_an_association_that_ran_too_long_ago_is_told_by_its_summary(told: t.Any, history: History) -> None:
    history.executions.clear()
    history.invocations.clear()
    cause = told(instance_id=NODE)["cause"]
    assert (cause["kind"], cause["evidence"]) == ("association", ["1 out of 1 plugin processed"])


def test_a_target_that_was_never_reached_is_told_by_its_association(told: t.Any, history: History) -> None:
    history.targets = [{"ResourceId": NODE, "Status": "Failed", "DetailedStatus": "DeliveryTimedOut"}]
    history.invocations.clear()
    cause = told(instance_id=NODE)["cause"]
    assert cause["cause"].startswith(f"association {COLLECT}: DeliveryTimedOut on {NODE}")
    assert "never reached" in cause["remedy"]


def test_an_association_that_runs_an_automation_is_followed_into_it(told: t.Any, history: History) -> None:
    history.targets = [history.target(NODE, AUTOMATION, "Automation")]
    history.automate(AUTOMATION, {"StepName": "stop", "Action": "aws:executeAwsApi", "StepStatus": "Failed"})
    assert told(association_id=ASSOCIATION)["cause"]["name"] == "stop (aws:executeAwsApi)"


def test_a_command_of_an_association_that_is_in_no_list_is_asked_for_alone(told: t.Any, history: History) -> None:
    history.invocations.clear()
    answer = {"CommandId": COMMAND, "InstanceId": NODE, "PluginName": "aws:runShellScript", "Status": "Failed"}
    history.outputs[None] |= {**answer, "ResponseCode": 3, "ExecutionStartDateTime": "2030-01-31T12:01:00Z"}
    cause = told(association_id=ASSOCIATION)["cause"]
    assert (cause["kind"], cause["response_code"], cause["evidence"]) == (
        "command_step",
        3,
        ["line 1: cloud-init: command not found"],
    )


def test_a_command_is_told_node_by_node_and_what_is_alike_once(told: t.Any, history: History) -> None:
    history.send(SENT, *(invocation(SENT, node, plugin()) for node in (NODE, OTHER)))
    history.send(SENT, invocation(SENT, "i-11111111", status="Success"))
    result = told(command_id=SENT)
    assert kinds(result["traces"]) == [["command", *[["command_invocation", ["command_step"]]] * 2]]
    assert [line for line in result["summary"] if "the same" in line] == [f"  the same: {OTHER} at 2030-01-31T12:01:00+00:00"]
    assert [line for line in result["summary"] if line.startswith("Also")] == []


def test_the_step_that_failed_first_comes_before_those_after_it(told: t.Any, history: History) -> None:
    steps = plugin("late", 1, ResponseStartDateTime=minutes(9)), plugin("well", 0, "Success"), plugin("early", 2)
    history.send(SENT, invocation(SENT, NODE, *steps))
    history.outputs |= {"late": {"StandardErrorContent": "late"}, "early": {"StandardOutputContent": "early"}}
    result = told(command_id=SENT)
    assert (result["cause"]["name"], result["cause"]["evidence"]) == ("early", ["early"])
    assert [line for line in result["summary"] if line.startswith("Also: step late")]


def test_a_newer_failure_comes_before_an_older_one(told: t.Any, history: History) -> None:
    history.statuses.clear()
    history.invocations = [
        invocation(COMMAND, NODE, plugin()),
        invocation(SENT, NODE, plugin(code=5), RequestedDateTime=minutes(60)),
    ]
    assert told(instance_id=NODE)["cause"]["response_code"] == 5


def test_a_command_that_an_association_sent_is_not_told_twice(told: t.Any) -> None:
    assert len(told(instance_id=NODE)["traces"]) == 1


def test_the_address_of_the_whole_output_is_told(told: t.Any, history: History) -> None:
    history.outputs[None]["StandardErrorUrl"] = "https://s3.example/stderr"
    result = told(association_id=ASSOCIATION)
    assert result["cause"]["stderr_url"] == "https://s3.example/stderr"
    assert "  whole output: https://s3.example/stderr" in result["summary"]


def test_an_automation_is_followed_into_the_command_and_the_automation_it_started(told: t.Any, history: History) -> None:
    history.automate(
        AUTOMATION,
        {"StepName": "fine", "Action": "aws:sleep", "StepStatus": "Success"},
        {"StepName": "run", "Action": "aws:runCommand", "StepStatus": "Failed", "Outputs": {"CommandId": [SENT]}},
        {"StepName": "call", "Action": "aws:executeAutomation", "StepStatus": "Failed", "Outputs": {"ExecutionId": [CHILD]}},
    )
    history.automate(CHILD, {"StepName": "x", "Action": "aws:sleep", "StepStatus": "Failed", "FailureMessage": "asleep"})
    history.send(SENT, invocation(SENT, NODE, plugin()))
    (execution,) = told(automation_execution_id=AUTOMATION)["traces"]
    assert kinds(execution["parts"]) == [
        ["automation_step", ["command", ["command_invocation", ["command_step"]]]],
        ["automation_step", ["automation_execution", ["automation_step"]]],
    ]


def test_the_right_that_a_step_of_an_automation_lacks_is_what_to_do(told: t.Any, history: History) -> None:
    message = "User: arn:aws:sts::123456789012:assumed-role/Mend/x is not authorized to perform: ec2:StopInstances on resource: y"
    details = {"FailureStage": "Invocation", "FailureType": "NotFound"}
    step = {"StepName": "stop", "Action": "aws:changeInstanceState", "StepStatus": "Failed", "ResponseCode": "400"}
    history.automate(AUTOMATION, {**step, "FailureMessage": message, "FailureDetails": details})
    cause = told(automation_execution_id=AUTOMATION)["cause"]
    assert cause["remedy"] == "Allow ec2:StopInstances for the role named in the message."
    assert (cause["response_code"], cause["evidence"]) == (400, [f"{message} [Invocation, NotFound]"])


def test_an_automation_with_many_steps_is_asked_for_all_of_them(told: t.Any, history: History) -> None:
    history.automate(AUTOMATION, StepExecutionsTruncated=True)
    assert told(automation_execution_id=AUTOMATION)["cause"]["name"] == "last (aws:sleep)"


def test_an_automation_on_several_targets_is_followed_to_each_that_failed(told: t.Any, history: History) -> None:
    step = {"StepName": "x", "Action": "aws:sleep", "StepStatus": "Failed"}
    history.automate(AUTOMATION, Targets=[{"Key": "InstanceIds", "Values": [NODE]}])
    history.automate(CHILD, step, ParentAutomationExecutionId=AUTOMATION, Target=NODE)
    assert told(automation_execution_id=AUTOMATION)["cause"]["target"] == NODE


def test_an_automation_that_names_the_node_is_told_with_it(told: t.Any, history: History) -> None:
    history.statuses.clear()
    history.invocations.clear()
    for number, (execution, node) in enumerate(((AUTOMATION, NODE), (CHILD, OTHER))):
        history.automate(execution, {"StepName": f"step {number}", "Action": "aws:sleep", "StepStatus": "Failed"}, Target=node)
    assert [one["id"] for one in told(instance_id=NODE)["traces"]] == [AUTOMATION]


def test_automations_that_start_each_other_come_to_an_end(told: t.Any, history: History) -> None:
    call = {"StepName": "call", "Action": "aws:executeAutomation", "StepStatus": "Failed", "Outputs": {"ExecutionId": [AUTOMATION]}}
    history.automate(AUTOMATION, call)
    told(automation_execution_id=AUTOMATION)
    assert history.aws.operations().count("GetAutomationExecution") == 6


def test_what_failed_of_quick_setup_is_told_with_account_and_region(told: t.Any, history: History) -> None:
    history.statuses.clear()
    history.invocations.clear()
    failed = {"StatusType": "Deployment", "Status": "FAILED", "LastUpdatedAt": NOON, "StatusMessage": "Stack set failed."}
    history.managers[0]["StatusSummaries"] = [{**failed, "StatusDetails": {"Reason": "Role exists"}}]
    history.configurations = [
        {"Id": "c1", "Type": "SSMHostMgmt", "Account": "123456789012", "Region": "eu-west-1", "StatusSummaries": [failed]},
        {"Id": "c2", "Account": "123456789012", "Region": "eu-north-1", "StatusSummaries": [{**failed, "Status": "SUCCEEDED"}]},
    ]
    result = told(instance_id=NODE)
    assert kinds(result["traces"]) == [["quick_setup", ["quick_setup_configuration"]]]
    assert (result["cause"]["target"], result["cause"]["evidence"]) == ("123456789012 eu-west-1", ["Stack set failed."])
    assert result["traces"][0]["said"] == "Stack set failed. Reason: Role exists."


def test_more_than_the_limit_is_told(told: t.Any, history: History) -> None:
    history.send(SENT, *(invocation(SENT, f"i-{number:08d}", plugin()) for number in range(4)))
    result = told(command_id=SENT, limit=3)
    assert [one["kind"] for one in result["traces"][0]["parts"]] == ["command_invocation"] * 3 + ["unknown"]
    assert result["summary"][-1] == "Unknown: more nodes of the command. 1 besides the 3 that were looked at; raise limit."


_OF_NODES = {
    "DescribeInstanceAssociationsStatus": "ssm:DescribeInstanceAssociationsStatus",
    "DescribeAssociationExecutions": "ssm:DescribeAssociationExecutions",
    "DescribeAssociationExecutionTargets": "ssm:DescribeAssociationExecutionTargets",
    "ListCommandInvocations": "ssm:ListCommandInvocations",
    "GetCommandInvocation": "ssm:GetCommandInvocation",
    "DescribeAutomationExecutions": "ssm:DescribeAutomationExecutions",
    "ListConfigurationManagers": "ssm-quicksetup:ListConfigurationManagers",
}


def _unknown(traces: t.Sequence[Row]) -> set[str]:
    found = {one["iam_action"] for one in traces if one["kind"] == "unknown"}
    return found.union(*(_unknown(one["parts"]) for one in traces))


def assert_unknown(result: Row, action: str) -> None:
    assert _unknown(result["traces"]) == {action}
    (line,) = [line for line in result["summary"] if line.startswith("Unknown: ")]
    assert f"Allow the IAM action {action}" in line


@pytest.mark.parametrize(("operation", "action"), _OF_NODES.items())
def test_what_may_not_be_asked_of_a_node_is_unknown(told: t.Any, history: History, operation: str, action: str) -> None:
    history.aws.deny(operation)
    assert_unknown(told(instance_id=NODE), action)


@pytest.mark.parametrize(
    ("subject", "operation"),
    [
        ({"association_id": ASSOCIATION}, "DescribeAssociation"),
        ({"association_name": COLLECT}, "ListAssociations"),
        ({"command_id": COMMAND}, "ListCommands"),
        ({"automation_execution_id": AUTOMATION}, "GetAutomationExecution"),
    ],
)
def test_a_subject_that_may_not_be_asked_for_is_unknown(told: t.Any, history: History, subject: Row, operation: str) -> None:
    history.managers.clear()
    history.aws.deny(operation)
    assert_unknown(told(**subject), f"ssm:{operation}")


def test_nothing_is_said_to_be_well_where_nothing_may_be_asked(told: t.Any, history: History) -> None:
    for operation in history.aws.answers:
        history.aws.deny(operation)
    result = told(instance_id=NODE)
    assert result["cause"] is None
    assert result["summary"][0] == "Nothing failed in the last 24 hours, as far as could be asked."
    assert len(result["summary"]) == 5


def test_output_that_may_not_be_asked_for_is_told_as_far_as_it_is_known(told: t.Any, history: History) -> None:
    history.aws.deny("GetCommandInvocation")
    assert told(instance_id=NODE)["cause"]["evidence"] == ["mixed"]


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ({"association_id": EXECUTION}, "no such association"),
        ({"association_name": "nobody"}, "no association called nobody"),
        ({"command_id": SENT}, f"no command {SENT}"),
        ({"automation_execution_id": CHILD}, "no such automation execution"),
        ({"instance_id": ""}, "is empty"),
        ({"instance_id": NODE, "limit": 0}, "limit must be at least 1"),
        ({"instance_id": NODE, "since": -1}, "since must be at least 1"),
        ({"instance_id": NODE, "command_id": SENT}, "mutually exclusive"),
        ({}, "one of the following is required"),
    ],
)
def test_what_cannot_be_told_of_fails(told: t.Any, subject: Row, words: str) -> None:
    result = told(**subject)
    assert (result["failed"], words in result["msg"]) == (True, True), result["msg"]


def test_expired_credentials_fail_at_once(told: t.Any, history: History) -> None:
    history.aws.deny("DescribeInstanceAssociationsStatus", "ExpiredTokenException")
    result = told(instance_id=NODE)
    assert (result["failed"], result["error_code"]) == (True, "ExpiredTokenException")
    assert history.aws.operations() == ["DescribeInstanceAssociationsStatus"]
