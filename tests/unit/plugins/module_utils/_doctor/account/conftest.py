# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account with one healthy node in it, whose answers have the shapes of botocore's model; tests then break one thing."""

from __future__ import annotations

import base64
import copy
import datetime
import functools
import json
import typing as t
import urllib.parse

import botocore.session
import botocore.validate
import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._aws import sessions
from ansible_collections.fleet.ssm.plugins.module_utils._aws.options import AwsOptions
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.asking import Account
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.examination import examine
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.facts import Question
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.node_checks import ACTIVATION_TIER
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.right_checks import HOST_MANAGEMENT
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.verdict import Verdict, verdict

from tests.unit.conftest import FakeAws, Refusal

ACCOUNT = "123456789012"
INSTANCE, HYBRID, ACTIVATION = "i-0123456789abcdef0", "mi-0123456789abcdef0", "5743558d-563b-4457-8682-d16c3eexampl"
HOUR = datetime.timedelta(hours=1)
NOW = datetime.datetime.now(datetime.timezone.utc)
OPEN_POLICY = json.dumps({"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]})

Row = dict[str, t.Any]


def trust(service: str, **condition: t.Any) -> str:
    """Give a trust policy as IAM sends it: JSON, URL-encoded."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return urllib.parse.quote(json.dumps({"Statement": [{**statement, **({"Condition": condition} if condition else {})}]}))


def role(name: str, service: str) -> Row:
    return {
        "Path": "/",
        "RoleName": name,
        "RoleId": "AROAEXAMPLEEXAMPLE00",
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "CreateDate": NOW,
        "AssumeRolePolicyDocument": trust(service),
    }


class Node:
    """What AWS knows of a node. The attributes can be changed before it is examined."""

    def __init__(self, aws: FakeAws, instance_id: str) -> None:
        self.aws = aws
        self.question: dict[str, t.Any] = {"instance_id": instance_id}
        self.is_hybrid = instance_id.startswith("mi-")
        self.rows: list[Row] = [self.row(instance_id)]
        self.rows_by_region: dict[str, list[Row]] = {}
        self.connection = "connected"
        self.settings = {ACTIVATION_TIER: "advanced", HOST_MANAGEMENT: "$None"}
        self.activations: list[Row] = []
        self.roles = {"SSMServiceRole": role("SSMServiceRole", "ssm.amazonaws.com")}
        self.profile: Row | None = {
            "Path": "/",
            "InstanceProfileName": "NodeProfile",
            "InstanceProfileId": "AIPAEXAMPLEEXAMPLE00",
            "Arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/NodeProfile",
            "CreateDate": NOW,
            "Roles": [role("NodeRole", "ec2.amazonaws.com")],
        }
        self.console = "[  OK  ] Started snapd\r\n2026-01-01 Amazon SSM Agent v3.3.987.0 is running\r\n"
        self.denials: dict[str, Row] = {}
        self.preferences: Row | None = None
        self.associations: list[Row] = []
        self.status: Row = {"SystemStatus": {"Status": "ok"}, "InstanceStatus": {"Status": "ok"}}
        self.instances: list[Row] = [
            {
                "InstanceId": INSTANCE,
                "State": {"Name": "running"},
                "VpcId": "vpc-1",
                "SubnetId": "subnet-1",
                "PrivateIpAddress": "10.0.1.5",
                "SecurityGroups": [{"GroupId": "sg-node"}],
                "IamInstanceProfile": {"Arn": self.profile["Arn"], "Id": self.profile["InstanceProfileId"]},
                "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            }
        ]
        self.endpoints: list[Row] = []
        self.main_routes: list[Row] = [
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
            {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"},
        ]
        self.nat_routes: list[Row] = [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}]
        self.nat: Row = {"NatGatewayId": "nat-1", "State": "available", "SubnetId": "subnet-public", "ConnectivityType": "public"}
        everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
        self.groups: dict[str, Row] = {
            "sg-node": {"GroupId": "sg-node", "IpPermissionsEgress": [everything], "IpPermissions": []},
            "sg-endpoint": {"GroupId": "sg-endpoint", "IpPermissionsEgress": [], "IpPermissions": [https]},
        }
        self.acl: list[Row] = [
            {"Egress": egress, "RuleNumber": number, "Protocol": "-1", "RuleAction": action, "CidrBlock": "0.0.0.0/0"}
            for egress in (True, False)
            for number, action in ((100, "allow"), (32767, "deny"))
        ]
        self.dns = {"EnableDnsSupport": True, "EnableDnsHostnames": True}
        self.dhcp_options = "default"
        self.name_servers = ["10.0.0.9"]
        aws.answers.update({name[1:]: getattr(self, name) for name in dir(self) if name[0] == "_" and name[1:2].isupper()})

    @property
    def instance(self) -> Row:
        return self.instances[0]

    def row(self, instance_id: str, **changes: t.Any) -> Row:
        known = {
            "InstanceId": instance_id,
            "PingStatus": "Online",
            "LastPingDateTime": NOW,
            "AgentVersion": "3.3.987.0",
            "PlatformType": "Linux",
            "ResourceType": "ManagedInstance" if instance_id.startswith("mi-") else "EC2Instance",
            "IPAddress": "10.0.1.5",
            "ComputerName": "web",
        }
        return {**known, **({"IamRole": "service-role/SSMServiceRole"} if instance_id.startswith("mi-") else {}), **changes}

    def be_unmanaged(self) -> None:
        """Have Systems Manager know nothing of it."""
        self.rows.clear()

    def be_lost(self) -> None:
        """Have it reported, and report no more."""
        self.rows[0].update(PingStatus="ConnectionLost", LastPingDateTime=NOW - HOUR)
        self.connection = "notconnected"

    def be_isolated(self, *services: str) -> None:
        """Have no way out, and these endpoints, and be lost."""
        self.be_lost()
        self.main_routes = self.main_routes[:1]
        self.endpoints = [self.endpoint(service) for service in services]

    def endpoint(self, service: str, **changes: t.Any) -> Row:
        known = {
            "VpcEndpointId": f"vpce-{service}",
            "VpcEndpointType": "Interface",
            "ServiceName": f"com.amazonaws.eu-west-1.{service}",
            "State": "available",
            "PrivateDnsEnabled": True,
            "PolicyDocument": OPEN_POLICY,
            "Groups": [{"GroupId": "sg-endpoint"}],
        }
        return {**known, **changes}

    def find(self) -> list[t.Any]:
        return examine(Account(sessions.open_session(AwsOptions())), Question(**self.question)).checks

    def verdict(self) -> Verdict:
        return verdict(self.find())

    def check(self, check_id: str) -> Row:
        return next(result for result in self.verdict().checks if result["id"] == check_id)

    def _DescribeInstanceInformation(self, params: Row) -> Row:  # noqa: N802
        (wanted,) = params["Filters"]
        rows = self.rows_by_region.get(self.aws.region, self.rows)
        if wanted["Key"] == "ResourceType":
            return {"InstanceInformationList": rows}
        found = [one for one in rows if one["InstanceId"] in wanted["Values"]]
        if not found:
            raise Refusal("InvalidInstanceId", "The following instance IDs are not valid")
        return {"InstanceInformationList": found}

    def _DescribeInstanceProperties(self, params: Row) -> Row:  # noqa: N802
        return {"InstanceProperties": [one for one in self.rows if one["ResourceType"] == "ManagedInstance"]}

    def _GetConnectionStatus(self, params: Row) -> Row:  # noqa: N802
        return {"Target": params["Target"], "Status": self.connection}

    def _GetServiceSetting(self, params: Row) -> Row:  # noqa: N802
        return {"ServiceSetting": {"SettingId": params["SettingId"], "SettingValue": self.settings[params["SettingId"]]}}

    def _DescribeActivations(self, params: Row) -> Row:  # noqa: N802
        (wanted,) = params["Filters"]
        return {"ActivationList": [one for one in self.activations if one["ActivationId"] in wanted["FilterValues"]]}

    def _DescribeInstanceAssociationsStatus(self, params: Row) -> Row:  # noqa: N802
        return {"InstanceAssociationStatusInfos": self.associations}

    def _GetDocument(self, params: Row) -> Row:  # noqa: N802
        if self.preferences is None:
            raise Refusal("InvalidDocument", "Document with name SSM-SessionManagerRunShell does not exist.")
        return {"Name": params["Name"], "Content": json.dumps({"inputs": self.preferences})}

    def _GetRole(self, params: Row) -> Row:  # noqa: N802
        if params["RoleName"] not in self.roles:
            raise Refusal("NoSuchEntity", f"The role with name {params['RoleName']} cannot be found.")
        return {"Role": self.roles[params["RoleName"]]}

    def _GetInstanceProfile(self, params: Row) -> Row:  # noqa: N802
        if self.profile is None or params["InstanceProfileName"] != self.profile["InstanceProfileName"]:
            raise Refusal("NoSuchEntity", "Instance Profile cannot be found.")
        return {"InstanceProfile": self.profile}

    def _SimulatePrincipalPolicy(self, params: Row) -> Row:  # noqa: N802
        allowed = {"EvalDecision": "allowed"}
        return {
            "EvaluationResults": [
                {"EvalActionName": action, **self.denials.get(action, allowed)} for action in params["ActionNames"]
            ]
        }

    def _DescribeInstances(self, params: Row) -> Row:  # noqa: N802
        if not self.instances:
            raise Refusal("InvalidInstanceID.NotFound", "The instance ID does not exist")
        return {"Reservations": [{"Instances": self.instances}]}

    def _DescribeInstanceStatus(self, params: Row) -> Row:  # noqa: N802
        return {"InstanceStatuses": [{"InstanceId": INSTANCE, **self.status}]}

    def _GetConsoleOutput(self, params: Row) -> Row:  # noqa: N802
        return {"InstanceId": params["InstanceId"], "Output": base64.b64encode(self.console.encode()).decode()}

    def _DescribeVpcEndpoints(self, params: Row) -> Row:  # noqa: N802
        return {"VpcEndpoints": self.endpoints}

    def _DescribeRouteTables(self, params: Row) -> Row:  # noqa: N802
        main = {"Associations": [{"Main": True}], "Routes": self.main_routes}
        return {"RouteTables": [main, {"Associations": [{"SubnetId": "subnet-public"}], "Routes": self.nat_routes}]}

    def _DescribeNatGateways(self, params: Row) -> Row:  # noqa: N802
        return {"NatGateways": [self.nat]}

    def _DescribeSecurityGroups(self, params: Row) -> Row:  # noqa: N802
        return {"SecurityGroups": [self.groups[name] for name in params["Filters"][0]["Values"]]}

    def _DescribeNetworkAcls(self, params: Row) -> Row:  # noqa: N802
        return {"NetworkAcls": [{"NetworkAclId": "acl-1", "Entries": self.acl}]}

    def _DescribeVpcAttribute(self, params: Row) -> Row:  # noqa: N802
        name = params["Attribute"][0].upper() + params["Attribute"][1:]
        return {"VpcId": "vpc-1", name: {"Value": self.dns[name]}}

    def _DescribeVpcs(self, params: Row) -> Row:  # noqa: N802
        return {"Vpcs": [{"VpcId": "vpc-1", "DhcpOptionsId": self.dhcp_options}]}

    def _DescribeDhcpOptions(self, params: Row) -> Row:  # noqa: N802
        values = [{"Value": value} for value in self.name_servers]
        return {"DhcpOptions": [{"DhcpConfigurations": [{"Key": "domain-name-servers", "Values": values}]}]}


class _Stage:
    """The account that is being played; clients take long to make, and are made once for all tests."""

    aws: FakeAws

    @classmethod
    def keep(cls, **event: t.Any) -> None:
        cls.aws._keep(**event)

    @classmethod
    def answer(cls, model: t.Any, context: Row, **event: t.Any) -> t.Any:
        # botocore decodes policies in place.
        response, parsed = copy.deepcopy(cls.aws._answer(model, context, **event))
        if "Error" not in parsed:
            report = botocore.validate.ParamValidator().validate(parsed, model.output_shape)
            assert not report.has_errors(), (model.name, report.generate_report())
        return response, parsed

    @staticmethod
    @functools.cache
    def client(service: str, region: str) -> t.Any:
        session = botocore.session.Session()
        client = session.create_client(service, region, aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secret")
        client.meta.events.register("before-parameter-build.*.*", _Stage.keep)
        client.meta.events.register("before-call.*.*", _Stage.answer)
        return client


@pytest.fixture
def strict_aws(no_aws_environment: pytest.MonkeyPatch) -> FakeAws:
    """An AWS whose answers must have the shape that botocore's model gives them."""
    no_aws_environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    no_aws_environment.setattr(sessions, "_create_client", lambda _session, _options, *key: _Stage.client(*key))
    _Stage.aws = FakeAws()
    return _Stage.aws


@pytest.fixture
def instance(strict_aws: FakeAws) -> Node:
    """A healthy EC2 instance behind a NAT gateway."""
    return Node(strict_aws, INSTANCE)


@pytest.fixture
def hybrid(strict_aws: FakeAws) -> Node:
    """A healthy hybrid node."""
    return Node(strict_aws, HYBRID)
