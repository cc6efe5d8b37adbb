# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge what there is of an agent: N1, N2, N15, N21. Pure; runs on nodes, with Python 3.6."""

import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.regions import is_region
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.checks import Check, fail, ok, skip, unknown, warn
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import symptoms
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.agent_facts import (
    CONFIGURATION,
    SNAP,
    UNITS,
    AgentFacts,
    setting,
)
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.endpoints import region_of

# The unit restarts the agent 90 s after it ended, packaging/linux/amazon-ssm-agent.service.
_MANY_RESTARTS = 3
_SHORT_LIFE_SECONDS = 600
_WAITS_FOR_REBOOT = "194"
_ENDPOINTS = ("Ssm", "Mgs", "Mds", "S3", "Kms")

AS_ROOT = "Run the task as root (become: true)."


def installed(facts: AgentFacts) -> Check:
    """N1: one agent is there, as a snap or as a package."""
    paths = ", ".join(path for _kind, path in facts.programs)
    if not facts.programs:
        return fail("N1", "There is no program amazon-ssm-agent.", "The SSM agent is not installed.", "Install the SSM agent.")
    if len({kind for kind, _path in facts.programs}) > 1:
        return fail(
            "N1",
            "There are {}.".format(paths),
            "The agent is installed twice, as a snap and as a package; the two take the registration from each other.",
            "Remove one of them, and restart the other.",
        )
    if len(facts.pids) > 1:
        return fail(
            "N1",
            "Processes {} are agents.".format(", ".join(map(str, facts.pids))),
            "Several agents run at once.",
            "Stop the service, end what is left of amazon-ssm-agent, and start the service.",
        )
    return ok("N1", paths)


def running(facts: AgentFacts) -> Check:
    """N2: the service runs, and keeps running."""
    if not facts.programs:
        return skip("N2", "There is no agent.")
    if not facts.unit:
        return _running_without_systemd(facts)
    unit, state = UNITS[facts.kind], facts.unit
    seen = "{} is {} ({}).".format(unit, state.get("ActiveState", "?"), state.get("SubState", "?"))
    start = "systemctl enable --now {}".format(unit)
    if state.get("LoadState") == "masked" or state.get("UnitFileState") == "masked":
        return fail("N2", seen, "The service is masked.", "systemctl unmask {0}; systemctl enable --now {0}".format(unit))
    if state.get("ActiveState") == "active" and not _keeps_ending(facts):
        if state.get("UnitFileState") == "disabled":
            return warn("N2", seen, "The service does not start when the machine boots.", start)
        return ok("N2", seen)
    if state.get("ExecMainStatus") == _WAITS_FOR_REBOOT:
        return fail(
            "N2", seen + " Its exit code was 194.", "The agent waits for a reboot that it asked for.", "Reboot the machine."
        )
    if state.get("Result") == "oom-kill":
        return fail("N2", seen, "The kernel killed the agent for want of memory.", "Give the machine more memory. " + start)
    if state.get("SubState") == "auto-restart" or _keeps_ending(facts):
        return fail(
            "N2",
            "{} It was restarted {} times, its exit code was {}.".format(
                seen, state.get("NRestarts", "?"), state.get("ExecMainStatus", "?")
            ),
            "The agent ends again and again.",
            "journalctl --unit {} says why.".format(unit),
        )
    return fail("N2", seen, "The agent does not run.", start)


def _keeps_ending(facts: AgentFacts) -> bool:
    restarts, started = facts.unit.get("NRestarts", ""), facts.unit.get("ExecMainStartTimestampMonotonic", "")
    if not (restarts.isdigit() and started.isdigit() and facts.uptime):
        return False
    return int(restarts) >= _MANY_RESTARTS and facts.uptime - int(started) / 1e6 < _SHORT_LIFE_SECONDS


def _running_without_systemd(facts: AgentFacts) -> Check:
    if facts.pids:
        return ok("N2", "Process {} is the agent; systemd says nothing of it.".format(facts.pids[0]))
    remedy = (
        "snap start --enable amazon-ssm-agent" if facts.kind == SNAP else "Start amazon-ssm-agent by the machine's service manager."
    )
    return fail("N2", "No process is an agent.", "The agent does not run.", remedy)


def hibernating(facts: AgentFacts) -> Check:
    """N15: the agent has not put itself to sleep."""
    if facts.log_unreadable:
        return unknown("N15", "{} cannot be read.".format(facts.log_unreadable), "The agent's log is root's.", AS_ROOT)
    if not facts.log:
        return skip("N15", "There is no log of an agent.")
    reason = symptoms.hibernation(facts.log, facts.hibernate_log)
    if reason is None:
        return ok("N15", "The agent is awake.")
    return fail(
        "N15",
        "Entering SSM Agent hibernate - " + reason,
        "AWS refused the agent's first report, for the reason shown; the agent sleeps, and tries again at most every hour.",
        "Remove the reason, then restart the agent.",
    )


def configured(facts: AgentFacts, region: str) -> Check:
    """N21: the agent's own configuration sends it to no other region; region is where the node should be, empty if nobody said."""
    settings = facts.settings
    if settings is None:
        return fail("N21", "{} is no JSON.".format(CONFIGURATION), "The agent cannot read its configuration.", "Correct the file.")
    if region and not is_region(region):
        return fail(
            "N21",
            "The region is {!r}.".format(region),
            "That is no region's code: a quotation mark or a blank was pasted with it.",
            "Register with the region's code, such as eu-west-1.",
        )
    wrong = ["{} is {}".format(name, value) for name, value, found in _regions(settings) if region and found and found != region]
    if wrong:
        return fail(
            "N21",
            "{} in {}; the node belongs to {}.".format(", ".join(wrong), CONFIGURATION, region),
            "The agent's configuration sends it to another region.",
            "Correct or remove these lines, and restart the agent.",
        )
    return ok("N21", "{} sends it nowhere else.".format(CONFIGURATION) if settings else "{} is not there.".format(CONFIGURATION))


def _regions(settings: "t.Mapping[str, t.Any]") -> "t.Iterator[t.Tuple[str, str, str]]":
    """Give what names a region: the setting, its text, and the region."""
    said = setting(settings, "Agent", "Region")
    yield "Agent.Region", said, said
    for section in _ENDPOINTS:
        said = setting(settings, section, "Endpoint")
        yield "{}.Endpoint".format(section), said, region_of(said.partition("://")[2] or said)
