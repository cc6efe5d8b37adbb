# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What machine this is."""

from __future__ import annotations

import os
import pathlib
import types

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent.platforms import UnsupportedError
from ansible_collections.fleet.ssm.plugins.module_utils._machine import identity, system

Uname = types.SimpleNamespace


def test_the_first_os_release_counts(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "os-release").write_text('ID="sles"\nID_LIKE="suse"\n', encoding="utf-8")
    monkeypatch.setattr(system, "_OS_RELEASE", (str(tmp_path / "none"), str(tmp_path / "os-release")))
    monkeypatch.setattr(system, "_BOOTED", str(tmp_path))
    monkeypatch.setattr(os, "uname", lambda: Uname(sysname="Linux", machine="aarch64"))
    assert system.this_system() == system.System("rpm", "arm64", True)


def test_a_machine_without_os_release_is_refused_by_its_kernel_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_OS_RELEASE", ())
    monkeypatch.setattr(os, "uname", lambda: Uname(sysname="FreeBSD", machine="arm64"))
    with pytest.raises(UnsupportedError, match="FreeBSD is neither"):
        system.this_system()


def test_a_mac_takes_a_pkg_and_has_its_services(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "uname", lambda: Uname(sysname="Darwin", machine="x86_64"))
    assert system.this_system() == system.System("pkg", "amd64", True)
    assert identity.describe()["on_ec2"]
