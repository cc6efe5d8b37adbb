# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Keep the agent's registration while it gets another, and put it back when that fails. Runs on the node: Python 3.6.

``amazon-ssm-agent -register`` blanks its vault before it asks AWS (core/agent_parser.go, registerManagedInstance), so whoever is
refused has lost what there was.
"""

import os
import shutil
import uuid

_STATE = "/var/lib/amazon/ssm"
_MACHINE_ID = "/etc/machine-id"
# Older systems have a second file; on newer ones it is a link to the first.
_DBUS_MACHINE_ID = "/var/lib/dbus/machine-id"
# The vault with the key, and a file that names the node for others; the agent itself reads the vault.
_MEMBERS = ("Vault", "registration")


class KeptRegistration:
    """The registration as it was before, in a folder beside it, from save() to put_back() or forget().

    A run that was killed in between leaves the folder; the next one takes it for what was there before.
    """

    def __init__(self, state: str = _STATE, machine_id: str = _MACHINE_ID, dbus_machine_id: str = _DBUS_MACHINE_ID) -> None:
        self._state = state
        self._machine_ids = [machine_id, dbus_machine_id]
        self._folder = os.path.join(state, ".before-registration")

    def save(self, registered: bool) -> None:
        """Copy what is there; raises OSError, a full disk's for instance, and has changed nothing then."""
        if os.path.isdir(self._folder):
            if not registered:
                return
            self.forget()
        unfinished = self._folder + ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        os.makedirs(unfinished, 0o700)
        try:
            for name in _MEMBERS:
                _copy(os.path.join(self._state, name), os.path.join(unfinished, name))
            _copy(self._machine_ids[0], os.path.join(unfinished, "machine-id"))
            os.rename(unfinished, self._folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise

    def put_back(self) -> None:
        """Have again what was there. It moves and copies no bytes but the machine id's, so that a full disk is no obstacle."""
        for name in _MEMBERS:
            there, kept = os.path.join(self._state, name), os.path.join(self._folder, name)
            _remove(there)
            if os.path.exists(kept):
                os.rename(kept, there)
        kept = os.path.join(self._folder, "machine-id")
        if os.path.exists(kept):
            with open(kept, encoding="ascii") as file:
                self._write_machine_id(file.read())
        self.forget()

    def forget(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self._folder)

    def renew_machine_id(self) -> None:
        """Give the machine an id of its own (machine-id(5)), by which the agent knows it from its copies."""
        self._write_machine_id(uuid.uuid4().hex + "\n")

    def clear(self) -> None:
        """Remove the file that the agent leaves when it forgets its registration."""
        _remove(os.path.join(self._state, "registration"))

    def _write_machine_id(self, text: str) -> None:
        for path in self._machine_ids:
            if os.path.exists(path) and not os.path.islink(path):
                with open(path, encoding="ascii") as file:
                    if file.read() == text:
                        continue
                # In place: it may be a mount.
                with open(path, "w", encoding="ascii") as file:
                    file.write(text)


def _copy(path: str, to: str) -> None:
    if os.path.isdir(path):
        shutil.copytree(path, to, symlinks=True)
    elif os.path.exists(path):
        shutil.copy2(path, to)


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)
