# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles of records: assume one, and say who one is. Other roles, and their keys, are moto's."""

from __future__ import annotations

import datetime
import secrets

from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.state import Credential, now


@operation("AssumeRole", "sts")
def assume_role(caller: Caller, params: Params) -> Answer:
    """Give keys of the role's account; a wrong external id is denied without saying so, as AWS does."""
    arn, session_name = params["RoleArn"], params["RoleSessionName"]
    if not caller.accounts.roles:
        raise LeaveToMotoError
    role = caller.accounts.roles.get(arn)
    who = caller.credential.principal if caller.credential else "anonymous"
    if role is None or role.external_id != params.get("ExternalId", ""):
        raise ApiError("AccessDenied", f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}", 403)
    assumed = f"{arn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{session_name}"
    seconds = int(params.get("DurationSeconds", 3600))
    credential = Credential(
        access_key="ASIA" + secrets.token_hex(8).upper(),
        secret_key=secrets.token_urlsafe(30),
        principal=assumed,
        session_token=secrets.token_urlsafe(60),
        expires=now() + datetime.timedelta(seconds=seconds),
    )
    caller.state.credentials[credential.access_key] = credential
    return {
        "Credentials": {
            "AccessKeyId": credential.access_key,
            "SecretAccessKey": credential.secret_key,
            "SessionToken": credential.session_token,
            "Expiration": credential.expires,
        },
        "AssumedRoleUser": {"AssumedRoleId": f"AROAEMULATOR:{session_name}", "Arn": assumed},
    }


@operation("GetCallerIdentity", "sts")
def get_caller_identity(caller: Caller, _params: Params) -> Answer:
    """Say whose keys these are."""
    if caller.credential is None:
        raise LeaveToMotoError
    return {
        "UserId": "AIDAEMULATOR",
        "Account": caller.accounts.account_of(caller.credential),
        "Arn": caller.credential.principal,
    }
