# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registration that is kept while the agent gets another."""

from __future__ import annotations

import errno
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._machine.registration import KeptRegistration

KEY = pathlib.Path("Vault", "Store", "RegistrationKey")


class Machine:
    """A machine that is registered, below a folder."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.state = folder / "ssm"
        self.machine_id = folder / "machine-id"
        (self.state / KEY).parent.mkdir(parents=True)
        (self.state / KEY).write_text("old key", encoding="utf-8")
        (self.state / KEY).chmod(0o600)
        (self.state / "registration").write_text("old node", encoding="utf-8")
        self.machine_id.write_text("old id\n", encoding="ascii")
        self.kept = KeptRegistration(str(self.state), str(self.machine_id), str(folder / "none"))

    def blank(self) -> None:
        """Do what the agent does before it asks AWS."""
        (self.state / KEY).write_text("", encoding="utf-8")

    def content(self) -> tuple[str, str, str]:
        return (
            (self.state / KEY).read_text(encoding="utf-8"),
            (self.state / "registration").read_text(encoding="utf-8"),
            self.machine_id.read_text(encoding="ascii"),
        )

    def folders(self) -> set[str]:
        return {path.name for path in self.state.iterdir()}


OLD = ("old key", "old node", "old id\n")


@pytest.fixture
def machine(tmp_path: pathlib.Path) -> Machine:
    return Machine(tmp_path)


def test_what_was_saved_is_put_back_with_its_rights(machine: Machine) -> None:
    machine.kept.save(True)
    machine.blank()
    (machine.state / "registration").unlink()
    machine.kept.renew_machine_id()
    machine.kept.put_back()
    assert machine.content() == OLD
    assert (machine.state / KEY).stat().st_mode & 0o777 == 0o600
    assert machine.folders() == {"Vault", "registration"}


def test_what_was_not_there_is_not_there_again(machine: Machine) -> None:
    shutil.rmtree(machine.state / "Vault")
    (machine.state / "registration").unlink()
    machine.kept.save(False)
    (machine.state / "registration").write_text("new", encoding="utf-8")
    machine.kept.put_back()
    assert machine.folders() == set()


def test_a_new_registration_stays_when_the_old_one_is_forgotten(machine: Machine) -> None:
    machine.kept.save(True)
    (machine.state / KEY).write_text("new key", encoding="utf-8")
    machine.kept.forget()
    assert machine.content() == ("new key", *OLD[1:])
    assert machine.folders() == {"Vault", "registration"}


def test_what_a_killed_attempt_saved_is_what_there_was(machine: Machine) -> None:
    machine.kept.save(True)
    machine.blank()
    machine.kept.save(False)
    machine.kept.put_back()
    assert machine.content() == OLD


def test_what_an_attempt_left_that_was_killed_when_it_had_succeeded_is_not_put_back(machine: Machine) -> None:
    machine.kept.save(True)
    (machine.state / KEY).write_text("new key", encoding="utf-8")
    machine.kept.save(True)
    machine.blank()
    machine.kept.put_back()
    assert machine.content()[0] == "new key"


def test_a_full_disk_leaves_everything_as_it_was(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_from: str, _to: str, **_more: t.Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OSError, match="No space left"):
        machine.kept.save(True)
    assert machine.content() == OLD
    assert machine.folders() == {"Vault", "registration"}


def test_a_machine_gets_an_id_as_systemd_makes_them(machine: Machine) -> None:
    machine.kept.renew_machine_id()
    text = machine.machine_id.read_text(encoding="ascii")
    assert text != "old id\n"
    assert len(text) == 33
    assert set(text) <= set("0123456789abcdef\n")


def test_both_files_of_an_older_system_get_the_same_id(machine: Machine, tmp_path: pathlib.Path) -> None:
    other = tmp_path / "dbus"
    other.write_text("old id\n", encoding="ascii")
    kept = KeptRegistration(str(machine.state), str(machine.machine_id), str(other))
    kept.renew_machine_id()
    assert other.read_text(encoding="ascii") == machine.machine_id.read_text(encoding="ascii")
