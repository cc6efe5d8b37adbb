# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find out how the machine around the agent is: disk, memory, locks, users, denials. I/O; runs on nodes, with Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.configuration import SHARED_CONFIG
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.machine import Machine, Space, UnreadableError

PLACES = ("/var/lib/amazon/ssm", "/var/log/amazon/ssm", "/tmp")  # noqa: S108
SUDOERS = "/etc/sudoers.d/ssm-agent-users"
CLOUDWATCH_AGENT = "/opt/aws/amazon-cloudwatch-agent"
LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/rpm/.rpm.lock", "/var/lib/dnf/rpmdb_lock.pid")


class CloudWatchFacts(t.NamedTuple):
    """What there is of a CloudWatch agent."""

    is_installed: bool
    is_running: bool
    validation_log: str
    has_region: bool


class SystemFacts(t.NamedTuple):
    """What the machine's files say; unreadable names those that this user may not read."""

    spaces: "t.Dict[str, Space]"
    mounts: str
    memory: str
    held_locks: "t.List[str]"
    users: str
    sudoers: "t.Optional[str]"
    selinux: str
    audit: str
    kernel_log: str
    cloudwatch: CloudWatchFacts
    unreadable: "t.List[str]"


def gather(machine: Machine) -> SystemFacts:
    """Look at all of it."""
    unreadable = []  # type: t.List[str]

    def text(name: str) -> str:
        try:
            return machine.text(name) or ""
        except UnreadableError as error:
            unreadable.append(str(error))
            return ""

    locked = text("/proc/locks")
    return SystemFacts(
        spaces={place: machine.space(place) for place in PLACES},
        mounts=text("/proc/self/mounts"),
        memory=text("/proc/meminfo"),
        held_locks=[name for name in LOCKS if _is_held(locked, machine.inode(name))],
        users=text("/etc/passwd"),
        sudoers=_sudoers(machine, unreadable),
        selinux=text("/sys/fs/selinux/enforce").strip(),
        audit=text("/var/log/audit/audit.log"),
        kernel_log=text("/var/log/kern.log"),
        cloudwatch=_cloudwatch(machine, text),
        unreadable=unreadable,
    )


def _sudoers(machine: Machine, unreadable: "t.List[str]") -> "t.Optional[str]":
    try:
        return machine.text(SUDOERS)
    except UnreadableError as error:
        unreadable.append(str(error))
        return None


def _is_held(locks: str, inode: "t.Optional[int]") -> bool:
    """Look for major:minor:inode of the file in /proc/locks; which disk it is on does not matter here."""
    return inode is not None and any(word.endswith(":{}".format(inode)) for word in locks.split())


def _cloudwatch(machine: Machine, text: "t.Callable[[str], str]") -> CloudWatchFacts:
    installed = machine.exists(CLOUDWATCH_AGENT + "/bin/CWAGENT_VERSION")
    return CloudWatchFacts(
        is_installed=installed,
        is_running=any(process.name == "amazon-cloudwat" for process in machine.processes()) if installed else False,
        validation_log=text(CLOUDWATCH_AGENT + "/logs/configuration-validation.log") if installed else "",
        has_region="region" in text(SHARED_CONFIG) if installed else False,
    )
