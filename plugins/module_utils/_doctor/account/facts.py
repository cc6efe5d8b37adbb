# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Gather what AWS knows of one node, each part when a check asks for it. I/O."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.asking import (
    Account,
    Answer,
    DeniedError,
    NoAnswerError,
    RefusedError,
)
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.node_checks import ONLINE
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.right_checks import HOST_MANAGEMENT, NEEDED, OFF, WANTED

_PREFERENCES = "SSM-SessionManagerRunShell"
_HYBRID = "ManagedInstance"


@dataclasses.dataclass(frozen=True)
class Question:
    """Which node is meant; empty texts were not said. A node that is not registered is told by activation, name or address."""

    instance_id: str = ""
    activation_id: str = ""
    name: str = ""
    ip_address: str = ""
    account_id: str = ""
    other_regions: tuple[str, ...] = ()
    sessions: bool = False

    def __str__(self) -> str:
        said = (
            (self.instance_id, "{}"),
            (self.activation_id, "node of the activation {}"),
            (self.name, "node called {}"),
            (self.ip_address, "node at {}"),
        )
        return next((words.format(value) for value, words in said if value), "node")


class Facts:
    """What is asked of AWS; each property asks once, and raises NoAnswerError where AWS does not answer."""

    def __init__(self, account: Account, question: Question) -> None:
        self._account = account
        self.question = question
        self.region = account.region

    @functools.cached_property
    def identity(self) -> Answer:
        """Give our own account and name."""
        return self._account.ask("sts", "GetCallerIdentity")

    @functools.cached_property
    def is_hybrid(self) -> bool:
        """Say whether it is a hybrid node, or will be one."""
        return not self.question.instance_id.startswith("i-")

    @functools.cached_property
    def row(self) -> Answer | None:
        """Give what Systems Manager lists of the node; None: nothing."""
        asked = self.question
        if asked.instance_id:
            return self.row_in("")
        rows = [one for one in self.hybrid_nodes if _is_meant(asked, one)]
        return min(rows, key=lambda one: one.get("PingStatus") != ONLINE, default=None)

    def row_in(self, region: str) -> Answer | None:
        """Give what Systems Manager lists of the node in a region."""
        filters = [{"Key": "InstanceIds", "Values": [self.question.instance_id]}]
        try:
            rows = self._account.list(
                "ssm", "DescribeInstanceInformation", "InstanceInformationList", region=region, Filters=filters
            )
        except RefusedError as error:
            if error.code != "InvalidInstanceId":
                raise
            return None
        return next(iter(rows), None)

    @functools.cached_property
    def elsewhere(self) -> list[str]:
        """Name the other regions that know the node."""
        if not self.question.instance_id:
            return []
        return [region for region in self.question.other_regions if region != self.region and self.row_in(region) is not None]

    @functools.cached_property
    def hybrid_nodes(self) -> list[Answer]:
        """List all hybrid nodes: a thousand a page, or fifty where that is denied."""
        try:
            older = [{"key": "ResourceType", "valueSet": [_HYBRID]}]
            return self._account.list("ssm", "DescribeInstanceProperties", "InstanceProperties", InstancePropertyFilterList=older)
        except (DeniedError, RefusedError):
            filters = [{"Key": "ResourceType", "Values": [_HYBRID]}]
            return self._account.list("ssm", "DescribeInstanceInformation", "InstanceInformationList", Filters=filters)

    @functools.cached_property
    def connection(self) -> str | None:
        """Give GetConnectionStatus's word; None: there is no node to ask for."""
        return (
            None
            if self.row is None
            else str(self._account.ask("ssm", "GetConnectionStatus", Target=self.row["InstanceId"])["Status"])
        )

    @functools.cached_property
    def is_open(self) -> bool:
        """Say whether the node reports and has its session channel, so that its way to AWS is open; no where that is not known."""
        try:
            return self.row is not None and self.row.get("PingStatus") == ONLINE and self.connection == "connected"
        except DeniedError:
            return False

    @functools.cached_property
    def is_online(self) -> bool:
        """Say whether the node reports; no where that is not known."""
        try:
            return self.row is not None and self.row.get("PingStatus") == ONLINE
        except DeniedError:
            return False

    @functools.cached_property
    def activation(self) -> Answer | None:
        """Give the activation that was named."""
        filters = [{"FilterKey": "ActivationIds", "FilterValues": [self.question.activation_id]}]
        return next(iter(self._account.list("ssm", "DescribeActivations", "ActivationList", Filters=filters)), None)

    def setting(self, name: str) -> str:
        """Give a service setting."""
        return str(self._account.ask("ssm", "GetServiceSetting", SettingId=name)["ServiceSetting"].get("SettingValue", ""))

    @functools.cached_property
    def associations(self) -> list[Answer]:
        """List what State Manager does on the node."""
        if self.row is None:
            return []
        return self._account.list(
            "ssm", "DescribeInstanceAssociationsStatus", "InstanceAssociationStatusInfos", InstanceId=self.row["InstanceId"]
        )

    @functools.cached_property
    def preferences(self) -> Answer:
        """Give the inputs of the session preferences; empty where there are none."""
        try:
            content = self._account.ask("ssm", "GetDocument", Name=_PREFERENCES).get("Content", "")
            inputs = json.loads(content).get("inputs", {})
        except RefusedError as error:
            if error.code != "InvalidDocument":
                raise
            return {}
        except (ValueError, AttributeError):
            return {}
        return inputs if isinstance(inputs, dict) else {}

    @functools.cached_property
    def instance(self) -> Answer | None:
        """Give the EC2 instance; None: there is none."""
        try:
            answer = self._account.ask("ec2", "DescribeInstances", InstanceIds=[self.question.instance_id])
        except RefusedError as error:
            if not error.code.startswith("InvalidInstanceID"):
                raise
            return None
        return next((one for reservation in answer.get("Reservations", []) for one in reservation.get("Instances", [])), None)

    @functools.cached_property
    def instance_status(self) -> Answer | None:
        """Give EC2's status checks of the instance."""
        answer = self._account.ask("ec2", "DescribeInstanceStatus", InstanceIds=[self.question.instance_id])
        return next(iter(answer.get("InstanceStatuses", [])), None)

    @property
    def console(self) -> str:
        """Say what the instance's console shows of the agent, which writes its version there when it starts."""
        try:
            answer = self._account.ask("ec2", "GetConsoleOutput", InstanceId=self.question.instance_id)
        except NoAnswerError as error:
            return f"Its console cannot be read: {error}"
        lines = [" ".join(line.split()) for line in str(answer.get("Output") or "").splitlines() if "SSM Agent" in line]
        return f"Its console says: {lines[-1][:200]}" if lines else "Its console shows nothing of an SSM Agent."

    @functools.cached_property
    def profile(self) -> Answer | None:
        """Give the instance profile that the instance names; None: it names none, or there is none of that name."""
        name = str(((self.instance or {}).get("IamInstanceProfile") or {}).get("Arn", "")).rpartition("/")[2]
        if not name:
            return None
        return _unless_absent(lambda: self._account.ask("iam", "GetInstanceProfile", InstanceProfileName=name)["InstanceProfile"])

    @functools.cached_property
    def host_management(self) -> str:
        """Name the role of default host management, or what says that there is none."""
        return self.setting(HOST_MANAGEMENT)

    @functools.cached_property
    def has_profile(self) -> bool:
        """Say whether the instance names an instance profile."""
        return bool((self.instance or {}).get("IamInstanceProfile"))

    @functools.cached_property
    def role_name(self) -> str:
        """Name the node's role, without its path; empty where it has none."""
        if self.is_hybrid:
            named = (
                (self.row or {}).get("IamRole") or (self.question.activation_id and (self.activation or {}).get("IamRole")) or ""
            )
        elif self.has_profile:
            named = next((role["RoleName"] for role in (self.profile or {}).get("Roles", [])), "")
        else:
            named = "" if self.host_management in OFF else self.host_management
        return str(named).rpartition("/")[2]

    @functools.cached_property
    def role(self) -> Answer | None:
        """Give the node's role; None: there is none."""
        if self.has_profile and not self.is_hybrid:
            return next(iter((self.profile or {}).get("Roles", [])), None)
        if not self.role_name:
            return None
        return _unless_absent(lambda: self._account.ask("iam", "GetRole", RoleName=self.role_name)["Role"])

    @functools.cached_property
    def simulation(self) -> list[Answer]:
        """Give what IAM's simulation says of the agent's actions."""
        return self.simulate([*NEEDED, *WANTED])

    def simulate(self, actions: t.Sequence[str]) -> list[Answer]:
        """Ask IAM whether the node's role may do actions."""
        arn = str((self.role or {}).get("Arn", ""))
        answer = self._account.ask("iam", "SimulatePrincipalPolicy", PolicySourceArn=arn, ActionNames=list(actions))
        return list(answer.get("EvaluationResults", []))


def _is_meant(asked: Question, row: Answer) -> bool:
    wanted = (
        (asked.activation_id, [row.get("ActivationId")]),
        (asked.name, [row.get("Name"), row.get("ComputerName")]),
        (asked.ip_address, [row.get("IPAddress")]),
    )
    return all(value in found for value, found in wanted if value) and any(value for value, _found in wanted)


def _unless_absent(ask: t.Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except RefusedError as error:
        if not error.code.startswith("NoSuchEntity"):
            raise
        return None
