# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find what failed first in traces, and tell it in lines. Pure."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._executions import advice, trace
from ansible_collections.fleet.ssm.plugins.module_utils._executions.trace import Trace

_LINES = 5
_NAMED = 3
_WIDTH = 200
# What runs as one: failures of a newer run are told before those of an older one, and within a run the earlier before the later.
_RUNS = (trace.ASSOCIATION_EXECUTION, trace.COMMAND, trace.AUTOMATION)

_NODES = (trace.TARGET, trace.INVOCATION)
_NAMELESS = (trace.TARGET, trace.ASSOCIATION_EXECUTION)
# What is said of these is a comment of the user's, or counts.
_SAY_NO_CAUSE = (trace.COMMAND, trace.ASSOCIATION_EXECUTION)
# The agent puts it below what a script printed, and the exit code is told anyway.
_EXIT_CODE = re.compile(r"failed to run commands: exit status \d+\s*$")

_NOUNS = {
    trace.QUICK_SETUP: "Quick Setup",
    trace.CONFIGURATION: "configuration",
    trace.ASSOCIATION: "association",
    trace.ASSOCIATION_EXECUTION: "execution",
    trace.TARGET: "target",
    trace.COMMAND: "command",
    trace.INVOCATION: "command",
    trace.STEP: "step",
    trace.AUTOMATION: "automation",
    trace.AUTOMATION_STEP: "step",
}


@dataclasses.dataclass(frozen=True)
class Failure:
    """A failure with nothing below it that failed: what failed, and what it is part of, from the top down."""

    what: Trace
    within: tuple[Trace, ...]

    @property
    def target(self) -> str:
        """Name the node."""
        return next((one.target for one in (self.what, *reversed(self.within)) if one.target), "")

    @property
    def evidence(self) -> list[str]:
        """Give the last lines that tell of it: of stderr, or else of stdout, or else what AWS says."""
        # A message is often on a higher level: the target failed, and its association says why.
        said = [one.said for one in (self.what, *reversed(self.within)) if one.kind not in _SAY_NO_CAUSE]
        for text in (self.what.stderr, self.what.stdout, *said):
            lines = [line.rstrip()[:_WIDTH] for line in text.splitlines() if line.strip() and not _EXIT_CODE.match(line)]
            if lines:
                return lines[-_LINES:]
        return []

    @property
    def remedy(self) -> str:
        """Say what to do about it."""
        text = "\n".join((self.what.stderr, self.what.stdout, self.what.said, *self.evidence))
        return advice.remedy(self.what.status, self.what.response_code, text)

    @property
    def sentence(self) -> str:
        """Say which it is, where, when and how it ended."""
        document = next((one.name for one in reversed(self.within) if one.kind in (trace.COMMAND, trace.AUTOMATION)), "")
        of_document = f" of {document}" if document and document != self.what.name else ""
        code = self.what.response_code
        # Neither an execution nor a target has a name that anybody knows.
        named = (one for one in (self.what, *reversed(self.within)) if one.kind not in _NAMELESS)
        subject = title(next(named, self.what))
        ended = f" with exit code {code}" if code is not None and code > 0 else ""
        on = f" on {self.target}" if self.target else ""
        at = f" at {self.what.started}" if self.what.started else ""
        return f"{subject}{of_document if self.what.name else ''}: {self.what.status}{ended}{on}{at}."

    @property
    def path(self) -> list[str]:
        """Name what it is part of, from the top down, and itself."""
        return [_place(one) for one in (*self.within, self.what)]

    def to_result(self) -> dict[str, t.Any]:
        """Give it as a dictionary."""
        told = {name: getattr(self.what, name) for name in ("kind", "id", "name", "status", "response_code", "started")}
        told |= {"stdout_url": self.what.stdout_url, "stderr_url": self.what.stderr_url}
        return {
            **told,
            "target": self.target,
            "cause": self.sentence,
            "evidence": self.evidence,
            "remedy": self.remedy,
            "path": self.path,
        }


def title(one: Trace) -> str:
    """Name a trace: step aws:runShellScript."""
    return f"{_NOUNS.get(one.kind, one.kind)} {one.name or one.id}"


def _place(one: Trace) -> str:
    """Name a trace as a part of a path: with its id, and by its node where it stands for that."""
    if one.kind in _NODES:
        return f"node {one.target}"
    return title(one) + (f" ({one.id})" if one.id and one.id != (one.name or one.id) else "")


def failures(traces: t.Iterable[Trace]) -> list[Failure]:
    """Find what failed: that of the newest run first, and of a run the earliest first."""
    found = [failure for one in traces for failure in _failures(one, ())]
    # Both sorts keep the order of what is equal: AWS's own order of steps.
    found.sort(key=lambda failure: failure.what.started)
    found.sort(key=_run_of, reverse=True)
    return found


def _failures(one: Trace, within: tuple[Trace, ...]) -> t.Iterator[Failure]:
    below = [failure for part in one.parts for failure in _failures(part, (*within, one))]
    if below:
        yield from below
    elif one.failed:
        yield Failure(one, within)


def _run_of(failure: Failure) -> str:
    chain = (*failure.within, failure.what)
    return next((one.started for one in chain if one.kind in _RUNS and one.started), failure.what.started)


def unknown_parts(traces: t.Iterable[Trace]) -> list[Trace]:
    """Find what could not be asked for, each once."""
    found: dict[tuple[str, str], Trace] = {}
    for one in traces:
        if one.kind == trace.UNKNOWN:
            found.setdefault((one.iam_action, one.said), one)
        for part in unknown_parts(one.parts):
            found.setdefault((part.iam_action, part.said), part)
    return list(found.values())


def summary(traces: t.Sequence[Trace], hours: int) -> list[str]:
    """Tell all of it in lines, the first cause on top."""
    unknown = unknown_parts(traces)
    lines = told(traces)
    if not lines:
        lines = [f"Nothing failed in the last {hours} hours" + (", as far as could be asked." if unknown else ".")]
    return lines + [f"Unknown: {one.name}. {one.said}" for one in unknown]


def told(traces: t.Iterable[Trace]) -> list[str]:
    """Tell what failed in lines, the first cause on top; none when nothing did."""
    return [line for number, group in enumerate(_groups(failures(traces))) for line in (_other(group) if number else _first(group))]


def _groups(found: t.Sequence[Failure]) -> list[list[Failure]]:
    """Put failures that are alike together."""
    groups: dict[tuple[t.Any, ...], list[Failure]] = {}
    for failure in found:
        what = failure.what
        key = (what.kind, what.name, what.status, what.response_code, tuple(failure.evidence))
        groups.setdefault(key, []).append(failure)
    return list(groups.values())


def _first(group: t.Sequence[Failure]) -> list[str]:
    failure = group[0]
    urls = [url for url in (failure.what.stderr_url, failure.what.stdout_url) if url]
    return [
        f"First cause: {failure.sentence}",
        *(f"  | {line}" for line in failure.evidence),
        *(f"  whole output: {url}" for url in urls),
        *([f"  part of: {' > '.join(failure.path[:-1])}"] if failure.within else []),
        *_again(group),
        f"  next: {failure.remedy}",
    ]


def _other(group: t.Sequence[Failure]) -> list[str]:
    failure = group[0]
    return [f"Also: {failure.sentence}{''.join(f' {line}' for line in failure.evidence[-1:])}", *_again(group)]


def _again(group: t.Sequence[Failure]) -> list[str]:
    others = group[1:]
    if not others:
        return []
    places = list(dict.fromkeys(f"{one.target or one.what.id} at {one.what.started or 'an unknown time'}" for one in others))
    rest = f", and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return [f"  the same: {', '.join(places[:_NAMED])}{rest}"]


def ids_of_commands(traces: t.Iterable[Trace]) -> set[str]:
    """Find the commands that are told already."""
    found: set[str] = set()
    for one in traces:
        found |= {one.id} if one.kind in (trace.COMMAND, trace.INVOCATION) else set()
        found |= ids_of_commands(one.parts)
    return found
