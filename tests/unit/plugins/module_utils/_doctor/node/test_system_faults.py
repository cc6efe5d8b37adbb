# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the machine around the agent is named as the first cause, or warned of: N16 to N20."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import machine as machines

from tests.unit.plugins.module_utils._doctor.node.conftest import Node
from tests.unit.plugins.module_utils._doctor.node.test_network_faults import assert_cause


@pytest.fixture
def small_disk(node: Node) -> t.Iterator[pathlib.Path]:
    """A file system of its own for the agent's logs: 8 MiB, 200 inodes."""
    place = node.root / "var/log/amazon/ssm"
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    log = (place / "amazon-ssm-agent.log").read_text(encoding="utf-8")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=200", "doctor", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    (place / "amazon-ssm-agent.log").write_text(log, encoding="utf-8")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_the_cause(node: Node, small_disk: pathlib.Path) -> None:
    (small_disk / "big").write_bytes(bytes(7 * 1024 * 1024))
    assert "/var/log/amazon/ssm has" in assert_cause(node, "N16", "disk is full")["evidence"]


def test_a_disk_without_inodes_is_the_cause(node: Node, small_disk: pathlib.Path) -> None:
    for number in range(150):
        (small_disk / str(number)).touch()
    assert_cause(node, "N16", "no inodes")


def test_a_small_disk_with_room_is_well(node: Node, small_disk: pathlib.Path) -> None:
    assert node.verdict().healthy
    assert node.check("N16")["status"] == "ok"


@pytest.mark.parametrize(
    ("free", "status"), [(1, "fail"), (50 * 1024 * 1024, "warn"), (5 * 1024**3, "ok")], ids=["full", "nearly full", "room"]
)
def test_the_less_room_the_worse(node: Node, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr(machines.Machine, "space", lambda _machine, _name: machines.Space(free, 10 * 1024**3, 1000000, 2000000))
    assert node.check("N16")["status"] == status


@pytest.mark.parametrize(("option", "words"), [("noexec", "cannot run the scripts"), ("ro", "cannot write")])
def test_a_mount_option_is_the_cause(node: Node, option: str, words: str) -> None:
    node.write("/proc/self/mounts", f"/dev/vda1 / ext4 rw 0 0\n/dev/vdb /var/lib ext4 {option},relatime 0 0\n")
    assert_cause(node, "N16", words)


def test_noexec_elsewhere_is_well(node: Node) -> None:
    node.write("/proc/self/mounts", "/dev/vda1 / ext4 rw 0 0\n/dev/vdb /var/lib/amazon-other ext4 ro,noexec 0 0\n")
    assert node.verdict().healthy


def test_a_disk_that_was_full_is_warned_of(node: Node) -> None:
    node.log_after_start("ERROR open /var/lib/amazon/ssm/x: no space left on device")
    assert node.check("N16")["status"] == "warn"


def test_scarce_memory_is_warned_of(node: Node) -> None:
    node.write("/proc/meminfo", "MemAvailable:    20000 kB\n")
    assert (node.check("N17")["status"], node.verdict().healthy) == ("warn", True)


def test_a_held_package_lock_is_warned_of(node: Node) -> None:
    lock = node.write("/var/lib/dpkg/lock-frontend", "")
    node.write("/proc/locks", f"1: POSIX  ADVISORY  WRITE 1234 fd:01:{lock.stat().st_ino} 0 EOF\n")
    assert "/var/lib/dpkg/lock-frontend" in node.check("N17")["evidence"]
    assert node.check("N17")["status"] == "warn"


def test_a_package_lock_that_nobody_holds_is_well(node: Node) -> None:
    node.write("/var/lib/dpkg/lock-frontend", "")
    assert node.check("N17")["status"] == "ok"


def test_an_ssm_user_without_sudo_is_warned_of(node: Node) -> None:
    node.remove("/etc/sudoers.d/ssm-agent-users")
    assert (node.check("N18")["status"], node.verdict().healthy) == ("warn", True)


def test_no_ssm_user_yet_is_well(node: Node) -> None:
    node.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n")
    node.remove("/etc/sudoers.d/ssm-agent-users")
    assert node.check("N18")["status"] == "skip"


def avc(when: float, command: str = "amazon-ssm-agen") -> str:
    return (
        f'type=AVC msg=audit({when:.3f}:45): avc:  denied  {{ read }} for  pid=1 comm="{command}" name="machine-id"'
        " scontext=system_u:system_r:init_t:s0 tclass=file permissive=0\n"
    )


def test_a_denial_of_selinux_is_the_cause(node: Node) -> None:
    node.write("/sys/fs/selinux/enforce", "1")
    node.write("/var/log/audit/audit.log", avc(time.time()))
    node.log_after_start("ERROR failed to open")
    assert "avc:  denied" in assert_cause(node, "N19", "keeps the agent from its work")["evidence"]


@pytest.mark.parametrize(
    ("enforce", "line"),
    [("0", avc(time.time())), ("1", avc(time.time() - 86400)), ("1", avc(time.time(), "httpd"))],
    ids=["permissive", "before the last start", "another program"],
)
def test_other_denials_are_no_cause(node: Node, enforce: str, line: str) -> None:
    node.write("/sys/fs/selinux/enforce", enforce)
    node.write("/var/log/audit/audit.log", line)
    assert node.check("N19")["status"] == "ok"


def test_a_denial_with_which_the_agent_lives_is_warned_of(node: Node) -> None:
    node.write("/sys/fs/selinux/enforce", "1")
    node.write("/var/log/audit/audit.log", avc(time.time()))
    assert (node.check("N19")["status"], node.verdict().healthy) == ("warn", True)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/var/log/kern.log", 'kernel: audit: apparmor="DENIED" operation="exec" profile="x" comm="amazon-ssm-agen"\n'),
        ("/var/log/audit/audit.log", f'type=FANOTIFY msg=audit({time.time():.3f}:9): resp=2 exe="/usr/bin/ssm-document-worker"\n'),
    ],
    ids=["AppArmor", "fapolicyd"],
)
def test_a_denial_of_apparmor_or_fapolicyd_is_the_cause(node: Node, path: str, line: str) -> None:
    node.write(path, line)
    node.log_after_start("ERROR failed to exec")
    assert_cause(node, "N19", "keeps the agent from its work")


CLOUDWATCH = "/opt/aws/amazon-cloudwatch-agent"


def test_a_cloudwatch_agent_without_a_region_is_the_cause(node: Node) -> None:
    node.write(CLOUDWATCH + "/bin/CWAGENT_VERSION", "1.300071")
    node.write(CLOUDWATCH + "/logs/configuration-validation.log", "Unable to determine aws-region.\n")
    assert "region = REGION" in assert_cause(node, "N20", "knows no region")["remedy"]


def test_a_cloudwatch_agent_that_runs_is_well(node: Node) -> None:
    node.write(CLOUDWATCH + "/bin/CWAGENT_VERSION", "1.300071")
    node.write(CLOUDWATCH + "/logs/configuration-validation.log", "Unable to determine aws-region.\n")
    node.process(300, "amazon-cloudwat")
    assert node.check("N20")["status"] == "ok"


def test_a_cloudwatch_agent_that_does_not_run_is_warned_of(node: Node) -> None:
    node.write(CLOUDWATCH + "/bin/CWAGENT_VERSION", "1.300071")
    assert node.check("N20")["status"] == "warn"
