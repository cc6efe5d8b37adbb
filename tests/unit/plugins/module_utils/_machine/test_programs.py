# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of the machine."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import run


def test_programs_are_also_looked_for_where_administrators_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin:/usr/sbin")
    said = run("sh", "-c", 'echo "$PATH"')
    assert said.output == "/usr/bin:/bin:/usr/sbin:/usr/local/sbin:/sbin\n"


def test_a_program_that_is_not_there_has_the_exit_code_of_the_shell() -> None:
    assert run("fleet-ssm-no-such-program").code == 127
