# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An account whose operations are the emulator's, called in this process."""

from __future__ import annotations

import functools
import json
import typing as t

import moto.backends
import moto.moto_server.werkzeug_app
import werkzeug.test

from tests.emulator import command_delivery, constraints
from tests.emulator.accounts import Accounts
from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.faults import Faults
from tests.emulator.operations import registry
from tests.emulator.service_models import service_model
from tests.emulator.state import Command, State, now
from tests.emulator.statistics import Statistics
from tests.unit.conftest import Answer, FakeAws, Params, Refusal

_WELL = 200
_READING = ("Describe", "Get", "List")


class _NoAgents:
    """A message service that nobody is connected to."""

    def __init__(self, state: State) -> None:
        self._state = state

    @staticmethod
    def is_connected(_node: str) -> bool:
        return False

    def disconnect_node(self, _node: str) -> None:
        """Close nothing."""

    def advance(self, command: Command) -> None:
        """Have it begun where something stands in for the agents."""
        assert command.stand_in is not None, "there are no agents here"
        with self._state.lock:
            chosen = command_delivery.advance(command, now(), self._state.nodes, command.stand_in.reaches, command.timeout_seconds)
        for node in chosen:
            command.stand_in.begin(node)


class EmulatedAccount:
    """One account in one region, without agents; what the emulator leaves to moto is moto's here, too."""

    def __init__(self, aws: FakeAws) -> None:
        registry.load()
        self.aws = aws
        self.state = State("123456789012", "eu-west-1")
        service = t.cast("t.Any", _NoAgents(self.state))
        self.caller = registry.Caller(self.state, service, Statistics(), None, Accounts(self.state), Faults())
        moto.backends.get_backend("ssm")[self.state.account][self.state.region].reset()
        for name in service_model("ssm").operation_names:
            aws.answers[name] = functools.partial(self.call, name)

    def call(self, name: str, params: Params) -> Answer:
        """Carry out an operation as the emulator does."""
        if ("ssm", name) not in registry.OPERATIONS:
            return self._leave_to_moto(name, params)
        try:
            constraints.check_input(t.cast("t.Any", service_model("ssm").operation_model(name).input_shape), params)
            return t.cast("Answer", _without_nothing(registry.OPERATIONS["ssm", name](self.caller, params)))
        except ApiError as error:
            raise Refusal(error.code, error.message) from error
        except LeaveToMotoError:
            return self._leave_to_moto(name, params)

    def _leave_to_moto(self, name: str, params: Params) -> Answer:
        scope = f"AKIAEXAMPLE/20300101/{self.state.region}/ssm/aws4_request"
        headers = {"X-Amz-Target": f"AmazonSSM.{name}", "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}"}
        response = _moto().post("/", data=json.dumps(params), headers=headers, content_type="application/x-amz-json-1.1")
        answer: Answer = json.loads(response.data)
        if response.status_code != _WELL:
            raise Refusal(answer["__type"], answer.get("message", ""))
        return answer

    def changes(self) -> list[str]:
        """Name the calls since the last time that change something."""
        made = [operation for operation in self.aws.operations() if not operation.startswith(_READING)]
        self.aws.calls.clear()
        return made


@functools.cache
def _moto() -> werkzeug.test.Client:
    return werkzeug.test.Client(moto.moto_server.werkzeug_app.create_backend_app("ssm"))


def _without_nothing(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key: _without_nothing(item) for key, item in value.items() if item is not None}
    return [_without_nothing(item) for item in value] if isinstance(value, list) else value
