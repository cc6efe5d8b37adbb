# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tell an activation with which a machine can register now from one that is spent."""

from __future__ import annotations

import datetime
import typing as t


def is_usable(activation: t.Mapping[str, t.Any], now: datetime.datetime) -> bool:
    """Say whether it has registrations and time left."""
    if activation.get("Expired", False) or activation.get("RegistrationsCount", 0) >= activation.get("RegistrationLimit", 1):
        return False
    expiry = activation.get("ExpirationDate")
    return expiry is None or bool(expiry > now)
