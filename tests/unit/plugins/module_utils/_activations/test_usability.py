# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which activations a machine can register with."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._activations.usability import is_usable

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
SECOND = datetime.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("activation", "usable"),
    [
        ({}, True),
        ({"Expired": True}, False),
        ({"RegistrationLimit": 2, "RegistrationsCount": 1}, True),
        ({"RegistrationLimit": 2, "RegistrationsCount": 2}, False),
        ({"ExpirationDate": NOW + SECOND}, True),
        ({"ExpirationDate": NOW}, False),
    ],
)
def test_registrations_and_time_must_be_left(activation: dict[str, t.Any], usable: bool) -> None:
    assert is_usable(activation, NOW) is usable
