# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin as Ansible loads it, and an AWS of functions with two nodes."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display

from tests.unit.plugins.inventory.two_nodes import PLANT, TAGS, UNMANAGED, WEB, WEB_INSTANCE, tag_list


@pytest.fixture
def aws(fake_aws: t.Any) -> t.Any:
    """Two nodes, one of each kind."""

    def get_resources(params: dict[str, t.Any]) -> dict[str, t.Any]:
        arns = [arn for arn in params["ResourceARNList"] if arn.rpartition("/")[2] in TAGS]
        return {"ResourceTagMappingList": [{"ResourceARN": arn, "Tags": tag_list(arn.rpartition("/")[2])} for arn in arns]}

    def list_tags(params: dict[str, t.Any]) -> dict[str, t.Any]:
        return {"TagList": tag_list(params["ResourceId"])}

    fake_aws.answers |= {
        "DescribeInstanceProperties": lambda _: {"InstanceProperties": [PLANT, WEB]},
        "DescribeInstanceInformation": lambda _: {"InstanceInformationList": [WEB, PLANT]},
        "DescribeInstances": lambda _: {"Reservations": [{"Instances": [WEB_INSTANCE, UNMANAGED]}]},
        "GetResources": get_resources,
        "ListTagsForResource": list_tags,
    }
    return fake_aws


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> t.Callable[[], str]:
    """What the user is told with -vv, as one line."""
    monkeypatch.setattr(Display(), "verbosity", 2)
    monkeypatch.setattr(Display(), "columns", 10000)
    return lambda: " ".join("".join(capsys.readouterr()).split())


@pytest.fixture
def load(tmp_path: pathlib.Path) -> t.Callable[..., InventoryManager]:
    """Write an inventory file with the options given, and load it as a run does."""

    def _load(file_name: str = "fleet.ssm.yml", use_cache: bool = True, **options: t.Any) -> InventoryManager:
        path = tmp_path / file_name
        path.write_text(yaml.safe_dump({"plugin": "fleet.ssm.managed_nodes", **options}))
        return InventoryManager(loader=DataLoader(), sources=[str(path)], cache=use_cache)

    return _load
