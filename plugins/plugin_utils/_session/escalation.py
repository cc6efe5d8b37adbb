# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow a become command from its password prompt to its success, and say what to answer.

Pure. What a prompt, a success or a complaint looks like is the become plugin's to know; this is the order in which they matter, as
ansible-core's ssh and local connections have it.
"""

from __future__ import annotations

import enum
import re
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import EscalationFailed, EscalationTimedOut


class Become(t.Protocol):
    """What is needed of a become plugin."""

    name: str

    def expect_prompt(self) -> bool:
        """Whether it has a password and will be asked for it."""

    def check_success(self, b_output: bytes) -> bool:
        """Whether output says that the command runs as the other user."""

    def check_password_prompt(self, b_output: bytes) -> bool:
        """Whether output asks for the password."""

    def check_incorrect_password(self, b_output: bytes) -> bool:
        """Whether output calls the password wrong."""

    def check_missing_password(self, b_output: bytes) -> bool:
        """Whether output complains that there is none."""


class Stage(enum.Enum):
    """How far it is."""

    PROMPT = "the password prompt"
    SUCCESS = "become success"
    OVER = "nothing"


class Escalation:
    """One become command.

    :param password: sent when it is asked for; None when there is none.
    """

    def __init__(self, become: Become, password: bytes | None) -> None:
        self.stage = Stage.PROMPT if become.expect_prompt() else Stage.SUCCESS
        self._become = become
        self._password = password
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        self._answered = {"stdout": 0, "stderr": 0}

    def take(self, stream: str, data: bytes) -> bytes:
        """Take output; return what is to be answered, mostly nothing. What comes after the success is kept like the rest."""
        self._output[stream] += data
        if self.stage is Stage.OVER:
            return b""
        if self._anywhere(self._become.check_success):
            self.stage = Stage.OVER
            return b""
        self._complain()
        if not self._anywhere(self._become.check_password_prompt):
            return b""
        if self._password is None:
            raise EscalationFailed(f"Missing {self._become.name} password.{self._told()}")
        if self.stage is Stage.SUCCESS:
            raise EscalationFailed(f"{self._become.name} asks for a password again.{self._told()}")
        self._answered = {name: len(output) for name, output in self._output.items()}
        self.stage = Stage.SUCCESS
        return self._password + b"\n"

    def ended(self) -> None:
        """The command has ended; raise when it did so before it became anybody."""
        if self.stage is not Stage.OVER:
            self._complain()
            raise EscalationFailed(f"{self._become.name} ended while {self.stage.value} was waited for.{self._told()}")

    @property
    def over(self) -> bool:
        """Whether we are the other user now."""
        return self.stage is Stage.OVER

    def timed_out(self, seconds: float) -> EscalationTimedOut:
        """Return what to raise when it takes too long."""
        return EscalationTimedOut(
            f"{self._become.name} took more than {seconds:g} s (become_success_timeout) to reach {self.stage.value}.{self._told()}"
        )

    def _complain(self) -> None:
        if self._anywhere(self._become.check_incorrect_password):
            raise EscalationFailed(f"Incorrect {self._become.name} password")
        if self._anywhere(self._become.check_missing_password):
            raise EscalationFailed(f"Missing {self._become.name} password")

    def _anywhere(self, check: t.Callable[[bytes], bool]) -> bool:
        """Look in both streams, behind what was answered already."""
        return any(check(bytes(output[self._answered[name] :])) for name, output in self._output.items())

    def _told(self) -> str:
        parts = [
            f" Its {name}: {output.decode(errors='replace').strip()}" for name, output in self._output.items() if output.strip()
        ]
        return "".join(parts)


def without_preamble(output: bytes, *marks: str) -> bytes:
    """Return what follows the marks in a become command's output; one that does not occur, or is empty, changes nothing."""
    for mark in filter(None, marks):
        output = re.sub(rb"^.*?" + re.escape(mark.encode()) + rb"\s*", b"", output, count=1, flags=re.DOTALL)
    return output
