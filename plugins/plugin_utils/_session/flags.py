# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the properties of a frame; apart from ``frames.py``, as each forked worker compiles what it imports.

Pure.
"""

from __future__ import annotations

import enum


class Flags(enum.IntFlag):
    """Properties of a frame.

    WARM: when the command is an interpreter and its input a module, a fork of a warm interpreter may run it. TERMINAL: the command
    has a terminal, for become commands that want one. CONVERSES: its input comes in reply to its output. PLACED: the body begins
    with its position in the request's stream.
    """

    NONE = 0
    COMPRESSED = 1
    LAST = 2
    WARM = 4
    TERMINAL = 8
    CONVERSES = 16
    PLACED = 32
