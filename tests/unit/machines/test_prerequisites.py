# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why there are no machines here, in a sentence."""

from __future__ import annotations

import pytest

from tests.machines import prerequisites


def test_a_user_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "root" in prerequisites.missing()


def test_a_missing_program_is_told_with_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda program: None if program == "systemd-nspawn" else f"/bin/{program}")
    assert prerequisites.missing() == "not installed: systemd-container (on Debian: apt-get install systemd-container)"


def test_nothing_is_said_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda program: f"/bin/{program}")
    assert prerequisites.missing() == ""
