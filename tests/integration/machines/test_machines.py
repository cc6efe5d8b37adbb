# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away machines: booted, closed off, entered without rights over this computer, and gone without a trace."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tests.machines import bases, site
from tests.machines.machine import Machine, NotUpError
from tests.machines.site import Site

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def machine(site: Site) -> Machine:
    return site.boot("plain", "debian", names=("packages.example",))


def test_a_machine_is_a_booted_system(machine: Machine) -> None:
    assert machine.output("systemctl", "is-system-running") == "running"
    assert machine.output("cat", "/proc/1/comm") == "systemd"


def test_a_machine_has_no_way_out(machine: Machine) -> None:
    assert machine.output("ip", "route").splitlines() == ["10.250.0.0/16 dev eth0 proto kernel scope link src 10.250.0.2"]
    unreachable = machine.run("python3", "-c", "import socket; socket.create_connection(('192.0.2.1', 443), 3)", check=False)
    assert "Network is unreachable" in unreachable.stderr


def test_who_enters_a_machine_has_no_right_that_it_has_not(machine: Machine) -> None:
    entered = machine.output("sed", "-n", "s/^Cap\\(Bnd\\|Eff\\|Prm\\):\\t//p", "/proc/self/status").split()
    first = machine.output("sed", "-n", "s/^CapBnd:\\t//p", "/proc/1/status")
    assert [int(mask, 16) & ~int(first, 16) for mask in entered] == [0, 0, 0]


def test_the_clock_cannot_be_set_from_a_machine(machine: Machine) -> None:
    sys_time = 25
    effective = machine.output("sed", "-n", "s/^CapEff:\\t//p", "/proc/self/status")
    assert not int(effective, 16) >> sys_time & 1


def test_names_lead_into_the_private_network(machine: Machine, site: Site) -> None:
    listening = site.network.listen(8080)
    try:
        program = "import socket; print(socket.create_connection(('packages.example', 8080), 5).getpeername()[0])"
        assert machine.output("python3", "-c", program) == "10.250.0.1"
    finally:
        listening.close()


def test_what_is_written_to_one_machine_is_in_no_other(machine: Machine, site: Site) -> None:
    other = site.boot("other", "debian")
    machine.run("touch", "/etc/only-here")
    assert not (other.root / "etc/only-here").exists()
    assert not (bases.root_of("debian") / "etc/only-here").exists()
    assert machine.output("cat", "/etc/machine-id") != other.output("cat", "/etc/machine-id")


def test_the_look_alike_is_rocky_linux_to_who_asks(site: Site) -> None:
    machine = site.boot("rocky", "enterprise_linux")
    assert machine.output("sh", "-c", ". /etc/os-release; echo $ID $VERSION_ID") == "rocky 9.6"
    assert machine.output("rpm", "--eval", "%_dbpath") == "/var/lib/rpm"
    assert machine.output("dnf", "--version")


def _traces(name: str) -> list[str]:
    mounts = [line for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines() if name in line]
    namespaces = [path.name for path in pathlib.Path("/run/netns").glob(f"{name}*")]
    groups = [str(path) for path in pathlib.Path("/sys/fs/cgroup").glob(f"**/{name}*")]
    folders = [str(path) for path in (bases.CACHE / "sites").glob(f"{name}*")]
    return mounts + namespaces + groups + folders


def test_nothing_is_left_of_a_site_not_even_after_a_failure(machine_bases: None) -> None:
    def fail(failing: Site) -> None:
        with failing:
            failing.boot("one", "debian")
            assert _traces(failing.name)
            raise ZeroDivisionError

    failing = Site()
    with pytest.raises(ZeroDivisionError):
        fail(failing)
    assert _traces(failing.name) == []


def test_nothing_is_left_of_a_machine_that_does_not_boot(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.machines.machine._UP", ())
    monkeypatch.setattr("tests.machines.machine._BOOT_SECONDS", 3.0)
    with pytest.raises(NotUpError, match="is not up"):
        site.boot("never-up", "debian")
    assert _traces(f"{site.name}-never-up") == []


_KILLED = """
import time
from tests.machines.site import Site
site = Site()
site.boot("one", "debian")
print(site.name, flush=True)
time.sleep(60)
"""


def _runs(process: int) -> bool:
    # One that has ended may stay as a zombie until somebody asks for its exit code.
    status = pathlib.Path(f"/proc/{process}/status")
    return status.exists() and "State:\tZ" not in status.read_text(encoding="utf-8")


def test_the_next_run_removes_what_a_killed_one_left(machine_bases: None) -> None:
    clone = bases.CACHE.parents[1]
    with subprocess.Popen([sys.executable, "-c", _KILLED], cwd=clone, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        name = killed.stdout.readline().strip()
        os.kill(killed.pid, signal.SIGKILL)
    leader = int((bases.CACHE / "sites" / name / f"{name}-one" / "leader").read_text(encoding="ascii"))
    site.remove_orphans()
    assert not _runs(leader)
    assert _traces(name) == []
