# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge the machine around the agent: N16 to N20. Pure; runs on nodes, with Python 3.6."""

import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.configuration import SHARED_CONFIG
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip, unknown, warn
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_checks import AS_ROOT
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.redaction import redact
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.symptoms import RESTART, Symptom
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.system_facts import CLOUDWATCH_AGENT, SUDOERS, SystemFacts

_MEBIBYTE = 1024 * 1024
_FULL_BYTES, _NEARLY_FULL_BYTES, _NEARLY_FULL_PART = 5 * _MEBIBYTE, 100 * _MEBIBYTE, 0.05
_FEW_INODES = 100
_FEW_KIBIBYTES = 50 * 1024
_DOCUMENTS = "/var/lib/amazon/ssm"

# Programs of the agent, as the kernel cuts their names.
_COMMANDS = r"(?:amazon-ssm-agen|ssm-agent-worke|ssm-session-wor|ssm-document-wo)"
_AVC = re.compile(r'msg=audit\((?P<when>\d+)[.\d]*:\d+\).*avc:\s+denied\s+(?P<what>\{[^}]*\}).*comm="' + _COMMANDS + '"')
_APPARMOR = re.compile(r'apparmor="DENIED".*(?:comm="' + _COMMANDS + '"|amazon-ssm-agent).*')
_FANOTIFY = re.compile(r"type=FANOTIFY msg=audit\((?P<when>\d+)[.\d]*:\d+\).*resp=2")
_NO_REGION = re.compile("Unable to determine aws-region|make sure the credentials and region set correctly", re.IGNORECASE)


def disk(facts: SystemFacts, told: "t.Mapping[str, Symptom]") -> Check:
    """N16: there is room, and what the agent writes there can be run."""
    clean = "Make room there; old outputs of commands are in /var/lib/amazon/ssm/*/document/orchestration. " + RESTART
    for place, space in facts.spaces.items():
        if space.size and space.free < _FULL_BYTES:
            seen = "{} has {:.1f} MiB free of {:.0f}.".format(place, space.free / _MEBIBYTE, space.size / _MEBIBYTE)
            return fail("N16", seen, "The disk is full.", clean)
        if space.files and space.free_files < _FEW_INODES:
            return fail("N16", "{} has {} inodes free.".format(place, space.free_files), "There are no inodes left.", clean)
    options = mount_options(facts.mounts, _DOCUMENTS)
    for option, cause in (
        ("ro", "The agent cannot write its files."),
        ("noexec", "The agent cannot run the scripts of documents."),
    ):
        if option in options:
            seen = "{} is mounted {}.".format(_DOCUMENTS, option)
            return fail("N16", seen, cause, "Mount the file system without {}. ".format(option) + RESTART)
    scarce = [
        place for place, space in facts.spaces.items() if space.free < min(_NEARLY_FULL_BYTES, space.size * _NEARLY_FULL_PART)
    ]
    if scarce:
        return warn("N16", "There is little room left in {}.".format(", ".join(scarce)), "The disk is nearly full.", clean)
    symptom = told.get("N16")
    if symptom:
        return warn("N16", symptom.evidence, "The disk was full not long ago.", symptom.remedy)
    return ok(
        "N16", "; ".join("{} has {:.0f} MiB free".format(place, space.free / _MEBIBYTE) for place, space in facts.spaces.items())
    )


def mount_options(mounts: str, path: str) -> "t.FrozenSet[str]":
    """Give the options of the file system that holds a path, out of /proc/self/mounts."""
    best, options = "", frozenset()  # type: str, t.FrozenSet[str]
    for row in mounts.splitlines():
        fields = row.split(" ")
        if len(fields) < 4:
            continue
        point = fields[1].replace("\\040", " ")
        if (path == point or path.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, options = point, frozenset(fields[3].split(","))
    return options


def memory_and_locks(facts: SystemFacts) -> Check:
    """N17: nothing makes commands fail for a while."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB", facts.memory, re.MULTILINE | re.ASCII)
    if match and int(match.group(1)) < _FEW_KIBIBYTES:
        seen = "{} MiB of memory are available.".format(int(match.group(1)) // 1024)
        return warn("N17", seen, "There is hardly any memory left: commands may be killed.", "Give the machine more memory.")
    if facts.held_locks:
        seen = "{} is held.".format(", ".join(facts.held_locks))
        return warn("N17", seen, "Packages are being installed: documents that do the same will fail.", "Wait, and try again.")
    return ok("N17", "There is memory, and no package lock is held.")


def sudo(facts: SystemFacts) -> Check:
    """N18: ssm-user, as whom sessions run, may use sudo."""
    if not re.search(r"^ssm-user:", facts.users, re.MULTILINE):
        return skip("N18", "There is no ssm-user yet; the agent makes it for the first session.")
    if SUDOERS in facts.unreadable:
        return unknown("N18", "{} cannot be read.".format(SUDOERS), "The file is root's.", AS_ROOT)
    if not facts.sudoers or "ssm-user" not in facts.sudoers:
        return warn(
            "N18",
            "{} does not name ssm-user.".format(SUDOERS),
            "Sessions open, but become by sudo fails in them.",
            "Unless that is intended: echo 'ssm-user ALL=(ALL) NOPASSWD:ALL' > {0}; chmod 0440 {0}".format(SUDOERS),
        )
    return ok("N18", "ssm-user may use sudo.")


def security_modules(facts: SystemFacts, began: float, is_well: bool) -> Check:
    """N19: SELinux, AppArmor and fapolicyd let the agent work; began is when it last started, 0.0 if that is not known."""
    found = _denials(facts, began)
    if not found:
        return ok("N19", "No denial is logged.")
    cause = "A security module of the kernel keeps the agent from its work."
    remedy = (
        "Allow it: for SELinux the policy aws/amazon-ssm-agent-selinux, for fapolicyd a rule that trusts the agent's programs. "
        + RESTART
    )
    if is_well:
        return warn("N19", redact(found[-1]), cause, remedy)
    return fail("N19", redact(found[-1]), cause, remedy)


def _denials(facts: SystemFacts, began: float) -> "t.List[str]":
    found = []
    for row in facts.audit.splitlines():
        match = (_AVC.search(row) if facts.selinux == "1" else None) or (_FANOTIFY.search(row) if "ssm" in row else None)
        if match and int(match.group("when")) >= began:
            found.append(row)
    return found + [row for row in facts.kernel_log.splitlines() if _APPARMOR.search(row)]


def cloudwatch_agent(facts: SystemFacts) -> Check:
    """N20: the CloudWatch agent, if there is one, has found its region."""
    agent = facts.cloudwatch
    if not agent.is_installed:
        return skip("N20", "There is no CloudWatch agent.")
    if agent.is_running:
        return ok("N20", "The CloudWatch agent runs.")
    match = _NO_REGION.search(agent.validation_log)
    if match:
        nowhere = "" if agent.has_region else "; {} names no region".format(SHARED_CONFIG)
        seen = "{}/logs/configuration-validation.log: {}{}".format(CLOUDWATCH_AGENT, match.group(0), nowhere)
        cause = "The CloudWatch agent knows no region: the SSM agent shares its credentials without one."
        remedy = "Write region = REGION below [default] in {}, and start it again.".format(SHARED_CONFIG)
        return fail("N20", seen, cause, remedy)
    return warn(
        "N20",
        "The CloudWatch agent does not run.",
        "It was not configured, or was stopped.",
        "amazon-cloudwatch-agent-ctl -a status",
    )
