# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module in this process, against an account that lives in a dictionary."""

from __future__ import annotations

import datetime
import json
import typing as t
import uuid

import botocore.exceptions
import botocore.session
import botocore.validate
import pytest
from ansible.module_utils import basic
from ansible_collections.fleet.ssm.plugins.module_utils._engine import module as engine_module

from tests.unit.conftest import FakeAws
from tests.unit.plugins.modules.emulated_account import EmulatedAccount

Answer = dict[str, t.Any]


class FakeSsm:
    """An ssm client that checks requests against botocore's model and keeps activations and parameters."""

    def __init__(self) -> None:
        session = botocore.session.Session()
        self.meta = session.create_client(
            "ssm", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b", endpoint_url="http://127.0.0.1:9"
        ).meta
        self.activations: dict[str, Answer] = {}
        self.parameters: dict[str, Answer] = {}
        self.calls: list[str] = []
        self.failing: dict[str, str] = {}

    def __getattr__(self, method: str) -> t.Callable[..., Answer]:
        operation = self.meta.method_to_api_mapping[method]
        return lambda **request: self._call(operation, request)

    def get_paginator(self, method: str) -> FakePaginator:
        return FakePaginator(self, method)

    def changes(self) -> list[str]:
        """Name the calls made that change something."""
        return [call for call in self.calls if not call.startswith(("Describe", "Get", "List"))]

    def _call(self, operation: str, request: Answer) -> Answer:
        shape: t.Any = self.meta.service_model.operation_model(operation).input_shape
        report = botocore.validate.ParamValidator().validate(request, shape)
        assert not report.has_errors(), report.generate_report()
        self.calls.append(operation)
        if operation in self.failing:
            code = self.failing[operation]
            raise botocore.exceptions.ClientError({"Error": {"Code": code, "Message": "Not today"}}, operation)
        return t.cast("Answer", getattr(self, f"_{operation}")(**request))

    def _CreateActivation(self, **request: t.Any) -> Answer:  # noqa: N802
        activation_id = str(uuid.uuid4())
        now = datetime.datetime.now(datetime.timezone.utc)
        self.activations[activation_id] = {
            "ActivationId": activation_id,
            "RegistrationLimit": 1,
            "RegistrationsCount": 0,
            "ExpirationDate": now + datetime.timedelta(hours=24),
            "Expired": False,
            "CreatedDate": now,
            **request,
        }
        return {"ActivationId": activation_id, "ActivationCode": f"code-{activation_id}"}

    def _DescribeActivations(self, Filters: t.Sequence[Answer] = (), **_: t.Any) -> Answer:  # noqa: N802, N803
        members = {"ActivationIds": "ActivationId", "DefaultInstanceName": "DefaultInstanceName", "IamRole": "IamRole"}
        kept = [
            item
            for item in self.activations.values()
            if all(item.get(members[entry["FilterKey"]]) in entry["FilterValues"] for entry in Filters)
        ]
        return {"ActivationList": kept}

    def _DeleteActivation(self, ActivationId: str) -> Answer:  # noqa: N802, N803
        del self.activations[ActivationId]
        return {}

    def _DescribeParameters(self, ParameterFilters: t.Sequence[Answer], **_: t.Any) -> Answer:  # noqa: N802, N803
        names = ParameterFilters[0]["Values"]
        shown = [{key: item.get(key) for key in ("Name", "Description", "Type")} for item in self.parameters.values()]
        return {"Parameters": [item for item in shown if item["Name"] in names]}

    def _PutParameter(self, **request: t.Any) -> Answer:  # noqa: N802
        self.parameters[request["Name"]] = request
        return {"Version": 1}

    def _GetParameter(self, Name: str, WithDecryption: bool) -> Answer:  # noqa: N802, N803
        return {"Parameter": self.parameters[Name] if WithDecryption else {}}

    def _GetParameters(self, Names: t.Sequence[str], WithDecryption: bool) -> Answer:  # noqa: N802, N803
        assert WithDecryption
        # AWS's own order is none.
        asked = [(name, *name.partition(":")) for name in sorted(Names)]
        found = [
            {**self.parameters[name], "Selector": colon + end, "ARN": f"arn:{name}"}
            for _asked, name, colon, end in asked
            if name in self.parameters
        ]
        return {
            "Parameters": found,
            "InvalidParameters": [whole for whole, name, _colon, _end in asked if name not in self.parameters],
        }

    def _DeleteParameter(self, Name: str) -> Answer:  # noqa: N802, N803
        del self.parameters[Name]
        return {}


class FakePaginator:
    """Pages of one entry each, with an empty one between, as AWS may send."""

    def __init__(self, client: FakeSsm, method: str) -> None:
        self._client = client
        self._method = method

    def paginate(self, PaginationConfig: Answer, **request: t.Any) -> t.Iterator[Answer]:  # noqa: N803
        size = {"MaxResults": PaginationConfig["PageSize"]} if PaginationConfig["PageSize"] else {}
        answer = getattr(self._client, self._method)(**request, **size)
        ((member, entries),) = answer.items()
        for entry in entries:
            yield {member: [entry]}
            yield {member: []}


class FakeSession:
    """What open_session gives: a module of Systems Manager asks no other service."""

    def __init__(self, client: FakeSsm) -> None:
        self._client = client

    def client(self, service: str) -> FakeSsm:
        assert service == self._client.meta.service_model.service_name
        return self._client


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeSsm:
    """An empty account."""
    client = FakeSsm()
    monkeypatch.setattr(engine_module, "open_session", lambda _options: FakeSession(client))
    return client


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> t.Callable[..., Answer]:
    """Call run(main, check_mode=…, diff=…, no_log=…, option=…) and get what the module returns."""

    def _run(
        main: t.Callable[[], None], *, check_mode: bool = False, diff: bool = False, no_log: bool = False, **options: t.Any
    ) -> Answer:
        internal = {"_ansible_check_mode": check_mode, "_ansible_diff": diff, "_ansible_no_log": no_log}
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, **internal}}).encode()
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments)
        # ansible-core 2.19 and later want to be told how arguments are written; before, the name is not there.
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            main()
        return t.cast("Answer", json.loads(capsys.readouterr().out))

    return _run


@pytest.fixture
def emulated(fake_aws: FakeAws) -> EmulatedAccount:
    """An empty account whose operations are the emulator's."""
    return EmulatedAccount(fake_aws)
