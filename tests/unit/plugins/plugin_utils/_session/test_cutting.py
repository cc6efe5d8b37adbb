# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a payload is cut, and that no byte is lost by it."""

from __future__ import annotations

import base64
import io
import zipfile

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import cutting
from hypothesis import example, given
from hypothesis import strategies as st


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, compression)
    return archive.getvalue()


_MEMBERS = {f"ansible/module_utils/m{number}.py": bytes([65 + number]) * 3000 for number in range(5)}
_STORED = base64.b64encode(_zip(_MEMBERS, zipfile.ZIP_STORED))


def _joined(segments: list[cutting.Segment]) -> bytes:
    return b"".join(b"".join(segment.pieces) if segment.encoded is None else segment.encoded for segment in segments)


def _wrapper(encoded: bytes, arguments: bytes) -> bytes:
    return b"#!/usr/bin/python\n" + b"ZIPDATA = '" + encoded + b"'\nARGS = '" + arguments + b"'\n" + b"main()\n" * 40


@given(st.binary(max_size=6000) | st.text(alphabet="ab\n", max_size=6000).map(str.encode))
@example(_wrapper(_STORED, b"x"))
@example(_wrapper(_STORED[:-4], b"x"))
@example(b"A" * 5000)
def test_the_segments_together_are_the_payload(payload: bytes) -> None:
    assert _joined(cutting.cut(payload)) == payload


@given(st.dictionaries(st.text("abc/._", min_size=1, max_size=12), st.binary(max_size=4000), min_size=1, max_size=6), st.data())
def test_a_zip_is_cut_into_pieces_that_are_together_the_zip(members: dict[str, bytes], data: st.DataObject) -> None:
    archive = _zip(members, zipfile.ZIP_STORED)
    pieces = cutting.cut_encoded_zip(base64.b64encode(archive))
    assert pieces is not None
    assert b"".join(pieces) == archive
    damaged = bytearray(archive)
    damaged[data.draw(st.integers(4, len(archive) - 1))] ^= data.draw(st.integers(1, 255))
    pieces = cutting.cut_encoded_zip(base64.b64encode(bytes(damaged)))
    assert pieces is not None
    assert b"".join(pieces) == damaged


def test_zips_with_equal_members_have_equal_pieces() -> None:
    changed = {**_MEMBERS, "ansible/module_utils/m2.py": b"other" * 600}
    before = cutting.cut_encoded_zip(_STORED)
    after = cutting.cut_encoded_zip(base64.b64encode(_zip(changed, zipfile.ZIP_STORED)))
    assert before is not None
    assert after is not None
    contents = [content for content in _MEMBERS.values() if content in before]
    assert len(contents) == 5
    assert sum(content in after for content in _MEMBERS.values()) == 4


def test_what_is_no_zip_is_not_taken_apart() -> None:
    assert cutting.cut_encoded_zip(base64.b64encode(b"not a zip" * 400)) is None
    assert cutting.cut_encoded_zip(b"A") is None


def test_base64_that_would_not_come_out_the_same_is_not_taken_apart() -> None:
    encoded = base64.b64encode(b"PK\x03\x04" + bytes(3000))
    assert encoded.endswith(b"=")
    assert cutting.cut_encoded_zip(encoded[:-2] + b"B=") is None


@pytest.mark.parametrize(
    "archive",
    [
        b"PK\x03\x04" + bytes(3000),
        _zip(_MEMBERS)[:-4],
        b"PK\x03\x04" + bytes(100) + b"PK\x05\x06" + bytes(4) + b"\x01\0\x01\0" + bytes(4) + b"\xff\xff\xff\x00" + bytes(2),
    ],
)
def test_a_zip_that_cannot_be_followed_is_one_piece(archive: bytes) -> None:
    assert cutting.cut_encoded_zip(base64.b64encode(archive)) == (archive,)


def test_a_payload_too_large_for_a_module_is_passed_on() -> None:
    payload = b"A" * (cutting.LARGEST_MODULE + 1)
    assert cutting.cut(payload) == [cutting.Segment((payload,), passing=True)]


def test_nothing_is_cut_into_nothing() -> None:
    assert cutting.cut(b"") == []
