# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examination runs on every Python that a node may have, and leaves the machine as it was."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import typing as t

import pytest

from tests.unit.interpreters import interpreters
from tests.unit.plugins.module_utils._doctor.node.conftest import Node

_TOO_OLD = {"3.0", "3.1", "3.2", "3.3", "3.4", "3.5"}
_PROGRAM = """
import json, sys
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.examination import Question, examine
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.machine import Machine
root, endpoints = sys.argv[1], json.loads(sys.argv[2])
found = examine(Question("", endpoints, 2.0, 7.0), Machine(root), "127.0.0.1:1")
print(json.dumps({check.id: [check.status, check.evidence] for check in found.checks}))
"""


def _version(python: str) -> str:
    done = subprocess.run(
        [python, "-c", "import sys; print('3.%d' % sys.version_info[1])"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


@pytest.fixture
def collections(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder by which this clone is found as a collection."""
    place = tmp_path / "collections/ansible_collections/fleet"
    place.mkdir(parents=True)
    (place / "ssm").symlink_to(pathlib.Path(__file__).resolve().parents[6], target_is_directory=True)
    return place.parents[1]


def test_every_python_from_3_6_on_finds_a_healthy_node_healthy(node: Node, collections: pathlib.Path) -> None:
    tried: set[str] = set()
    for python in interpreters():
        version = _version(python)
        if version in ("", *_TOO_OLD, *tried):
            continue
        tried.add(version)
        done = subprocess.run(
            [python, "-B", "-c", _PROGRAM, str(node.root), json.dumps(node.endpoints)],
            env={"PYTHONPATH": str(collections)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (version, done.stderr)
        found = json.loads(done.stdout)
        assert {name: told for name, told in found.items() if told[0] not in ("ok", "skip")} == {}, version
    assert tried, "this Python at least"


def test_it_changes_nothing(node: Node) -> None:
    def tree() -> dict[str, t.Any]:
        return {
            str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in node.root.rglob("*")
        }

    before = tree()
    node.examine()
    assert tree() == before


def test_an_empty_machine_is_examined_too(node: Node) -> None:
    for path in node.root.iterdir():
        shutil.rmtree(path)
    judged = node.verdict("eu-west-1")
    assert judged.cause is not None
    assert judged.cause["id"] == "N1"
    assert {result["id"] for result in judged.checks} == {f"N{number}" for number in range(1, 22)}


def test_an_empty_region_comes_from_the_configuration(node: Node) -> None:
    node.remove("/var/lib/amazon/ssm")
    node.write("/etc/amazon/ssm/amazon-ssm-agent.json", '{"Agent": {"Region": "eu-north-1"}}')
    assert node.examine().region == "eu-north-1"


def test_the_agents_own_endpoints_are_gone_to(node: Node) -> None:
    sections = {"Ssm": "ssm", "Mgs": "ssmmessages", "Mds": "ec2messages", "S3": "s3"}
    settings = {section: {"Endpoint": node.endpoints.pop(service)} for section, service in sections.items()}
    node.write("/etc/amazon/ssm/amazon-ssm-agent.json", json.dumps(settings))
    assert node.verdict().healthy
    assert all(aws.requests for aws in node.aws.values())


def test_an_endpoint_of_the_configuration_that_is_none_does_not_stop_the_examination(node: Node) -> None:
    node.write("/etc/amazon/ssm/amazon-ssm-agent.json", '{"Ssm": {"Endpoint": "https://"}}')
    assert node.verdict().healthy
