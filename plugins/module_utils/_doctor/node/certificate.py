# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read issuer and dates of an untrusted certificate, of which ssl gives bytes only. Pure; runs on nodes, with Python 3.6."""

import calendar
import time
import typing as t

# X.690: tags of what is looked at.
_SEQUENCE, _SET, _OID, _VERSION = 0x30, 0x31, 0x06, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
# X.520 attribute types 2.5.4.3 and 2.5.4.10, the names people know authorities by.
_COMMON_NAME, _ORGANIZATION = b"\x55\x04\x03", b"\x55\x04\x0a"


class Certificate(t.NamedTuple):
    """Who issued it, and in which seconds since 1970 it is valid; empty and 0.0 where that cannot be read."""

    issuer: str = ""
    begins: float = 0.0
    ends: float = 0.0


class _BadEncodingError(Exception):
    pass


def parse(der: bytes) -> Certificate:
    """Read a certificate (RFC 5280, 4.1); one that is malformed is read as far as it can be."""
    issuer, begins, ends = "", 0.0, 0.0
    try:
        fields = list(_values(_value(_value(der, _SEQUENCE), _SEQUENCE)))
        if fields and fields[0][0] == _VERSION:
            del fields[0]
        # serialNumber, signature, issuer, validity
        issuer = _name(fields[2][1])
        (first, second) = list(_values(fields[3][1]))[:2]
        begins, ends = _moment(*first), _moment(*second)
    except (_BadEncodingError, IndexError, ValueError):
        pass
    return Certificate(issuer, begins, ends)


def _name(encoded: bytes) -> str:
    names = {}  # type: t.Dict[bytes, str]
    for _set, content in _values(encoded):
        for _sequence, pair in _values(content):
            parts = list(_values(pair))
            if len(parts) > 1 and parts[0][0] == _OID:
                names.setdefault(parts[0][1], parts[1][1].decode("utf-8", "replace"))
    return ", ".join(names[kind] for kind in (_COMMON_NAME, _ORGANIZATION) if names.get(kind))


def _moment(tag: int, content: bytes) -> float:
    text = content.decode("ascii", "replace")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise _BadEncodingError
    try:
        return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")))
    except OverflowError as error:
        raise _BadEncodingError from error


def _value(encoded: bytes, tag: int) -> bytes:
    for found, content in _values(encoded):
        if found == tag:
            return content
        break
    raise _BadEncodingError


def _values(encoded: bytes) -> "t.Iterator[t.Tuple[int, bytes]]":
    place = 0
    while place + 2 <= len(encoded):
        tag, length, place = encoded[place], encoded[place + 1], place + 2
        if length & 0x80:
            size = length & 0x7F
            length, place = int.from_bytes(encoded[place : place + size], "big"), place + size
        if place + length > len(encoded):
            raise _BadEncodingError
        yield tag, encoded[place : place + length]
        place += length
