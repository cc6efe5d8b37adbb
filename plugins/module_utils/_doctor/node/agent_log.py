# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read the SSM agent's log since its last start. Pure; runs on nodes, with Python 3.6."""

import calendar
import re
import time
import typing as t

# seelog_unix.xml: %Date(2006-01-02 15:04:05.0000) %LEVEL %Msg. Times are the machine's own.
_LINE = re.compile(r"(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? (?P<level>[A-Z]+) (?P<message>.*)", re.DOTALL)
# core/agent.go logs the first of these before it looks for an identity, core/app/agent.go the second when it has one.
_STARTS = ("Proxy environment variables:", "amazon-ssm-agent - v")
_VERSION = re.compile(r"amazon-ssm-agent - v?(\d+(?:\.\d+)+)")


class Line(t.NamedTuple):
    """A line, and those that follow it without a time; when is in the machine's local time, 0.0 when it cannot be read."""

    when: float
    level: str
    message: str


def lines(text: str) -> "t.List[Line]":
    """Split a log."""
    found = []  # type: t.List[Line]
    for row in text.splitlines():
        match = _LINE.match(row)
        if match:
            found.append(Line(_seconds(match.group("when")), match.group("level"), match.group("message")))
        elif found and row.strip():
            found[-1] = found[-1]._replace(message=found[-1].message + " " + row.strip())
    return found


def since_last_start(log: "t.Sequence[Line]") -> "t.List[Line]":
    """Leave out what was logged before the agent's last start; all of it where no start is in the log."""
    for start in _STARTS:
        places = [place for place, line in enumerate(log) if start in line.message]
        if places:
            return list(log[places[-1] :])
    return list(log)


def began(log: "t.Sequence[Line]") -> float:
    """Say when the agent last started; 0.0 when the log does not tell."""
    return log[0].when if log and any(start in log[0].message for start in _STARTS) else 0.0


def version(log: "t.Sequence[Line]") -> str:
    """Name the agent's version as it logged it last; empty when it did not."""
    found = [match.group(1) for match in (_VERSION.search(line.message) for line in log) if match]
    return found[-1] if found else ""


def _seconds(when: str) -> float:
    try:
        parsed = time.strptime(when, "%Y-%m-%d %H:%M:%S")
        return time.mktime(parsed)
    except OverflowError:
        return float(calendar.timegm(parsed))
    except ValueError:
        return 0.0
