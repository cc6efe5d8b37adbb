# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What agents call: registration of hybrid nodes, their credentials, pings, and what they ask for at their start."""

from __future__ import annotations

import datetime
import secrets

from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.state import Activation, Credential, Node, now

_TOKEN_LIFE = datetime.timedelta(hours=1)
_PING_MEMBERS = {
    "AgentVersion": "agent_version",
    "PlatformType": "platform_type",
    "PlatformName": "platform_name",
    "PlatformVersion": "platform_version",
    "IPAddress": "ip_address",
    "ComputerName": "computer_name",
}


@operation("RegisterManagedInstance")
def register_managed_instance(caller: Caller, params: Params) -> Answer:
    """Make a hybrid node of a machine that has an activation."""
    with caller.state.lock:
        activation = _usable_activation(caller, params)
        activation.registrations += 1
        node = Node(
            instance_id=f"mi-0{secrets.token_hex(8)}",
            resource_type="ManagedInstance",
            name=activation.default_instance_name,
            activation_id=activation.activation_id,
            public_key=params["PublicKey"],
            fingerprint=params["Fingerprint"],
            iam_role=activation.iam_role,
            registration_date=now(),
            tags=dict(activation.tags),
        )
        caller.state.nodes[node.instance_id] = node
    return {"InstanceId": node.instance_id}


def _usable_activation(caller: Caller, params: Params) -> Activation:
    activation = caller.state.activations.get(params.get("ActivationId", ""))
    if activation is None or activation.activation_code != params.get("ActivationCode"):
        raise ApiError(
            "InvalidActivation", "The activation is not valid. The activation might have been deleted, or the code is wrong."
        )
    if activation.expires <= now():
        raise ApiError("ActivationExpired", "The activation has expired.")
    if activation.registrations >= activation.registration_limit:
        raise ApiError("RegistrationLimitExceeded", "The activation's registration limit is reached.")
    return activation


@operation("RequestManagedInstanceRoleToken")
def request_role_token(caller: Caller, params: Params) -> Answer:
    """Give a hybrid node keys of its role."""
    node = caller.state.nodes.get(caller.node)
    if node is None:
        raise ApiError("InvalidInstanceId", f"Not existing InstanceId {caller.node or 'unknown'}")
    if node.fingerprint != params["Fingerprint"]:
        raise ApiError("MachineFingerprintDoesNotMatch", "Fingerprint does not match.")
    credential = Credential(
        access_key="ASIA" + secrets.token_hex(8).upper(),
        secret_key=secrets.token_urlsafe(30),
        principal=f"arn:aws:sts::{caller.state.account}:assumed-role/{node.iam_role}/{node.instance_id}",
        session_token=secrets.token_urlsafe(60),
        expires=now() + _TOKEN_LIFE,
        node=node.instance_id,
    )
    with caller.state.lock:
        caller.state.credentials[credential.access_key] = credential
    return {
        "AccessKeyId": credential.access_key,
        "SecretAccessKey": credential.secret_key,
        "SessionToken": credential.session_token,
        "TokenExpirationDate": credential.expires,
        "UpdateKeyPair": False,
    }


@operation("UpdateManagedInstancePublicKey")
def update_public_key(caller: Caller, params: Params) -> Answer:
    """Take a hybrid node's new key."""
    caller.state.nodes[caller.node].public_key = params["NewPublicKey"]
    return {}


@operation("UpdateInstanceInformation")
def update_instance_information(caller: Caller, params: Params) -> Answer:
    """Take a ping; the first of an EC2 instance makes it a managed node."""
    instance_id = params["InstanceId"]
    with caller.state.lock:
        node = caller.state.nodes.get(instance_id)
        if node is None:
            if not instance_id.startswith("i-"):
                raise ApiError("InvalidInstanceId", f"Not existing InstanceId {instance_id}")
            node = caller.state.nodes[instance_id] = Node(instance_id, "EC2Instance", registration_date=now())
        for member, attribute in _PING_MEMBERS.items():
            if params.get(member):
                setattr(node, attribute, params[member])
        node.last_ping = now()
    return {}


@operation("UpdateManagedInstanceRole")
def update_managed_instance_role(caller: Caller, params: Params) -> Answer:
    """Give a hybrid node another role."""
    with caller.state.lock:
        node = caller.state.nodes.get(params["InstanceId"])
        if node is None or not node.instance_id.startswith("mi-"):
            raise ApiError("InvalidInstanceId", f"Not existing InstanceId {params['InstanceId']}")
        node.iam_role = params["IamRole"]
    return {}


@operation("DeregisterManagedInstance")
def deregister_managed_instance(caller: Caller, params: Params) -> Answer:
    """Forget a hybrid node."""
    instance_id = params["InstanceId"]
    with caller.state.lock:
        if not instance_id.startswith("mi-") or caller.state.nodes.pop(instance_id, None) is None:
            raise ApiError("InvalidInstanceId", f"The specified instance ID {instance_id} is not valid.")
        stale = [key for key, credential in caller.state.credentials.items() if credential.node == instance_id]
        for key in stale:
            del caller.state.credentials[key]
    caller.service.disconnect_node(instance_id)
    return {}


@operation("ListInstanceAssociations")
def list_instance_associations(_caller: Caller, _params: Params) -> Answer:
    """State Manager has nothing for anybody yet."""
    return {"Associations": []}


@operation("UpdateInstanceAssociationStatus")
def update_instance_association_status(_caller: Caller, _params: Params) -> Answer:
    """Take note of nothing: there are no associations."""
    return {}


@operation("GetMessages", "ec2messages")
def get_messages(_caller: Caller, params: Params) -> Answer:
    """The old way to Run Command, which agents poll until their control channel is up: never a message."""
    return {"Destination": params["Destination"], "Messages": [], "MessagesRequestId": params["MessagesRequestId"]}


@operation("PutInventory")
def put_inventory(_caller: Caller, _params: Params) -> Answer:
    """Accept an agent's inventory."""
    return {"Message": "Inventory was accepted"}
