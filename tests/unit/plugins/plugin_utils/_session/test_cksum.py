# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checksum of POSIX's cksum, against the program."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.cksum import Cksum
from hypothesis import given
from hypothesis import strategies as st


def _cksum(*parts: bytes) -> int:
    checksum = Cksum()
    for part in parts:
        checksum.update(part)
    return checksum.value()


@pytest.mark.parametrize("data", [b"", b"a", b"123456789", bytes(range(256)) * 300], ids=len)
def test_it_is_what_the_program_prints(data: bytes) -> None:
    printed = subprocess.run(["cksum"], input=data, capture_output=True, check=True).stdout
    assert f"{_cksum(data)} {len(data)}" == printed.decode().strip()


@given(st.lists(st.binary(max_size=100)))
def test_how_the_data_is_cut_makes_no_difference(parts: list[bytes]) -> None:
    assert _cksum(*parts) == _cksum(b"".join(parts))
