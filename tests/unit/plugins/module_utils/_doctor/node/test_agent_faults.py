# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the agent itself is named as the first cause: N1, N2, N15, N21."""

from __future__ import annotations

import json
import stat

import pytest

from tests.unit.plugins.module_utils._doctor.node.conftest import HEALTHY_LOG, SNAP_UNIT, UNIT, Node
from tests.unit.plugins.module_utils._doctor.node.test_network_faults import assert_cause

SNAP_PROGRAM = "/snap/amazon-ssm-agent/current/amazon-ssm-agent"
CONFIGURATION = "/etc/amazon/ssm/amazon-ssm-agent.json"


def be_snap(node: Node) -> None:
    node.remove("/usr/bin/amazon-ssm-agent")
    node.write(SNAP_PROGRAM, "")


def test_no_agent_is_the_cause(node: Node) -> None:
    node.remove("/usr/bin/amazon-ssm-agent")
    assert_cause(node, "N1", "not installed")


def test_two_agents_are_the_cause(node: Node) -> None:
    node.write(SNAP_PROGRAM, "")
    assert_cause(node, "N1", "installed twice")


def test_two_processes_are_the_cause(node: Node) -> None:
    node.process(200, "amazon-ssm-agen")
    assert "100, 200" in assert_cause(node, "N1", "Several agents run")["evidence"]


def test_a_snap_alone_is_well(node: Node) -> None:
    be_snap(node)
    assert node.verdict().healthy
    assert SNAP_UNIT in node.check("N2")["evidence"]


@pytest.mark.parametrize(
    ("state", "words", "remedy"),
    [
        ({"LoadState": "masked", "ActiveState": "inactive", "SubState": "dead"}, "is masked", f"systemctl unmask {UNIT}"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "does not run", f"systemctl enable --now {UNIT}"),
        ({"ActiveState": "failed", "SubState": "failed", "ExecMainStatus": "194"}, "waits for a reboot", "Reboot"),
        ({"ActiveState": "failed", "SubState": "failed", "Result": "oom-kill"}, "want of memory", "more memory"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": "7"}, "ends again and again", "journalctl"),
        ({"NRestarts": "4", "ExecMainStartTimestampMonotonic": "99990000000"}, "ends again and again", "journalctl"),
    ],
)
def test_a_service_that_does_not_run_is_the_cause(node: Node, state: dict[str, str], words: str, remedy: str) -> None:
    node.unit(**state)
    assert remedy in assert_cause(node, "N2", words)["remedy"]


def test_a_service_that_was_restarted_long_ago_is_well(node: Node) -> None:
    node.unit(NRestarts="4", ExecMainStartTimestampMonotonic="10000000")
    assert node.verdict().healthy


def test_a_disabled_service_is_warned_of(node: Node) -> None:
    node.unit(UnitFileState="disabled")
    assert (node.check("N2")["status"], node.verdict().healthy) == ("warn", True)


def test_without_systemd_a_process_is_an_agent(node: Node) -> None:
    node.remove("/usr/bin/systemctl")
    assert node.check("N2")["status"] == "ok"


def test_without_systemd_no_process_is_the_cause(node: Node) -> None:
    node.remove("/usr/bin/systemctl")
    node.remove("/proc/100")
    assert_cause(node, "N2", "does not run")


def test_a_hibernating_agent_says_why(node: Node) -> None:
    node.log_after_start("INFO Entering SSM Agent hibernate - AccessDenied: for a reason")
    assert "for a reason" in assert_cause(node, "N13", "denied")["evidence"]
    check = node.check("N15")
    assert (check["status"], check["consequence_of"]) == ("fail", "N13")
    assert "for a reason" in check["evidence"]


def test_hibernation_alone_is_the_cause(node: Node) -> None:
    node.log_after_start("INFO Entering SSM Agent hibernate - SomethingNew: never heard of")
    assert "SomethingNew" in assert_cause(node, "N15", "sleeps")["evidence"]


def test_hibernation_that_has_ended_is_not_mentioned(node: Node) -> None:
    node.log_after_start("INFO Entering SSM Agent hibernate - SomethingNew", "INFO Set up control channel successfully")
    assert node.check("N15")["status"] == "ok"


def test_hibernation_is_told_by_its_own_log_too(node: Node) -> None:
    node.log_after_start()
    node.hibernate_log(ago=60)
    assert "hibernate.log says so" in assert_cause(node, "N15", "sleeps")["evidence"]


def test_an_old_hibernation_in_its_own_log_is_not_mentioned(node: Node) -> None:
    node.hibernate_log(ago=7200)
    assert node.verdict().healthy


def test_an_agent_in_a_container_is_not_the_machines(node: Node) -> None:
    node.process(200, "amazon-ssm-agen")
    for pid, namespace in (("self", "1"), ("100", "1"), ("200", "2")):
        (node.root / "proc" / pid / "ns").mkdir(parents=True)
        (node.root / "proc" / pid / "ns/pid").symlink_to(f"pid:[{namespace}]")
    assert node.verdict().healthy


def test_hibernation_before_the_last_start_is_not_mentioned(node: Node) -> None:
    node.log("INFO Entering SSM Agent hibernate - Something", *HEALTHY_LOG)
    assert node.verdict().healthy


@pytest.mark.parametrize(
    "settings",
    [
        {"Agent": {"Region": "us-east-1"}},
        {"Ssm": {"Endpoint": "ssm.us-east-1.amazonaws.com"}},
        {"Mgs": {"Endpoint": "https://vpce-1.ssmmessages.us-east-1.vpce.amazonaws.com"}},
    ],
)
def test_a_configuration_for_another_region_is_the_cause(node: Node, settings: dict[str, dict[str, str]]) -> None:
    node.write(CONFIGURATION, json.dumps(settings))
    assert "us-east-1" in assert_cause(node, "N21", "to another region")["evidence"]


def test_a_configuration_for_the_nodes_region_is_well(node: Node) -> None:
    node.write(CONFIGURATION, json.dumps({"Agent": {"Region": "eu-west-1"}, "Ssm": {"Endpoint": "ssm.eu-west-1.amazonaws.com"}}))
    assert node.verdict().healthy


def test_a_configuration_that_is_no_json_is_the_cause(node: Node) -> None:
    node.write(CONFIGURATION, "{'Agent': ")
    assert_cause(node, "N21", "cannot read its configuration")


def test_a_pasted_quotation_mark_in_the_region_is_the_cause(node: Node) -> None:
    node.registration(region="\u201ceu-west-1\u201d")
    assert_cause(node, "N21", "quotation mark")


@pytest.mark.parametrize("content", ["[]", '"text"', '{"Agent": 3}', '{"Agent": {"Region": 3}, "Ssm": null}'])
def test_a_configuration_of_another_shape_breaks_nothing(node: Node, content: str) -> None:
    node.write(CONFIGURATION, content)
    assert node.check("N21")["status"] in ("ok", "fail")


def test_what_only_root_may_read_is_unknown_and_not_well(node: Node, is_root: bool) -> None:
    if is_root:
        # For root too: a folder in the file's place cannot be read.
        for path in ("var/log/amazon/ssm/amazon-ssm-agent.log", "var/lib/amazon/ssm/Vault/Store/RegistrationKey"):
            node.remove(path)
            (node.root / path).mkdir()
    else:
        for path in ("var/log/amazon/ssm", "var/lib/amazon/ssm"):
            (node.root / path).chmod(stat.S_IWUSR)
    node.endpoints.update({})
    found = {check.id: check for check in node.examine("eu-west-1").checks}
    assert [found[name].status for name in ("N10", "N13", "N15")] == ["unknown"] * 3
    assert "become" in found["N10"].remedy
