# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data keys of KMS: what moto lets pass although the key is disabled or about to be deleted; the rest is moto's affair."""

from __future__ import annotations

import typing as t

import moto.backends

from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.operations.registry import Answer, Caller, Params, operation

_REFUSALS = {
    "Disabled": ("DisabledException", "{arn} is disabled."),
    "PendingDeletion": ("KMSInvalidStateException", "{arn} is pending deletion."),
}


@operation("GenerateDataKey", service="kms")
def generate_data_key(caller: Caller, params: Params) -> Answer:
    """Make a data key, when the key is usable."""
    return _unless_unusable(caller, params)


@operation("Decrypt", service="kms")
def decrypt(caller: Caller, params: Params) -> Answer:
    """Decrypt a data key, when the key is usable."""
    return _unless_unusable(caller, params)


def _unless_unusable(caller: Caller, params: Params) -> t.NoReturn:
    backend: t.Any = moto.backends.get_backend("kms")[caller.state.account][caller.state.region]
    key = backend.keys.get(backend.any_id_to_key_id(params["KeyId"])) if params.get("KeyId") else None
    if key is not None and key.key_state in _REFUSALS:
        code, message = _REFUSALS[key.key_state]
        raise ApiError(code, message.format(arn=key.arn))
    raise LeaveToMotoError
