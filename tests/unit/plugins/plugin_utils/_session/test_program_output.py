# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session prints, read by one program's decoder after the other's."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._node_program import wire
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import frames, posix_lines, program_output
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Frame, Kind
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.program_output import Found, ProgramOutput

_FRAME = Frame(Kind.STDOUT, 1, b"text", last=True)
_PRINTED = wire.armour(wire.STDOUT, 1, b"text", wire.LAST)


def test_frames_are_found_in_whatever_parts_they_come() -> None:
    found: list[Found] = []
    output = ProgramOutput(found.append, None)
    for byte in _PRINTED:
        output.take(bytes([byte]))
    assert found == [_FRAME]
    assert output.noise() == ""


def test_a_decoder_that_is_changed_in_the_middle_of_a_message_reads_what_is_left_of_it() -> None:
    found: list[Found] = []

    def take(one: Found) -> None:
        found.append(one)
        if len(found) == 1:
            output.read_by(frames.Decoder())

    output = ProgramOutput(take, None)
    output.take(_PRINTED * 3)
    assert found == [_FRAME] * 3


def test_noise_is_kept_from_one_decoder_to_the_next_and_told_from_its_end() -> None:
    output = ProgramOutput(lambda _found: None, None)
    output.take(b"bash: warning: setlocale\n")
    output.read_by(posix_lines.Decoder())
    output.remember(b"cannot become user ssm-user")
    told = output.noise()
    assert told.startswith(". The session printed: ")
    assert "setlocale" in told
    assert told.endswith("cannot become user ssm-user")


def test_a_flood_of_noise_is_told_in_a_few_lines() -> None:
    output = ProgramOutput(lambda _found: None, None)
    output.take(b"nothing of ours\n" * 10_000)
    assert len(output.noise()) < 600


def test_what_looks_like_a_frame_and_is_damaged_is_malformed() -> None:
    output = ProgramOutput(lambda _found: None, None)
    encoded = bytearray(_PRINTED)
    middle = len(encoded) // 2
    encoded[middle] = ord("A") if encoded[middle] != ord("A") else ord("B")
    with pytest.raises(program_output.MALFORMED):
        output.take(bytes(encoded))
