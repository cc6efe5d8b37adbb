# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributor installs AWS's packages on nodes as their agent does it: by its own record, and never in place."""

from __future__ import annotations

import collections.abc
import json
import pathlib
import sys
import time
import typing as t

import pytest

from tests.integration.emulator.calls import pages, post
from tests.integration.running_emulator import RunningEmulator

_NAME, _OLD, _NEW = "AmazonCloudWatchAgent", "1.300001.0b1", "1.300002.0b7"
_SCRIPTS = "import sys\nprint(*sys.argv[1:])\nsys.exit('no space left' if sys.argv[3] == {!r} else 0)\n"

Configure = t.Callable[..., tuple[int, str, str]]


@pytest.fixture
def configure(emulator: RunningEmulator) -> collections.abc.Iterator[Configure]:
    """Runs the document on a node to its end; gives the exit code and both outputs."""
    emulator.add_records({"nodes": [{"name": "packed", "kind": "hybrid"}]})
    ssm = emulator.client("ssm")
    (node,) = [row["InstanceId"] for row in pages(ssm, "describe_instance_information") if row.get("Name") == "packed-1"]
    _order(emulator, versions=[_OLD, _NEW], nodes=[node])

    def run(action: str = "Install", name: str = _NAME, **parameters: str) -> tuple[int, str, str]:
        values = {key: [value] for key, value in {"action": action, "name": name, **parameters}.items()}
        sent = ssm.send_command(DocumentName="AWS-ConfigureAWSPackage", InstanceIds=[node], Parameters=values)["Command"]
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=node)
            if found["Status"] not in ("Pending", "InProgress"):
                return found["ResponseCode"], found["StandardOutputContent"], found["StandardErrorContent"]
            time.sleep(0.02)
        raise AssertionError("it is not over after 10 s")

    yield run
    emulator.add_records({"clear": True})


def _order(emulator: RunningEmulator, **body: t.Any) -> None:
    assert post(emulator, "/_emulator/packages", json.dumps(body).encode())[0] == 200


def test_a_package_is_installed_once_and_another_version_after_the_old_one_is_gone(configure: Configure) -> None:
    assert configure(version=_OLD)[1].endswith(f"Successfully installed {_NAME} {_OLD}\n")
    assert configure(version=_OLD) == (0, f"{_NAME} {_OLD} is already installed\n", "")
    newest = configure()
    assert (newest[0], newest[1].splitlines()[0]) == (0, f"Initiating {_NAME} {_OLD} uninstall")
    assert configure("Uninstall")[1].endswith(f"Successfully uninstalled {_NAME} {_NEW}\n")
    assert configure("Uninstall")[0] == 0


def test_no_package_of_aws_is_updated_in_place(configure: Configure) -> None:
    assert configure(version=_OLD, installationType="In-place update")[0] == 0
    assert "missing update script" in configure(installationType="In-place update")[2]


def test_a_package_or_a_version_that_is_not_there_fails(configure: Configure) -> None:
    assert [configure(name="Other")[0], configure(version="9.9")[0]] == [1, 1]


def test_scripts_are_what_was_ordered(configure: Configure, emulator: RunningEmulator, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "scripts.py"
    program.write_text(_SCRIPTS.format(_NEW), encoding="utf-8")
    _order(emulator, scripts=[sys.executable, str(program)])
    assert f"install {_NAME} {_OLD}\n" in configure(version=_OLD)[1]
    code, stdout, stderr = configure(version=_NEW)
    assert (code, f"uninstall {_NAME} {_OLD}\n" in stdout, "no space left\n" in stderr) == (1, True, True)
    # There is neither of them now.
    assert "uninstall" not in configure(version=_OLD)[1]


def test_an_order_that_is_none_is_refused(emulator: RunningEmulator) -> None:
    assert post(emulator, "/_emulator/packages", b'{"node": "x"}')[0] == 400
