# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Tell standard output from standard error in what Run Command keeps of both, and whether that is all of it. Pure."""

from __future__ import annotations

import dataclasses
import typing as t

# What ListCommandInvocations tells of a step is one text, made by the agent (framework/processor/executer/iohandler).
_DIVIDER = "\n----------ERROR-------\n"
_STDOUT_CUT, _STDERR_CUT = "\n---Output truncated---", "\n---Error truncated----"
_LISTED = 2_500
# What GetCommandInvocation tells is two; the agent ends a longer one with the mark.
_CUT = "--output truncated--"
_STDOUT_KEPT, _STDERR_KEPT = 24_000, 8_000


@dataclasses.dataclass(frozen=True)
class Output:
    """What a step printed, as far as it is known."""

    stdout: str = ""
    stderr: str = ""
    stdout_cut: bool = False
    stderr_cut: bool = False
    certain: bool = True
    """Whether it is known which part of it went to which stream."""

    @property
    def cut(self) -> bool:
        """Say whether there is more of it."""
        return self.stdout_cut or self.stderr_cut


def listed(text: str) -> Output:
    """Read what ListCommandInvocations tells."""
    stdout, divider, stderr = text.partition(_DIVIDER)
    out_marked, error_marked = stdout.endswith(_STDOUT_CUT), stderr.endswith(_STDERR_CUT)
    # Where the agent left no mark, AWS may still have cut it.
    too_long = len(text.encode()) >= _LISTED and not out_marked and not error_marked
    return Output(
        stdout=stdout.removesuffix(_STDOUT_CUT),
        stderr=stderr.removesuffix(_STDERR_CUT),
        stdout_cut=out_marked or (too_long and not divider),
        stderr_cut=error_marked or too_long,
        certain=_DIVIDER not in stderr,
    )


def kept(answer: t.Mapping[str, t.Any]) -> Output:
    """Read what GetCommandInvocation tells."""
    stdout, stderr = str(answer.get("StandardOutputContent") or ""), str(answer.get("StandardErrorContent") or "")
    return Output(stdout, stderr, _is_cut(stdout, _STDOUT_KEPT), _is_cut(stderr, _STDERR_KEPT))


def _is_cut(text: str, most: int) -> bool:
    return len(text) >= most or text.endswith(_CUT)
