# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module agent_registration, with an agent that is written here. Booted machines test it with one that runs."""

from __future__ import annotations

import functools
import json
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._machine import agent_state, installation, system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import Said
from ansible_collections.fleet.ssm.plugins.module_utils._machine.registration import KeptRegistration
from ansible_collections.fleet.ssm.plugins.modules import agent_registration

ACTIVATION = {"activation_id": "id", "activation_code": "c0de", "region": "eu-west-1"}


class Machine:
    """A machine whose agent registers as the real one does: what it knew is gone before AWS is asked."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.file = folder / "registration"
        self.machine_id = folder / "machine-id"
        self.machine_id.write_text("old\n", encoding="ascii")
        self.refusal = ""
        self.starts = True
        self.ran: list[str] = []
        self.booted = True
        self.packages = [installation.Installed("deb", "3.3.1.0")]

    def kept(self) -> KeptRegistration:
        return KeptRegistration(str(self.folder), str(self.machine_id), str(self.folder / "none"))

    def be(self, node_id: str | None) -> None:
        self.file.write_text(json.dumps({"node_id": node_id, "region": "eu-west-1" if node_id else None}), encoding="utf-8")

    def node(self) -> t.Any:
        return json.loads(self.file.read_text(encoding="utf-8"))["node_id"] if self.file.exists() else None

    def describe(self, _there: t.Any, _booted: bool) -> dict[str, t.Any]:
        node = self.node()
        return {"kind": "deb", "unit": "agent.service", "node_id": node, "region": "eu-west-1" if node else None}

    def run(self, *command: str, seconds: float | None = None) -> Said:
        self.ran.append(" ".join(command[:2]))
        if command[0] == "systemctl":
            return Said(0 if self.starts else 1, "", "" if self.starts else "Unit agent.service is masked.")
        self.be(None)
        if "-clear" in command:
            return Said(0, "", "")
        assert seconds == 120
        if self.refusal:
            return Said(1, self.refusal, "")
        self.be("mi-new")
        return Said(0, "", "")


@pytest.fixture
def machine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setattr(agent_registration, "KeptRegistration", made.kept)
    monkeypatch.setattr(agent_registration, "run", made.run)
    monkeypatch.setattr(agent_state, "describe", made.describe)
    monkeypatch.setattr(installation, "installed", lambda _name: made.packages)
    monkeypatch.setattr(system, "this_system", lambda: system.System("deb", "amd64", made.booted))
    return made


@pytest.fixture
def ensure(run: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    return functools.partial(run, agent_registration.main)


def test_registers(ensure: t.Any, machine: Machine) -> None:
    result = ensure(**ACTIVATION)
    assert (result["changed"], result["node_id"], result["region"]) == (True, "mi-new", "eu-west-1")
    assert result["previous_node_id"] is None
    assert machine.ran == ["systemctl stop", "amazon-ssm-agent -register", "systemctl start"]


def test_registers_idempotent(ensure: t.Any, machine: Machine) -> None:
    machine.be("mi-old")
    result = ensure(**ACTIVATION)
    assert (result["changed"], result["node_id"]) == (False, "mi-old")
    assert machine.ran == []


@pytest.mark.parametrize("activation", [ACTIVATION, {}])
def test_registers_check_mode(ensure: t.Any, machine: Machine, activation: dict[str, str]) -> None:
    result = ensure(**activation, check_mode=True, diff=True)
    assert (result["changed"], result["node_id"]) == (True, None)
    assert result["diff"] == {"before": {"node_id": None}, "after": {"node_id": "(a new one)"}}
    assert machine.ran == []


def test_replaces_a_registration_when_told(ensure: t.Any, machine: Machine) -> None:
    machine.be("mi-old")
    result = ensure(**ACTIVATION, replace=True)
    assert (result["node_id"], result["previous_node_id"]) == ("mi-new", "mi-old")
    assert machine.machine_id.read_text(encoding="ascii") == "old\n"


def test_a_refused_machine_is_what_it_was_and_its_agent_runs(ensure: t.Any, machine: Machine) -> None:
    machine.be("mi-old")
    machine.refusal = "ERROR Registration failed due to ActivationExpired for c0de"
    result = ensure(**ACTIVATION, replace=True, new_machine_id=True)
    assert result["msg"].startswith("The activation has expired.")
    assert "c0de" not in result["msg"]
    assert machine.node() == "mi-old"
    assert machine.machine_id.read_text(encoding="ascii") == "old\n"
    assert machine.ran[-1] == "systemctl start"
    assert {path.name for path in machine.folder.iterdir()} == {"registration", "machine-id"}


def test_a_copy_gets_a_machine_id_of_its_own_and_forgets_the_old_fingerprint(ensure: t.Any, machine: Machine) -> None:
    machine.be("mi-old")
    assert ensure(**ACTIVATION, replace=True, new_machine_id=True)["node_id"] == "mi-new"
    assert machine.machine_id.read_text(encoding="ascii") != "old\n"
    assert machine.ran.count("amazon-ssm-agent -register") == 2


def test_an_agent_that_does_not_start_is_told_and_the_registration_stays(ensure: t.Any, machine: Machine) -> None:
    machine.starts = False
    assert ensure(**ACTIVATION)["msg"] == "The machine is registered, but its agent does not start: Unit agent.service is masked."
    assert machine.node() == "mi-new"


def test_forgets(ensure: t.Any, machine: Machine) -> None:
    machine.be("mi-old")
    result = ensure(state="absent")
    assert (result["changed"], result["node_id"], result["previous_node_id"]) == (True, None, "mi-old")
    assert not machine.file.exists()


def test_forgets_idempotent(ensure: t.Any, machine: Machine) -> None:
    assert not ensure(state="absent")["changed"]
    assert machine.ran == []


def test_forgets_check_mode(ensure: t.Any, machine: Machine) -> None:
    machine.be("mi-old")
    assert ensure(state="absent", check_mode=True)["changed"]
    assert machine.node() == "mi-old"


def test_says_what_is_missing(ensure: t.Any, machine: Machine) -> None:
    assert ensure(region="eu-west-1")["msg"] == "The machine is to be registered, which needs activation_id, activation_code."


def test_refuses_a_machine_without_agent(ensure: t.Any, machine: Machine) -> None:
    machine.packages = []
    assert "fleet.ssm.agent" in ensure(**ACTIVATION)["msg"]


def test_refuses_to_register_an_image_that_is_being_built(ensure: t.Any, machine: Machine) -> None:
    machine.booted = False
    assert ensure(**ACTIVATION)["msg"].startswith("systemd does not run here")


def test_a_mac_is_not_registered(machine: Machine, run: t.Callable[..., t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "is_macos", lambda: True)
    assert run(agent_registration.main, **ACTIVATION)["msg"].startswith("AWS registers no Mac.")
    assert machine.ran == []
