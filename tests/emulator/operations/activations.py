# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hybrid activations: create, describe, delete."""

from __future__ import annotations

import base64
import datetime
import secrets
import uuid

from tests.emulator import moments
from tests.emulator.answers import ApiError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Activation, now

_LONGEST = datetime.timedelta(days=30)
_DEFAULT = datetime.timedelta(hours=24)
# 20 characters of base64, as in AWS's example Fjz3/sZfSvv78EXAMPLE: none begins with a hyphen, as an option does.
_CODE_BYTES = 15


@operation("CreateActivation")
def create_activation(caller: Caller, params: Params) -> Answer:
    """Create an activation; its code is told here and never again."""
    present = now()
    given = params.get("ExpirationDate")
    expires = present + _DEFAULT if given is None else moments.read(given)
    if not present < expires <= present + _LONGEST:
        raise ApiError("ValidationException", "Activation expiration date is not in valid range (future 30 days).")
    role = params["IamRole"]
    if ":" in role:
        raise ApiError("ValidationException", f"Invalid IAM role {role}: give the name of the role.")
    activation = Activation(
        activation_id=str(uuid.uuid4()),
        activation_code=base64.b64encode(secrets.token_bytes(_CODE_BYTES)).decode(),
        iam_role=role,
        description=params.get("Description", ""),
        default_instance_name=params.get("DefaultInstanceName", ""),
        registration_limit=params.get("RegistrationLimit", 1),
        created=present,
        expires=expires,
        tags={tag["Key"]: tag["Value"] for tag in params.get("Tags", [])},
    )
    with caller.state.lock:
        caller.state.activations[activation.activation_id] = activation
    return {"ActivationId": activation.activation_id, "ActivationCode": activation.activation_code}


@operation("DescribeActivations")
def describe_activations(caller: Caller, params: Params) -> Answer:
    """List activations, without their codes."""
    members = {
        "ActivationIds": lambda activation: activation.activation_id,
        "DefaultInstanceName": lambda activation: activation.default_instance_name,
        "IamRole": lambda activation: activation.iam_role,
    }
    found = list(caller.state.activations.values())
    for given in params.get("Filters", []):
        member = members.get(given.get("FilterKey", ""))
        if member is None:
            raise ApiError("InvalidFilter", f"{given.get('FilterKey')} is no filter")
        found = [activation for activation in found if member(activation) in given.get("FilterValues", [])]
    rows, token = page(found, "DescribeActivations", params.get("MaxResults", 50), params.get("NextToken"))
    return {"ActivationList": [_row(activation) for activation in rows], "NextToken": token}


@operation("DeleteActivation")
def delete_activation(caller: Caller, params: Params) -> Answer:
    """Delete an activation; nodes registered with it stay."""
    with caller.state.lock:
        if caller.state.activations.pop(params["ActivationId"], None) is None:
            raise ApiError("InvalidActivationId", "The activation ID is not valid.")
    return {}


def _row(activation: Activation) -> Answer:
    return {
        "ActivationId": activation.activation_id,
        "Description": activation.description or None,
        "DefaultInstanceName": activation.default_instance_name or None,
        "IamRole": activation.iam_role,
        "RegistrationLimit": activation.registration_limit,
        "RegistrationsCount": activation.registrations,
        "ExpirationDate": activation.expires,
        "Expired": activation.expires <= now(),
        "CreatedDate": activation.created,
        "Tags": [{"Key": key, "Value": value} for key, value in activation.tags.items()],
    }
