# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Activations are made, listed and deleted as AWS documents it."""

from __future__ import annotations

import datetime
import json
import typing as t

import pytest

from tests.integration.emulator.calls import activation, activations, described, refused


def test_an_activation_is_described_with_all_but_its_code(ssm: t.Any) -> None:
    made = activation(ssm, Description="oslo", DefaultInstanceName="rack", RegistrationLimit=7, Tags=[{"Key": "a", "Value": "b"}])
    row = described(ssm, made)
    assert (row["Description"], row["DefaultInstanceName"], row["IamRole"]) == ("oslo", "rack", "Role")
    assert (row["RegistrationLimit"], row["RegistrationsCount"], row["Expired"]) == (7, 0, False)
    assert row["Tags"] == [{"Key": "a", "Value": "b"}]
    assert made["ActivationCode"] not in json.dumps(row, default=str)


def test_an_activation_is_good_for_one_server_and_24_hours_unless_told_otherwise(ssm: t.Any) -> None:
    row = described(ssm, activation(ssm))
    assert row["RegistrationLimit"] == 1
    assert row["ExpirationDate"] - row["CreatedDate"] == datetime.timedelta(hours=24)


@pytest.mark.parametrize("key", ["IamRole", "DefaultInstanceName"])
def test_activations_are_found_by_what_they_were_made_with(ssm: t.Any, key: str) -> None:
    made = activation(ssm, **{key: f"only-{key}"})
    activation(ssm)
    assert [row["ActivationId"] for row in activations(ssm, **{key: f"only-{key}"})] == [made["ActivationId"]]


def test_activations_come_in_pages_that_miss_and_repeat_none(ssm: t.Any) -> None:
    made = [activation(ssm, IamRole="Paged")["ActivationId"] for _time in range(5)]
    filters = [{"FilterKey": "IamRole", "FilterValues": ["Paged"]}]
    paginator = ssm.get_paginator("describe_activations")
    pages = [page["ActivationList"] for page in paginator.paginate(Filters=filters, MaxResults=2)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [row["ActivationId"] for page in pages for row in page] == made


def test_an_activation_cannot_last_longer_than_30_days(ssm: t.Any) -> None:
    with refused("ValidationException", "30 days"):
        activation(ssm, ExpirationDate=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=31))


def test_a_deleted_activation_cannot_be_deleted_again(ssm: t.Any) -> None:
    made = activation(ssm)
    ssm.delete_activation(ActivationId=made["ActivationId"])
    with refused("InvalidActivationId"):
        ssm.delete_activation(ActivationId=made["ActivationId"])
