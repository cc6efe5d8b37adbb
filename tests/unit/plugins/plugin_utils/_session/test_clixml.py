# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard error of PowerShell: its XML becomes what it tells, all else stays."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.clixml import plain
from hypothesis import given
from hypothesis import strategies as st

_OBJECTS = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">{}</Objs>'


def _block(*strings: str, stream: str = "Error") -> bytes:
    return b"#< CLIXML\r\n" + _OBJECTS.format("".join(f'<S S="{stream}">{text}</S>' for text in strings)).encode()


@pytest.mark.parametrize(
    ("stderr", "text"),
    [
        (b"", b""),
        (b"plain\r\n", b"plain\r\n"),
        (_block("a_x000D__x000A_", "b &amp; c"), b"a\r\nb & c"),
        (_block("look out", stream="warning"), b"look out"),
        (b"before\r\n" + _block("in") + b"\r\nafter", b"before\r\ninafter"),
        (_block("_xD83E__xDD80_ _x005F_x"), "\U0001f980 _x".encode()),
        (b"#< CLIXML\r\n" + _block("nested"), b"nested"),
        (_block("one") + _OBJECTS.format('<S S="Error">two</S>').encode(), b"one\r\ntwo"),
        (b"#< CLIXML\r\n" + _OBJECTS.format('<Obj S="progress" RefId="0"><MS><S>x</S></MS></Obj>').encode(), b""),
        (_block("smörgås").decode().encode("cp437"), "smörgås".encode()),
    ],
)
def test_its_text_is_told(stderr: bytes, text: bytes) -> None:
    assert plain(stderr) == text


@pytest.mark.parametrize("broken", [b"#< CLIXML\r\n", b"#< CLIXML\r\n<Objs >no end", b"#< CLIXML\r\n<Objs <</Objs>\r\n"])
def test_what_cannot_be_read_stays(broken: bytes) -> None:
    assert plain(broken) == broken


@given(st.binary())
def test_any_other_output_stays(stderr: bytes) -> None:
    if b"#< CLIXML" not in stderr:
        assert plain(stderr) == stderr
