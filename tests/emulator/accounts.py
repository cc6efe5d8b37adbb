# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts and regions there are besides the one with machines, and which roles open them."""

from __future__ import annotations

import dataclasses
import threading

from tests.emulator.state import Credential, State


@dataclasses.dataclass(frozen=True)
class Role:
    """A role that anybody who has keys may assume, with the external id when its trust policy asks for one."""

    arn: str
    external_id: str = ""


class Accounts:
    """The state of each account in each region; they share the access keys, as AWS does."""

    def __init__(self, first: State) -> None:
        self._lock = threading.Lock()
        self.first = first
        self._states = {(first.account, first.region): first}
        self.roles: dict[str, Role] = {}

    def state(self, account: str, region: str) -> State:
        """Return an account's state in a region; a region that nobody spoke of yet is empty."""
        with self._lock:
            if (account, region) not in self._states:
                self._states[account, region] = State(account, region, self.first.credentials)
            return self._states[account, region]

    def all(self) -> list[State]:
        """Return everything there is."""
        with self._lock:
            return list(self._states.values())

    def account_of(self, credential: Credential | None) -> str:
        """Return the account that keys belong to."""
        return credential.principal.split(":")[4] if credential is not None else self.first.account
