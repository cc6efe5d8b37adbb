# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which operations are ours: each file of this folder adds its own."""

from __future__ import annotations

import dataclasses
import importlib
import pathlib
import typing as t

from tests.emulator.accounts import Accounts
from tests.emulator.faults import Faults
from tests.emulator.state import Credential, MessageService, State
from tests.emulator.statistics import Statistics

Params = dict[str, t.Any]
Answer = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Caller:
    """What an operation works with: the account in the region asked, the message service, and who asks."""

    state: State
    service: MessageService
    statistics: Statistics
    credential: Credential | None  # None: anonymous, or signed by a hybrid node's own key
    accounts: Accounts
    faults: Faults
    node: str = ""  # the hybrid node that signed by its own key


Operation = t.Callable[[Caller, Params], Answer]

OPERATIONS: dict[tuple[str, str], Operation] = {}

ANONYMOUS = {"RegisterManagedInstance"}
"""Operations that take no signature."""


def operation(name: str, service: str = "ssm") -> t.Callable[[Operation], Operation]:
    """Add a function as an operation."""

    def add(function: Operation) -> Operation:
        OPERATIONS[service, name] = function
        return function

    return add


def load() -> None:
    """Import every file of this folder, so that its operations are there."""
    for path in sorted(pathlib.Path(__file__).parent.glob("*.py")):
        importlib.import_module(f"tests.emulator.operations.{path.stem}")
