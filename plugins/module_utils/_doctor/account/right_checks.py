# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge whether a node may do what the agent does: C7 to C11, C19. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._doctor.account.policies import trusts
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip, warn

Row = dict[str, t.Any]

HOST_MANAGEMENT = "/ssm/managed-instance/default-ec2-instance-management-role"
OFF = ("", "$None")
# IAM's unique ids of instance profiles begin so.
_PROFILE_IDS = "AIPA"
CORE_POLICY = "AmazonSSMManagedInstanceCore"

# Of AmazonSSMManagedInstanceCore: without these there is no node and no session.
NEEDED = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenDataChannel",
)
# Without these, State Manager, inventory, patching and documents do not work. Agents from 3.3.40 on need no ec2messages.
WANTED = (
    "ssm:GetDocument",
    "ssm:DescribeDocument",
    "ssm:DescribeAssociation",
    "ssm:ListAssociations",
    "ssm:ListInstanceAssociations",
    "ssm:UpdateAssociationStatus",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:PutInventory",
    "ssm:PutComplianceItems",
    "ssm:GetDeployablePatchSnapshotForInstance",
    "ssm:GetManifest",
)
_ATTACH = f"Attach the policy {CORE_POLICY} to the role. Then restart the agent."


def hybrid_role(name: str, role: Row | None, account: str) -> Check:
    """C7: the role of a hybrid node is there, and lets Systems Manager assume it."""
    if role is None:
        cause = "The role that the node was registered with does not exist any more."
        return fail(
            "C7", f"IAM knows no role {name}.", cause, "Make it again, or give the node another (UpdateManagedInstanceRole)."
        )
    if not trusts(role.get("AssumeRolePolicyDocument"), "ssm", account):
        return fail(
            "C7",
            f"The trust policy of {name} does not let ssm.amazonaws.com assume it for {account}.",
            "Systems Manager may not assume the node's role; it says 'Not existing role' then.",
            "Let the service ssm.amazonaws.com do sts:AssumeRole in the trust policy; aws:SourceAccount, if any, is this account.",
        )
    return ok("C7", f"{name} trusts ssm.amazonaws.com.")


def instance_profile(attached: Row | None, profile: Row | None, host_management: str | None, account: str) -> Check:
    """C8: the instance has a role; attached is the instance's, profile IAM's answer, and a role of default host management."""
    if not attached:
        if host_management is not None and host_management not in OFF:
            return ok("C8", f"The instance has no profile; default host management gives it {host_management}.")
        return fail(
            "C8",
            "The instance has no instance profile, and default host management is off.",
            "The instance has no role.",
            f"Attach an instance profile with {CORE_POLICY}, or turn default host management on. Then restart the agent.",
        )
    name = str(attached.get("Arn", "")).rpartition("/")[2]
    again = "Associate the instance profile again (disassociate-iam-instance-profile, associate-iam-instance-profile)."
    if profile is None:
        return fail("C8", f"IAM knows no instance profile {name}.", "The instance profile was deleted.", again)
    if str(attached.get("Id", "")).startswith(_PROFILE_IDS) and profile.get("InstanceProfileId") != attached["Id"]:
        seen = f"The instance has {attached['Id']}, IAM's {name} is {profile['InstanceProfileId']}."
        return fail("C8", seen, "The instance profile was deleted and made again; the instance still has the old one.", again)
    roles = profile.get("Roles", [])
    if not roles:
        return fail("C8", f"The instance profile {name} has no role.", "The instance has no role.", f"Add a role to {name}.")
    if not trusts(roles[0].get("AssumeRolePolicyDocument"), "ec2", account):
        seen = f"The trust policy of {roles[0].get('RoleName')} does not let ec2.amazonaws.com assume it."
        return fail("C8", seen, "EC2 may not assume the instance's role.", "Let Service ec2.amazonaws.com do sts:AssumeRole.")
    return ok("C8", f"The instance profile {name} has the role {roles[0].get('RoleName')}.")


def actions(role: str, results: t.Sequence[Row], is_online: bool) -> Check:
    """C9: IAM's simulation allows the role what the agent does."""
    denied = {str(one.get("EvalActionName")): one for one in results if one.get("EvalDecision") != "allowed"}
    needed = [action for action in NEEDED if action in denied]
    if needed:
        why = sorted({_why(denied[action]) for action in needed})
        seen = f"{role}: {', '.join(needed)}: {'; '.join(why)}."
        return fail("C9", seen, f"The node's role lacks {', '.join(needed)}.", _ATTACH)
    wanted = [action for action in WANTED if action in denied]
    if wanted:
        seen = f"{role}: {', '.join(wanted)}: {'; '.join(sorted({_why(denied[action]) for action in wanted}))}."
        return warn("C9", seen, "State Manager, inventory, patching or documents will not work.", _ATTACH)
    beside = "" if is_online else " Service control policies and policies of VPC endpoints are not simulated."
    return ok("C9", f"{role} may do what the agent does.{beside}")


def _why(result: Row) -> str:
    if result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary") is False:
        return "outside of the role's permissions boundary"
    if result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations") is False:
        return "denied by a service control policy"
    if result.get("EvalDecision") == "explicitDeny":
        policies = [str(one.get("SourcePolicyId")) for one in result.get("MatchedStatements", []) if one.get("SourcePolicyId")]
        return "denied by " + (", ".join(policies) or "a policy")
    return "not allowed by any policy"


def host_management(role_name: str, role: Row | None, has_profile: bool) -> Check:
    """C10: default host management, where it is what gives the instance its role, has one."""
    if role_name in OFF:
        return skip("C10", "Default host management is off.")
    if has_profile:
        return skip("C10", f"Default host management is on ({role_name}), but the instance has a profile.")
    if role is None:
        cause = "The role of default host management does not exist."
        return fail("C10", f"IAM knows no role {role_name}.", cause, f"Make the role, or correct the setting {HOST_MANAGEMENT}.")
    return ok("C10", f"Default host management is on, with {role_name}.")


def metadata_options(options: Row) -> Check:
    """C11: the instance metadata service, where the agent gets its credentials, is on."""
    enable = "aws ec2 modify-instance-metadata-options --http-endpoint enabled. Then restart the agent."
    if options.get("HttpEndpoint") == "disabled":
        return fail(
            "C11", "HttpEndpoint is disabled.", "The instance metadata service is off, from which the agent gets its role.", enable
        )
    limit = options.get("HttpPutResponseHopLimit")
    note = " An agent in a container would need a hop limit of 2." if limit == 1 else ""
    return ok("C11", f"It is on, tokens are {options.get('HttpTokens', 'optional')}.{note}")


def preferences(inputs: Row, results: t.Sequence[Row] | None) -> Check:
    """C19: the node's role may do what the session preferences ask of it; results are those of the simulation, None: no need."""
    if results is None:
        return ok("C19", "The session preferences ask nothing of the node." if inputs else "There are no session preferences.")
    denied = [one for one in results if one.get("EvalDecision") != "allowed"]
    if not denied:
        return ok("C19", "The node's role may do what the session preferences ask.")
    names = ", ".join(str(one.get("EvalActionName")) for one in denied)
    seen = f"{names}: {'; '.join(sorted({_why(one) for one in denied}))}."
    cause = f"The session preferences need {names}, without which sessions end at once."
    remedy = "Allow it in the node's role, or change the session preferences."
    if any(one.get("EvalDecision") == "explicitDeny" for one in denied):
        return fail("C19", seen, cause, remedy)
    return warn("C19", seen + " The policy of the key or bucket may allow it all the same.", cause, remedy)
