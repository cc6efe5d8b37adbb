# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An AWS that answers from Python functions: botocore's clients are real, and send nothing."""

from __future__ import annotations

import functools
import os
import threading
import typing as t

import botocore.loaders
import botocore.session
import pytest
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader._collection_config import AnsibleCollectionConfig
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

# Before anything of ansible_collections is imported: Ansible's own finder must be the one that finds it.
if AnsibleCollectionConfig.collection_finder is None:
    init_plugin_loader()

Params = dict[str, t.Any]
Answer = dict[str, t.Any]


class Refusal(Exception):
    """Raised by an answering function: AWS's error code and message."""

    def __init__(self, code: str, message: str = "No") -> None:
        super().__init__(message)
        self.code = code


class FakeAws:
    """Set answers["Operation"] to a function from the request to the answer; calls lists what was asked.

    While a function answers, region says where it was asked.
    """

    def __init__(self) -> None:
        self.answers: dict[str, t.Callable[[Params], Answer]] = {
            "GetCallerIdentity": lambda _: {"Account": "123456789012", "Arn": "arn:aws:sts::123456789012:assumed-role/x/y"},
        }
        self.calls: list[tuple[str, Params]] = []
        self.clients: list[t.Any] = []
        self._lock = threading.Lock()
        self._asked = threading.local()

    @property
    def region(self) -> str:
        return str(self._asked.region)

    def operations(self) -> list[str]:
        return [call[0] for call in self.calls]

    def deny(self, operation: str, code: str = "AccessDeniedException", message: str = "No", region: str = "") -> None:
        answer = self.answers.get(operation)

        def refuse(params: Params) -> Answer:
            if answer is not None and region not in ("", self.region):
                return answer(params)
            raise Refusal(code, message)

        self.answers[operation] = refuse

    def attach(self, client: t.Any) -> t.Any:
        self.clients.append(client)
        client.meta.events.register("before-parameter-build.*.*", self._keep)
        client.meta.events.register("before-call.*.*", self._answer)
        return client

    def _keep(self, params: Params, context: Params, **_event: t.Any) -> None:
        context["asked"] = params

    def _answer(self, model: t.Any, context: Params, **_event: t.Any) -> tuple[AWSResponse, Answer]:
        with self._lock:
            self.calls.append((model.name, context["asked"]))
        self._asked.region = context["client_region"]
        try:
            return AWSResponse("", 200, HTTPHeaders(), None), self.answers[model.name](context["asked"])
        except Refusal as refusal:
            error = {"Code": refusal.code, "Message": str(refusal)}
            return AWSResponse("", 400, HTTPHeaders(), None), {"Error": error, "ResponseMetadata": {}}


@pytest.fixture(scope="session", autouse=True)
def _models_read_once() -> t.Iterator[None]:
    """Read the models of AWS's services once: that takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.loaders.create_loader))
        yield


@pytest.fixture
def no_aws_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> pytest.MonkeyPatch:
    """An environment in which botocore finds nothing."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "FLEET_SSM_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@pytest.fixture
def fake_aws(no_aws_environment: pytest.MonkeyPatch) -> FakeAws:
    """An AWS to talk to, with keys and a region in the environment."""
    from ansible_collections.fleet.ssm.plugins.module_utils._aws import sessions

    no_aws_environment.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    no_aws_environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    no_aws_environment.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    aws = FakeAws()
    create = sessions._create_client
    no_aws_environment.setattr(sessions, "_create_client", lambda *args, **kwargs: aws.attach(create(*args, **kwargs)))
    return aws
