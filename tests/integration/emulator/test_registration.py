# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers are registered and deregistered, and get keys, as AWS documents it."""

from __future__ import annotations

import datetime
import time
import typing as t

import pytest

from tests.emulator.agent.identity import HybridKey
from tests.integration.bare_server import BareServer, RefusedError
from tests.integration.emulator.calls import activation, described, information, pages, refused
from tests.integration.running_emulator import RunningEmulator


def test_an_activation_registers_no_more_servers_than_its_limit(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = activation(ssm, RegistrationLimit=2)
    nodes = {BareServer(emulator).register(made) for _time in range(2)}
    with pytest.raises(RefusedError, match="RegistrationLimitExceeded"):
        BareServer(emulator).register(made)
    assert len(nodes) == 2
    assert described(ssm, made)["RegistrationsCount"] == 2


def test_an_expired_activation_registers_nobody(ssm: t.Any, emulator: RunningEmulator) -> None:
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    made = activation(ssm, ExpirationDate=end)
    time.sleep(2)
    with pytest.raises(RefusedError, match="ActivationExpired"):
        BareServer(emulator).register(made)
    assert described(ssm, made)["Expired"]


def test_a_wrong_activation_code_registers_nobody(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = {**activation(ssm), "ActivationCode": "x" * 20}
    with pytest.raises(RefusedError, match="InvalidActivation"):
        BareServer(emulator).register(made)


def test_a_deleted_activation_registers_nobody_but_leaves_those_it_did(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = activation(ssm, RegistrationLimit=2)
    node = BareServer(emulator).register(made)
    ssm.delete_activation(ActivationId=made["ActivationId"])
    with pytest.raises(RefusedError, match="InvalidActivation"):
        BareServer(emulator).register(made)
    assert node in {row["InstanceId"] for row in pages(ssm, "describe_instance_information")}


def test_a_registered_server_has_what_its_activation_says_and_is_not_online(ssm: t.Any, emulator: RunningEmulator) -> None:
    made = activation(ssm, IamRole="Oslo", DefaultInstanceName="rack", Tags=[{"Key": "site", "Value": "oslo"}])
    node = BareServer(emulator).register(made)
    (row,) = information(ssm, **{"tag:site": "oslo"})
    assert (row["InstanceId"], row["Name"], row["IamRole"], row["PingStatus"]) == (node, "rack", "Oslo", "ConnectionLost")
    assert row["ActivationId"] == made["ActivationId"]


def test_a_registered_server_gets_keys_of_its_role_that_work(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    node = server.register(activation(ssm))
    token = server.role_token()
    keys = token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"]
    assert emulator.client("ssm", keys).get_connection_status(Target=node)["Status"] == "notconnected"
    assert 3500 < token["TokenExpirationDate"] - time.time() <= 3600


def test_keys_are_refused_to_whom_the_servers_own_key_is_not(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    server.register(activation(ssm))
    with pytest.raises(RefusedError, match="InvalidSignatureException"):
        server.role_token(HybridKey.generate())


def test_keys_are_refused_to_a_copy_of_the_server(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    server.register(activation(ssm))
    server.fingerprint = "another machine's"
    with pytest.raises(RefusedError, match="MachineFingerprintDoesNotMatch"):
        server.role_token()


def test_a_deregistered_servers_keys_work_no_more(ssm: t.Any, emulator: RunningEmulator) -> None:
    server = BareServer(emulator)
    node = server.register(activation(ssm))
    token = server.role_token()
    ssm.deregister_managed_instance(InstanceId=node)
    with pytest.raises(RefusedError, match="InvalidInstanceId"):
        server.role_token()
    with refused("UnrecognizedClientException"):
        keys = token["AccessKeyId"], token["SecretAccessKey"], token["SessionToken"]
        emulator.client("ssm", keys).get_connection_status(Target=node)


def test_only_registered_hybrid_nodes_can_be_deregistered(ssm: t.Any) -> None:
    with refused("InvalidInstanceId"):
        ssm.deregister_managed_instance(InstanceId="mi-0123456789abcdef0")
