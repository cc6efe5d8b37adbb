# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong in the account is named as the first cause, and nothing is where nothing is wrong."""

from __future__ import annotations

import datetime
import json
import typing as t

import botocore.exceptions
import botocore.parsers
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.node_checks import ACTIVATION_TIER
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.right_checks import HOST_MANAGEMENT

from tests.unit.plugins.module_utils._doctor.account.conftest import (
    ACTIVATION,
    HOUR,
    HYBRID,
    INSTANCE,
    NOW,
    Node,
    Row,
    role,
    trust,
)


def assert_cause(node: Node, check_id: str, words: str) -> Row:
    cause = node.verdict().cause
    assert cause is not None
    assert (cause["id"], words in cause["cause"]) == (check_id, True), cause
    assert cause["evidence"]
    assert cause["remedy"]
    return cause


def alarms(node: Node) -> list[tuple[str, str, str]]:
    checks = node.find()
    assert {check.id for check in checks} == {f"C{number}" for number in range(1, 22)}
    return [(check.id, check.status, check.evidence) for check in checks if check.status not in ("ok", "skip")]


def test_a_healthy_instance_has_no_alarm(instance: Node) -> None:
    assert alarms(instance) == []
    assert instance.verdict().healthy


def test_a_healthy_hybrid_node_has_no_alarm(hybrid: Node) -> None:
    assert alarms(hybrid) == []
    assert hybrid.verdict().healthy


def test_an_instance_of_default_host_management_has_no_alarm(instance: Node) -> None:
    del instance.instance["IamInstanceProfile"]
    instance.settings[HOST_MANAGEMENT] = "service-role/HostManagement"
    instance.roles["HostManagement"] = role("HostManagement", "ssm.amazonaws.com")
    assert alarms(instance) == []


def test_a_healthy_instance_takes_few_calls_and_none_about_its_network(instance: Node) -> None:
    instance.find()
    asked = instance.aws.operations()
    assert len(asked) == len(set(asked)) <= 12
    assert "DescribeVpcEndpoints" not in asked


def test_a_lost_instance_with_a_working_network_has_no_other_alarm(instance: Node) -> None:
    instance.be_lost()
    assert [alarm[0] for alarm in alarms(instance)] == ["C3", "C4"]
    assert_cause(instance, "C3", "has not reported since")


def test_of_an_instance_that_does_not_report_the_console_is_told(instance: Node) -> None:
    instance.be_lost()
    assert instance.check("C3")["evidence"].endswith("Its console says: 2026-01-01 Amazon SSM Agent v3.3.987.0 is running")
    instance.be_unmanaged()
    instance.console = "Debian GNU/Linux 12 web ttyS0"
    assert instance.check("C2")["evidence"].endswith("Its console shows nothing of an SSM Agent.")


def test_a_console_that_may_not_be_read_hides_no_cause(instance: Node) -> None:
    instance.be_lost()
    instance.aws.deny("GetConsoleOutput")
    assert "ec2:GetConsoleOutput" in assert_cause(instance, "C3", "has not reported since")["evidence"]


def test_a_lost_instance_in_a_private_network_with_endpoints_has_no_other_alarm(instance: Node) -> None:
    instance.be_isolated("ssm", "ssmmessages", "ec2messages")
    assert [alarm[0] for alarm in alarms(instance)] == ["C3", "C4"]


# C1
def test_credentials_of_another_account_are_the_cause(instance: Node) -> None:
    instance.question["account_id"] = "210987654321"
    assert "123456789012" in assert_cause(instance, "C1", "belongs to 210987654321")["cause"]
    assert {check.status for check in instance.find()} == {"fail", "skip"}


def test_credentials_that_aws_does_not_take_are_the_cause(instance: Node) -> None:
    instance.aws.deny("GetCallerIdentity", "InvalidClientTokenId")
    assert_cause(instance, "C1", "credentials or region")


# C2
def test_a_node_that_is_not_registered_is_the_cause(instance: Node) -> None:
    instance.be_unmanaged()
    assert_cause(instance, "C2", "not registered in eu-west-1")


def test_a_node_of_another_region_is_the_cause(instance: Node) -> None:
    instance.rows_by_region = {"eu-west-1": [], "us-east-1": instance.rows}
    instance.question["other_regions"] = ("eu-west-1", "us-east-2", "us-east-1")
    instance.rows_by_region["us-east-2"] = []
    assert_cause(instance, "C2", "registered in us-east-1, not in eu-west-1")


@pytest.mark.parametrize(
    "asked", [{"name": "web"}, {"ip_address": "10.0.1.5"}, {"activation_id": ACTIVATION}, {"name": "web", "ip_address": "10.0.1.5"}]
)
def test_a_hybrid_node_is_found_without_its_id(hybrid: Node, asked: dict[str, str]) -> None:
    hybrid.question = asked
    hybrid.rows[0]["ActivationId"] = ACTIVATION
    assert hybrid.verdict().healthy
    assert HYBRID in hybrid.check("C2")["evidence"]


@pytest.mark.parametrize("asked", [{"name": "db"}, {"name": "web", "ip_address": "10.0.1.6"}])
def test_another_node_is_not_taken_for_it(hybrid: Node, asked: dict[str, str]) -> None:
    hybrid.question = asked
    assert_cause(hybrid, "C2", "not registered")


def test_hybrid_nodes_are_listed_the_other_way_where_the_first_is_denied(hybrid: Node) -> None:
    hybrid.question = {"name": "web"}
    hybrid.aws.deny("DescribeInstanceProperties")
    assert hybrid.verdict().healthy


# C4, C5
def test_a_closed_session_channel_is_the_cause(hybrid: Node) -> None:
    hybrid.connection = "notconnected"
    assert_cause(hybrid, "C4", "no open channel to ssmmessages")


@pytest.mark.parametrize(("version", "status"), [("2.3.50.0", "fail"), ("2.3.612.0", "warn"), ("2.3.668.0", "ok"), ("", "skip")])
def test_an_old_agent_is_told(hybrid: Node, version: str, status: str) -> None:
    hybrid.rows[0]["AgentVersion"] = version
    assert hybrid.check("C5")["status"] == status


def test_an_agent_too_old_for_default_host_management_is_the_cause(instance: Node) -> None:
    del instance.instance["IamInstanceProfile"]
    instance.settings[HOST_MANAGEMENT] = "HostManagement"
    instance.roles["HostManagement"] = role("HostManagement", "ssm.amazonaws.com")
    instance.rows[0]["AgentVersion"] = "3.1.0.0"
    assert_cause(instance, "C5", "default host management")


# C6
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Expired": True, "ExpirationDate": NOW - HOUR}, "has expired"),
        ({"RegistrationsCount": 5}, "as the activation allows"),
        (None, "was deleted"),
    ],
)
def test_a_spent_activation_is_the_cause(hybrid: Node, changes: Row | None, words: str) -> None:
    hybrid.be_unmanaged()
    hybrid.question = {"activation_id": ACTIVATION}
    usable = {"ActivationId": ACTIVATION, "RegistrationLimit": 5, "RegistrationsCount": 1, "IamRole": "SSMServiceRole"}
    if changes is not None:
        hybrid.activations = [{**usable, "ExpirationDate": NOW + datetime.timedelta(days=1), **changes}]
    assert_cause(hybrid, "C6", words)


def test_a_usable_activation_is_not_the_cause(hybrid: Node) -> None:
    hybrid.be_unmanaged()
    hybrid.question = {"activation_id": ACTIVATION}
    hybrid.activations = [
        {"ActivationId": ACTIVATION, "RegistrationLimit": 5, "RegistrationsCount": 1, "IamRole": "SSMServiceRole"}
    ]
    assert [alarm[0] for alarm in alarms(hybrid)] == ["C2"]


def test_a_spent_activation_does_not_matter_to_a_registered_node(hybrid: Node) -> None:
    hybrid.question["activation_id"] = ACTIVATION
    hybrid.rows[0]["ActivationId"] = ACTIVATION
    assert alarms(hybrid) == []


# C7
def test_a_deleted_hybrid_role_is_the_cause(hybrid: Node) -> None:
    hybrid.roles.clear()
    assert_cause(hybrid, "C7", "does not exist any more")


@pytest.mark.parametrize(
    "policy", [trust("ec2.amazonaws.com"), trust("ssm.amazonaws.com", StringEquals={"aws:SourceAccount": "210987654321"})]
)
def test_a_role_that_does_not_trust_systems_manager_is_the_cause(hybrid: Node, policy: str) -> None:
    hybrid.roles["SSMServiceRole"]["AssumeRolePolicyDocument"] = policy
    assert_cause(hybrid, "C7", "may not assume the node's role")


def test_a_role_that_trusts_systems_manager_for_this_account_is_well(hybrid: Node) -> None:
    hybrid.roles["SSMServiceRole"]["AssumeRolePolicyDocument"] = trust(
        "ssm.amazonaws.com", StringEquals={"aws:SourceAccount": "123456789012"}
    )
    assert alarms(hybrid) == []


# C8
def test_an_instance_without_a_role_is_the_cause(instance: Node) -> None:
    del instance.instance["IamInstanceProfile"]
    assert_cause(instance, "C8", "has no role")


def test_a_deleted_profile_is_the_cause(instance: Node) -> None:
    instance.profile = None
    assert_cause(instance, "C8", "was deleted")


def test_a_profile_that_was_made_again_is_the_cause(instance: Node) -> None:
    instance.instance["IamInstanceProfile"]["Id"] = "AIPAOLDOLDOLDOLDOLD0"
    assert_cause(instance, "C8", "made again")


def test_a_profile_without_a_role_is_the_cause(instance: Node) -> None:
    assert instance.profile is not None
    instance.profile["Roles"] = []
    assert_cause(instance, "C8", "has no role")


def test_a_role_that_does_not_trust_ec2_is_the_cause(instance: Node) -> None:
    assert instance.profile is not None
    instance.profile["Roles"][0]["AssumeRolePolicyDocument"] = trust("lambda.amazonaws.com")
    assert_cause(instance, "C8", "EC2 may not assume")


# C9
@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"EvalDecision": "implicitDeny"}, "not allowed by any policy"),
        ({"EvalDecision": "explicitDeny", "MatchedStatements": [{"SourcePolicyId": "NoSessions"}]}, "denied by NoSessions"),
        (
            {"EvalDecision": "implicitDeny", "PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            "boundary",
        ),
        (
            {"EvalDecision": "implicitDeny", "OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            "service control policy",
        ),
    ],
)
def test_a_missing_action_is_the_cause(instance: Node, result: Row, words: str) -> None:
    instance.denials["ssmmessages:OpenDataChannel"] = result
    assert words in assert_cause(instance, "C9", "lacks ssmmessages:OpenDataChannel")["evidence"]


def test_an_action_that_only_inventory_needs_is_warned_of(hybrid: Node) -> None:
    hybrid.denials["ssm:PutInventory"] = {"EvalDecision": "implicitDeny"}
    assert [alarm[:2] for alarm in alarms(hybrid)] == [("C9", "warn")]
    assert hybrid.verdict().healthy


# C10, C11
def test_a_missing_role_of_default_host_management_is_the_cause(instance: Node) -> None:
    del instance.instance["IamInstanceProfile"]
    instance.settings[HOST_MANAGEMENT] = "service-role/Gone"
    assert_cause(instance, "C10", "does not exist")


def test_a_metadata_service_that_is_off_is_the_cause(instance: Node) -> None:
    instance.instance["MetadataOptions"] = {"HttpEndpoint": "disabled"}
    assert_cause(instance, "C11", "metadata service is off")


# C12
@pytest.mark.parametrize("service", ["ssm", "ssmmessages"])
def test_a_missing_endpoint_is_the_cause(instance: Node, service: str) -> None:
    instance.be_isolated(*({"ssm", "ssmmessages"} - {service}))
    assert_cause(instance, "C12", f"endpoint of {service} is missing")


@pytest.mark.parametrize(
    ("changes", "words"), [({"State": "failed"}, "does not work"), ({"PrivateDnsEnabled": False}, "private DNS is off")]
)
def test_an_endpoint_that_is_of_no_use_is_the_cause(instance: Node, changes: Row, words: str) -> None:
    instance.be_isolated("ssm")
    instance.endpoints.append(instance.endpoint("ssmmessages", **changes))
    assert_cause(instance, "C12", words)


def test_a_missing_endpoint_does_not_matter_where_there_is_another_way(instance: Node) -> None:
    instance.be_lost()
    instance.endpoints = [instance.endpoint("ssm")]
    assert [alarm[0] for alarm in alarms(instance)] == ["C3", "C4"]


# C13
def test_a_security_group_that_lets_nothing_out_is_the_cause(instance: Node) -> None:
    instance.be_lost()
    instance.groups["sg-node"]["IpPermissionsEgress"] = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}]
    assert "sg-node" in assert_cause(instance, "C13", "security group keeps it")["evidence"]


def test_an_endpoint_that_lets_nothing_in_is_the_cause(instance: Node) -> None:
    instance.be_isolated("ssm", "ssmmessages")
    instance.groups["sg-endpoint"]["IpPermissions"][0]["IpRanges"] = [{"CidrIp": "192.168.0.0/16"}]
    assert "vpce-ssm" in assert_cause(instance, "C13", "keeps the instance out")["evidence"]


@pytest.mark.parametrize("source", [{"UserIdGroupPairs": [{"GroupId": "sg-node"}]}, {"PrefixListIds": [{"PrefixListId": "pl-1"}]}])
def test_an_endpoint_may_let_a_group_or_a_list_in(instance: Node, source: Row) -> None:
    instance.be_isolated("ssm", "ssmmessages")
    instance.groups["sg-endpoint"]["IpPermissions"] = [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **source}]
    assert instance.check("C13")["status"] == "ok"


@pytest.mark.parametrize(("egress", "words"), [(True, "deny TCP 443"), (False, "deny the answers")])
def test_a_network_acl_is_the_cause(instance: Node, egress: bool, words: str) -> None:
    instance.be_lost()
    instance.acl = [rule for rule in instance.acl if rule["Egress"] is not egress or rule["RuleAction"] == "deny"]
    assert words in assert_cause(instance, "C13", "network ACL")["evidence"]


def test_a_network_acl_that_lets_ports_in_one_by_one_is_well(instance: Node) -> None:
    instance.be_lost()
    instance.acl = [
        {**rule, "Protocol": "6", "PortRange": {"From": 443 if rule["Egress"] else 1024, "To": 443 if rule["Egress"] else 65535}}
        if rule["RuleAction"] == "allow"
        else rule
        for rule in instance.acl
    ]
    assert instance.check("C13")["status"] == "ok"


# C14
@pytest.mark.parametrize(
    "statements",
    [
        [{"Effect": "Allow", "Action": "ssm:GetParameter", "Principal": "*", "Resource": "*"}],
        [
            {"Effect": "Allow", "Action": "*", "Principal": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "ssm:Update*", "Principal": "*", "Resource": "*"},
        ],
        [],
    ],
)
def test_the_policy_of_an_endpoint_is_the_cause(instance: Node, statements: list[Row]) -> None:
    instance.be_isolated("ssmmessages")
    instance.endpoints.append(instance.endpoint("ssm", PolicyDocument=json.dumps({"Statement": statements})))
    assert "ssm:UpdateInstanceInformation" in assert_cause(instance, "C14", "policy of the endpoint of ssm")["evidence"]


def test_a_policy_with_conditions_is_not_taken_for_a_denial(instance: Node) -> None:
    instance.be_isolated("ssmmessages")
    condition = {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}
    statement = {"Effect": "Allow", "Action": "*", "Principal": "*", "Resource": "*", "Condition": condition}
    instance.endpoints.append(instance.endpoint("ssm", PolicyDocument=json.dumps({"Statement": statement})))
    assert instance.check("C14")["status"] == "ok"


# C15
def no_route(node: Node) -> None:
    del node.main_routes[1]


def blackhole(node: Node) -> None:
    node.main_routes[1]["State"] = "blackhole"


def no_public_address(node: Node) -> None:
    node.main_routes[1] = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}


def failed_nat(node: Node) -> None:
    node.nat["State"] = "failed"


def nat_in_a_private_subnet(node: Node) -> None:
    node.nat_routes = []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_route, "no default route"),
        (blackhole, "is no more"),
        (no_public_address, "no public address"),
        (failed_nat, "nat-1 is failed"),
        (nat_in_a_private_subnet, "without a way out"),
    ],
)
def test_no_way_out_is_the_cause(instance: Node, spoil: t.Callable[[Node], None], words: str) -> None:
    instance.be_unmanaged()
    spoil(instance)
    assert words in assert_cause(instance, "C15", "no way to AWS")["evidence"]


def test_a_public_address_is_a_way_out(instance: Node) -> None:
    instance.be_lost()
    no_public_address(instance)
    instance.instance["PublicIpAddress"] = "192.0.2.1"
    assert instance.check("C15")["status"] == "ok"


# C16
def test_a_vpc_without_a_resolver_is_the_cause(instance: Node) -> None:
    instance.be_lost()
    instance.dns["EnableDnsSupport"] = False
    assert_cause(instance, "C16", "no resolver")


def test_private_names_that_the_vpc_does_not_resolve_are_the_cause(instance: Node) -> None:
    instance.be_isolated("ssm", "ssmmessages")
    instance.dns["EnableDnsHostnames"] = False
    assert_cause(instance, "C16", "not resolved to them")


def test_a_resolver_of_ones_own_is_warned_of(instance: Node) -> None:
    instance.be_isolated("ssm", "ssmmessages")
    instance.dhcp_options = "dopt-1"
    check = instance.check("C16")
    assert (check["status"], "10.0.0.9" in check["evidence"]) == ("warn", True)


# C17, C18
def test_the_standard_tier_is_the_cause_where_sessions_are_wanted(hybrid: Node) -> None:
    hybrid.settings[ACTIVATION_TIER] = "standard"
    hybrid.question["sessions"] = True
    assert_cause(hybrid, "C17", "have no sessions")


def test_the_standard_tier_is_warned_of_otherwise(hybrid: Node) -> None:
    hybrid.settings[ACTIVATION_TIER] = "standard"
    assert [alarm[:2] for alarm in alarms(hybrid)] == [("C17", "warn")]


def test_a_full_standard_tier_is_the_cause(hybrid: Node) -> None:
    hybrid.settings[ACTIVATION_TIER] = "standard"
    hybrid.question = {"name": "new"}
    hybrid.rows = [hybrid.row(f"mi-{number:017x}") for number in range(1000)]
    judged = hybrid.check("C17")
    assert (judged["status"], "1000 hybrid nodes" in judged["cause"]) == ("fail", True)


def test_a_machine_that_was_registered_anew_is_the_cause(hybrid: Node) -> None:
    hybrid.be_lost()
    hybrid.rows.append(hybrid.row("mi-0fedcba9876543210"))
    assert_cause(hybrid, "C18", "is mi-0fedcba9876543210 now")


def test_two_machines_with_one_identity_are_warned_of(hybrid: Node) -> None:
    hybrid.rows.append(hybrid.row("mi-0fedcba9876543210"))
    assert [alarm[:2] for alarm in alarms(hybrid)] == [("C18", "warn")]


@pytest.mark.parametrize("changes", [{"PingStatus": "ConnectionLost"}, {"IPAddress": "10.0.1.6"}, {"ComputerName": "db"}])
def test_an_old_registration_or_another_machine_is_no_alarm(hybrid: Node, changes: Row) -> None:
    hybrid.rows.append(hybrid.row("mi-0fedcba9876543210", **changes))
    assert alarms(hybrid) == []


# C19
def test_preferences_that_the_node_may_not_carry_out_are_the_cause(hybrid: Node) -> None:
    hybrid.preferences = {"kmsKeyId": "alias/sessions", "s3BucketName": ""}
    hybrid.denials["kms:Decrypt"] = {"EvalDecision": "explicitDeny"}
    assert_cause(hybrid, "C19", "need kms:Decrypt")


def test_preferences_that_a_policy_of_the_bucket_may_allow_are_warned_of(hybrid: Node) -> None:
    hybrid.preferences = {"s3BucketName": "logs"}
    hybrid.denials["s3:GetEncryptionConfiguration"] = {"EvalDecision": "implicitDeny"}
    assert [alarm[:2] for alarm in alarms(hybrid)] == [("C19", "warn")]


@pytest.mark.parametrize("preferences", [{}, {"kmsKeyId": ""}, {"kmsKeyId": "alias/sessions", "cloudWatchLogGroupName": "x"}])
def test_preferences_that_the_node_may_carry_out_are_well(hybrid: Node, preferences: Row) -> None:
    hybrid.preferences = preferences
    assert alarms(hybrid) == []


# C20
@pytest.mark.parametrize(("status", "alarm"), [("Success", []), ("Failed", [("C20", "warn")])])
def test_an_update_that_failed_is_warned_of(hybrid: Node, status: str, alarm: list[tuple[str, str]]) -> None:
    hybrid.associations = [{"AssociationId": "a", "Name": "AWS-UpdateSSMAgent", "Status": status}]
    assert [one[:2] for one in alarms(hybrid)] == alarm


# C21
@pytest.mark.parametrize("state", ["stopped", "terminated", "pending"])
def test_an_instance_that_does_not_run_is_the_cause(instance: Node, state: str) -> None:
    instance.be_lost()
    instance.instance["State"]["Name"] = state
    assert state in assert_cause(instance, "C21", "does not run")["evidence"]


def test_no_such_instance_is_the_cause(instance: Node) -> None:
    instance.be_unmanaged()
    instance.instances.clear()
    assert INSTANCE in assert_cause(instance, "C21", "no such instance")["evidence"]


def test_an_impaired_instance_is_the_cause(instance: Node) -> None:
    instance.be_lost()
    instance.status["InstanceStatus"]["Status"] = "impaired"
    assert_cause(instance, "C21", "status checks fail")


OF_INSTANCES = {
    "DescribeInstanceInformation": "C2",
    "GetConnectionStatus": "C4",
    "GetInstanceProfile": "C8",
    "SimulatePrincipalPolicy": "C9",
    "GetServiceSetting": "C10",
    "DescribeInstances": "C21",
    "GetDocument": "C19",
    "DescribeInstanceAssociationsStatus": "C20",
    "DescribeInstanceStatus": "C21",
}
OF_NETWORKS = (
    "DescribeVpcEndpoints",
    "DescribeRouteTables",
    "DescribeNatGateways",
    "DescribeSecurityGroups",
    "DescribeNetworkAcls",
    "DescribeVpcAttribute",
    "DescribeVpcs",
)
OF_HYBRID_NODES = {"GetRole": "C7", "SimulatePrincipalPolicy": "C9", "GetServiceSetting": "C17", "GetDocument": "C19"}


def assert_unknown(node: Node, operation: str, check_id: str, code: str = "AccessDeniedException") -> None:
    node.aws.deny(operation, code)
    found = {check.id: check for check in node.find()}
    assert found[check_id].status == "unknown"
    assert f":{operation}" in found[check_id].cause
    assert f":{operation}" in found[check_id].remedy


@pytest.mark.parametrize(("operation", "check_id"), OF_INSTANCES.items())
def test_what_we_may_not_ask_of_an_instance_is_unknown(instance: Node, operation: str, check_id: str) -> None:
    assert_unknown(instance, operation, check_id)


@pytest.mark.parametrize("operation", OF_NETWORKS)
def test_what_we_may_not_ask_of_its_network_is_unknown(instance: Node, operation: str) -> None:
    instance.be_lost()
    assert_unknown(instance, operation, "C12", "UnauthorizedOperation")


@pytest.mark.parametrize(("operation", "check_id"), OF_HYBRID_NODES.items())
def test_what_we_may_not_ask_of_a_hybrid_node_is_unknown(hybrid: Node, operation: str, check_id: str) -> None:
    assert_unknown(hybrid, operation, check_id, "AccessDenied")


def test_an_activation_that_we_may_not_ask_for_is_unknown(hybrid: Node) -> None:
    hybrid.be_unmanaged()
    hybrid.question = {"activation_id": ACTIVATION}
    assert_unknown(hybrid, "DescribeActivations", "C6")


def test_nobody_who_may_not_ask_anything_is_told_that_all_is_well(instance: Node) -> None:
    for operation in instance.aws.answers:
        if operation != "GetCallerIdentity":
            instance.aws.deny(operation)
    judged = instance.verdict()
    assert not judged.healthy
    assert {result["status"] for result in judged.checks} == {"ok", "unknown", "skip"}
    assert [result["id"] for result in judged.checks if result["status"] == "ok"] == ["C1"]


def test_what_aws_does_not_answer_is_unknown(hybrid: Node) -> None:
    hybrid.aws.deny("GetRole", "ServiceFailure", "Something broke")
    check = hybrid.check("C7")
    assert (check["status"], "Something broke" in check["evidence"]) == ("unknown", True)


def test_a_page_of_a_proxy_in_place_of_an_answer_is_unknown(hybrid: Node) -> None:
    def answer(_params: Row) -> t.NoReturn:
        raise botocore.parsers.ResponseParserError("invalid XML received:\n<html>")

    hybrid.aws.answers["GetRole"] = answer
    check = hybrid.check("C7")
    assert (check["status"], "invalid XML received: <html>" in check["evidence"]) == ("unknown", True)


def test_a_service_that_cannot_be_reached_is_asked_once(instance: Node) -> None:
    def unreachable(_params: Row) -> t.NoReturn:
        raise botocore.exceptions.EndpointConnectionError(endpoint_url="https://iam.amazonaws.com")

    for operation in ("GetInstanceProfile", "GetRole", "SimulatePrincipalPolicy"):
        instance.aws.answers[operation] = unreachable
    found = {check.id: check.status for check in instance.find()}
    assert [found["C8"], found["C9"]] == ["unknown", "unknown"]
    assert [name for name in instance.aws.operations() if name in ("GetInstanceProfile", "GetRole", "SimulatePrincipalPolicy")] == [
        "GetInstanceProfile"
    ]
