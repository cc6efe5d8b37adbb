# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find the agent on the machine: its programs, unit, processes, log and environment. I/O; runs on nodes, with Python 3.6."""

import json
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent import platforms
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node import agent_log, unit_environment
from ansible_collections.fleet.ssm.plugins.module_utils._doctor.node.machine import Machine, UnreadableError

SNAP, PACKAGE = "snap", "package"
UNITS = {PACKAGE: platforms.UNITS[platforms.DEB], SNAP: platforms.UNITS[platforms.SNAP]}
LOG_FOLDER = "/var/log/amazon/ssm"
CONFIGURATION = "/etc/amazon/ssm/amazon-ssm-agent.json"

_PROGRAMS = (
    (SNAP, "/snap/amazon-ssm-agent/current/amazon-ssm-agent"),
    (PACKAGE, "/usr/bin/amazon-ssm-agent"),
    (PACKAGE, "/usr/sbin/amazon-ssm-agent"),
)
# The kernel cuts names to 15 characters.
_MAIN_PROCESS = "amazon-ssm-agen"
_UNIT_FOLDERS = ("/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system", "/etc/systemd/system")
_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NRestarts",
    "Result",
    "ExecMainStatus",
    "ExecMainStartTimestampMonotonic",
)


class AgentFacts(t.NamedTuple):
    """What there is of an agent; programs are (kind, path), unit is what systemd says of it (empty: no systemd, or no unit)."""

    programs: "t.List[t.Tuple[str, str]]"
    kind: str
    unit: "t.Dict[str, str]"
    pids: "t.List[int]"
    uptime: float
    log: "t.List[agent_log.Line]"
    """Since the last start."""
    earlier_log: "t.List[agent_log.Line]"
    hibernate_log: "t.List[agent_log.Line]"
    log_unreadable: str
    environment: "t.Optional[t.Dict[str, str]]"
    """Of the running agent; None: it does not run, or is another user's."""
    unit_variables: "t.Dict[str, str]"
    other_unit_variables: "t.Dict[str, str]"
    """Of the unit that would be the agent's if it were installed the other way."""
    machine_variables: "t.Dict[str, str]"
    configuration: "t.Optional[str]"

    @property
    def variables(self) -> "t.Dict[str, str]":
        """Give the environment that the agent goes by, or would if it ran."""
        return self.unit_variables if self.environment is None else self.environment

    @property
    def settings(self) -> "t.Optional[t.Dict[str, t.Any]]":
        """Give amazon-ssm-agent.json; empty where there is none, None where it cannot be read."""
        if not self.configuration:
            return {}
        try:
            found = json.loads(self.configuration)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def setting(settings: "t.Mapping[str, t.Any]", section: str, name: str) -> str:
    """Give a text of amazon-ssm-agent.json; empty where there is none."""
    found = settings.get(section)
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def gather(machine: Machine) -> AgentFacts:
    """Look for all of it."""
    programs = [(kind, path) for kind, path in _PROGRAMS if machine.exists(path)]
    kind = programs[0][0] if programs else PACKAGE
    pids = [process.pid for process in machine.processes() if process.name == _MAIN_PROCESS]
    everything, unreadable = _log(machine)
    log = agent_log.since_last_start(everything)
    return AgentFacts(
        programs=programs,
        kind=kind,
        unit=_unit(machine, UNITS[kind]),
        pids=pids,
        uptime=_uptime(machine),
        log=log,
        earlier_log=everything[: len(everything) - len(log)],
        hibernate_log=agent_log.lines(_text(machine, LOG_FOLDER + "/hibernate.log")),
        log_unreadable=unreadable,
        environment=_environment(machine, pids),
        unit_variables=_unit_variables(machine, UNITS[kind]),
        other_unit_variables=_unit_variables(machine, UNITS[PACKAGE if kind == SNAP else SNAP]),
        machine_variables=unit_environment.file_variables(_text(machine, "/etc/environment")),
        configuration=_text(machine, CONFIGURATION) or None,
    )


def _text(machine: Machine, path: str) -> str:
    try:
        return machine.text(path) or ""
    except UnreadableError:
        return ""


def _log(machine: Machine) -> "t.Tuple[t.List[agent_log.Line], str]":
    """Read the agent's log; it is root's."""
    try:
        return agent_log.lines(machine.text(LOG_FOLDER + "/amazon-ssm-agent.log") or ""), ""
    except UnreadableError as error:
        return [], str(error)


def _unit(machine: Machine, unit: str) -> "t.Dict[str, str]":
    text = machine.output("systemctl", "show", unit, "--property=" + ",".join(_PROPERTIES)) or ""
    pairs = (row.partition("=") for row in text.splitlines())
    found = {name: value for name, equals, value in pairs if equals and name in _PROPERTIES}
    return {} if found.get("LoadState") in (None, "not-found") else found


def _uptime(machine: Machine) -> float:
    words = _text(machine, "/proc/uptime").split()
    try:
        return float(words[0]) if words else 0.0
    except ValueError:
        return 0.0


def _environment(machine: Machine, pids: "t.Sequence[int]") -> "t.Optional[t.Dict[str, str]]":
    for pid in pids:
        try:
            text = machine.text("/proc/{}/environ".format(pid))
        except UnreadableError:
            continue
        if text is not None:
            return unit_environment.process_variables(text)
    return None


def _unit_variables(machine: Machine, unit: str) -> "t.Dict[str, str]":
    """Read a unit as systemd does: the last of its files by folder, then the drop-ins by name, then the files they name."""
    bodies = [body for body in (_text(machine, folder + "/" + unit) for folder in _UNIT_FOLDERS) if body]
    drop_ins = {}  # type: t.Dict[str, str]
    for folder in _UNIT_FOLDERS:
        for path, text in machine.texts("{}/{}.d".format(folder, unit), ".conf").items():
            drop_ins[path.rpartition("/")[2]] = text
    text = "\n".join([*bodies[-1:], *(drop_ins[name] for name in sorted(drop_ins))])
    found = unit_environment.unit_variables(text)
    for path in unit_environment.environment_files(text):
        found.update(unit_environment.file_variables(_text(machine, path)))
    return found
