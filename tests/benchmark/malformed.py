# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make bytes that are nearly right, from a seed: what the service, a node, a controller and a worker could send, damaged."""

from __future__ import annotations

import base64
import binascii
import collections.abc
import json
import random
import struct
import typing as t
import uuid
import zlib

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import pieces, requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.frames import Kind

from tests.emulator import wire

_Makes = collections.abc.Callable[[], bytes]

#: What lines of the program for nodes without a Python say, by their names, when nothing is wrong with them.
_SHELL_TEXTS = {
    "h": ("base64 sha256sum 1000 ssm-user", "od cksum 0 root", "base64 - 0 root openssl|base64", "base64", "  x y"),
    "r": ("",),
    "c": ("", "4294967295 3", "0" * 64),
    "d": ("", "4294967295 0", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  -"),
    "n": ("0", "3", "1000000"),
    "o": ("1 QUJD", "2 QUJD", "QUJD", "1 414243"),
    "e": ("1 QUJD", "1 ====", "1"),
    "b": ("1 QUJD", "1 QUI="),
    "o.": ("0", "1", "2"),
    "e.": ("0", "1"),
    "b.": ("0", "1"),
    "x": ("0", "255", "4294967296", "-1"),
    "z": ("", "4294967295 0"),
    "f": ("ENOENT bm8=", "ENOENT", "ENOENT %%%", ""),
}

_NUMBERS = (0, 1, 2, 3, 5, 127, 128, 255, 256, 1024, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1)
_LINES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"1e999",
    b"-1",
    b"9" * 5000,
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b"\xff\xfe",
    b'{"code": "ENOENT"}',
    b'{"path": 5, "size": "x", "code": [], "message": {}, "sha256": 1}',
    b'{"RequestedClientActions": [1]}',
    b'{"RequestedClientActions": {"ActionType": "SessionType"}}',
    b'{"RequestedClientActions": [{"ActionType": 1, "ActionParameters": "x"}]}',
    b'{"RequestedClientActions": [{"ActionType": "SessionType"}]}',
    b'{"AcknowledgedMessageSequenceNumber": true}',
    b'{"AcknowledgedMessageSequenceNumber": 1e10}',
    b'{"Output": ["x"]}',
)


class Malformed:
    """A stream of them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    # -- of any kind --------------------------------------------------------------------------------------------------

    def damaged(self, data: bytes) -> bytes:
        """Return bytes with something wrong; now and then nothing is."""
        return self.random.choice(_DAMAGES)(self, data)

    def _flipped(self, data: bytes) -> bytes:
        changed = bytearray(data or b"\0")
        for _bit in range(self.random.choice((1, 1, 1, 2, 20))):
            changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
        return bytes(changed)

    def _truncated(self, data: bytes) -> bytes:
        return data[: self.random.randrange(len(data) + 1)]

    def _longer(self, data: bytes) -> bytes:
        return data + self.random.randbytes(self.random.choice((1, 4, 100)))

    def _numbered(self, data: bytes) -> bytes:
        size, code = self.random.choice(((1, "B"), (2, ">H"), (4, ">I"), (8, ">Q")))
        at = self.random.randrange(max(1, len(data) - size))
        return data[:at] + struct.pack(code, self.random.choice(_NUMBERS) & (1 << 8 * size) - 1) + data[at + size :]

    def _spliced(self, data: bytes) -> bytes:
        at, start, end = (self.random.randrange(len(data) + 1) for _cut in range(3))
        return data[:at] + data[min(start, end) : max(start, end)] + data[at:]

    def _left_alone(self, data: bytes) -> bytes:
        return data

    def content(self) -> bytes:
        """Return a payload that may be anything."""
        kind = self.random.randrange(40)
        if kind == 0:
            return self.random.randbytes(self.random.choice((10_000, 100_000)))
        if kind < 20:
            return self.random.choice(_LINES)
        return self.random.randbytes(self.random.randrange(200))

    # -- what the service sends ---------------------------------------------------------------------------------------

    def from_service(
        self, expected: int, printed: _Makes | None = None, seal: collections.abc.Callable[[bytes], bytes] | None = None
    ) -> bytes:
        """Return a websocket frame.

        :param expected: the number of the message that would be next.
        :param printed: makes what the session prints; if not given, that of a node with a Python.
        :param seal: what the agent does to all that it encrypts.
        """
        kind = self.random.choice(
            ("output_stream_data",) * 6
            + ("acknowledge",) * 3
            + ("channel_closed", "pause_publication", "start_publication", "other")
        )
        number = self.random.choice((expected,) * 5 + (expected - 1, expected + 1, expected + 2, *_NUMBERS, -1, -(2**63)))
        payload_type = self.random.choice((wire.OUTPUT,) * 8 + (*range(14), 2**32 - 1))
        if kind == "acknowledge":
            content: dict[str, t.Any] = {
                "AcknowledgedMessageSequenceNumber": self.random.choice((0, 1, 2, 3, *_NUMBERS, True, None, "1", [], 1.5))
            }
            payload = json.dumps(content).encode()
        elif kind == "channel_closed" and self.random.random() < 0.9:
            payload = b"{"
        else:
            payload = (printed or self.from_node)() if payload_type == wire.OUTPUT else self.content()
        if self.random.random() < 0.1:
            payload = self.content()
        if seal is not None and kind == "output_stream_data" and self.random.random() < 0.9:
            payload = self._sealed(payload, payload_type, seal)
        number = max(-(2**63), min(number, 2**63 - 1))
        # The same frames each time that a seed is given, whatever the clock says.
        message_id, created = uuid.UUID(int=self.random.getrandbits(128)), self.random.randrange(1, 2**41)
        frame = wire.pack(wire.Message(kind, payload, number, payload_type, id=message_id, created=created))
        return self.damaged(frame) if self.random.random() < 0.4 else frame

    def _sealed(self, payload: bytes, payload_type: int, seal: collections.abc.Callable[[bytes], bytes]) -> bytes:
        """Return what an agent with a key makes of a payload; a challenge has its secret inside."""
        if payload_type != wire.CHALLENGE_REQUEST:
            return seal(payload)
        secret = base64.b64encode(seal(payload)).decode()
        challenge: t.Any = self.random.choice((secret, secret[:8], "x", 1, None, []))
        return json.dumps({"Challenge": challenge}).encode()

    def from_node(self) -> bytes:
        """Return what a session prints: lines with frames, damaged inside or outside."""
        kind = self.random.choice((*Kind, 0, 255))
        body = self._body_from_node(kind)
        flags = self.random.choice((0, 0, 0, 1, 2, 255))
        if flags & 1:
            body = zlib.compress(self.random.choice((body, bytes(2_000_000)) if self.random.random() < 0.01 else (body,)))
        content = struct.pack(">BBI", kind, flags, self.random.choice((0, 1, 2, 3, 2**32 - 1))) + body
        if self.random.random() < 0.1:
            content = self.damaged(content)
        line = b"<" + base64.b64encode(content + struct.pack(">I", zlib.crc32(content))) + b"\n"
        start = self.random.choice((b"", b"", b"$ ", b"@ready\n", b"@nopython\n", b"1:QQ==\n", b"\n"))
        return start + (self.damaged(line) if self.random.random() < 0.2 else line)

    def _body_from_node(self, kind: int) -> bytes:
        numbers = struct.pack(">II", *(self.random.choice(_NUMBERS) & 2**32 - 1 for _number in range(2)))
        choices: dict[int, tuple[bytes, ...]] = {
            Kind.CREDIT: (b"0", b"1", b"-1", b"9" * 30, b"x", b""),
            Kind.EXIT: (numbers[:4], numbers[:3], b""),
            Kind.RESULT: (numbers + b"out", numbers, numbers[:5], struct.pack(">II", 0, 3) + b"outerr"),
            Kind.DONE: (b'{"size": 1, "sha256": "x"}', b'{"event": "exit"}', self.content()),
            Kind.FAIL: (
                b'{"code": "ENOENT", "message": "m", "path": "p"}',
                b'{"code": "PROTOCOL", "message": "m"}',
                self.content(),
            ),
            Kind.HELLO: (b'{"python": "3.9.0"}', self.content()),
        }
        return self.random.choice(choices.get(kind, (self.content(),)))

    def from_shell(self, expected: int) -> bytes:
        """Return what the program for nodes without a Python prints; ``expected`` is the request it would speak of."""
        lines = []
        for _line in range(self.random.choice((1, 1, 1, 3))):
            name = self.random.choice((*_SHELL_TEXTS, "q", "o.", "zz"))
            text = self.random.choice((*_SHELL_TEXTS.get(name, ("",)), "", "x", "9" * 5000, "-1", "1 " + "QUJD" * 300))
            number = self.random.choice((expected,) * 6 + (expected - 1, expected + 1, *_NUMBERS))
            length = len(text) if self.random.random() < 0.95 else self.random.choice(_NUMBERS)
            lines.append(f">{name} {number} {length} {text}\n".encode())
        printed = b"".join(lines)
        start = self.random.choice((b"", b"", b"$ ", b"@ready\n", b"@nopython\n", b"\n"))
        return start + (self.damaged(printed) if self.random.random() < 0.2 else printed)

    def from_console(self, expected: int) -> bytes:
        """Return what a Windows console makes of the frames of its program; ``expected`` is the number of the next line."""
        text = self.from_node().replace(b"<", b"-").replace(b"\n", b",").decode("ascii", errors="replace")
        number = self.random.choice((expected,) * 6 + (expected + 1, expected - 1, *_NUMBERS))
        content = f"{number}.{self.random.choice((0, 1, 2, *_NUMBERS))}.{text}"
        line = f"<{content}.{binascii.crc32(content.encode()):08x}>".encode()
        start = self.random.choice((b"", b"\x1b[2J\x1b[H", b"\x1b]0;title\x07", b"\r\n", b"\x1b[", b"<<", b">>"))
        if self.random.random() < 0.3:
            line = b"\r\n".join(line[at : at + 80] for at in range(0, len(line), 80))
        return start + (self.damaged(line) if self.random.random() < 0.2 else line)

    # -- what a controller sends --------------------------------------------------------------------------------------

    def from_controller(self, expected: int) -> bytes:
        """Return what comes in at a node's terminal: a frame in parcels; ``expected`` is the number of the next parcel."""
        kind = self.random.choice((*Kind, 0, 255))
        order = self.random.choice((b'{"path": "x"}', b"command", *_LINES))
        recipe = self._recipe()
        body = self.random.choice((pieces.number(len(order)) + order + recipe, recipe, b"5", self.content()))
        flags = self.random.choice((0, 0, 0, 2, 255))
        if self.random.random() < 0.2:
            flags |= 1
            body = zlib.compress(bytes(20_000_000) if self.random.random() < 0.01 else body)
        content = struct.pack(">BBI", kind, flags, self.random.choice((0, 1, 2, 3, 2**32 - 1))) + body
        frame = struct.pack(">I", len(content)) + content + struct.pack(">I", zlib.crc32(content))
        if self.random.random() < 0.2:
            frame = self.damaged(frame)
        return b"".join(self._parcels(frame[: 60 * 1024], expected))

    def _recipe(self) -> bytes:
        out = b""
        for _step in range(self.random.randrange(6)):
            number = pieces.number(self.random.choice((0, 1, 2, 3, 2**31, 2**40)))
            literal = self.random.randbytes(self.random.randrange(80))
            step = self.random.choice((0, 0, 1, 2, 2, 3, 4, 5, 9))
            length = pieces.number(len(literal) if self.random.random() < 0.9 else self.random.choice(_NUMBERS))
            out += bytes([step]) + {0: length + literal, 2: number + length + literal}.get(step, number)
        return out

    def _parcels(self, frame: bytes, expected: int) -> collections.abc.Iterator[bytes]:
        for start in range(0, len(frame), 700):
            piece = frame[start : start + 700]
            number = expected if self.random.random() < 0.98 else self.random.choice(_NUMBERS) & 2**32 - 1
            if self.random.random() < 0.5:
                parcel = struct.pack(">xIH", number, len(piece)) + piece
            else:
                parcel = b"%d:%s\n" % (number, base64.b64encode(piece))
            yield self.damaged(parcel) if self.random.random() < 0.02 else parcel
            expected += 1

    # -- what a worker sends ------------------------------------------------------------------------------------------

    def from_worker(self) -> bytes:
        """Return a request to a broker."""
        values: tuple[t.Any, ...] = (None, True, 0, 1, -1, 2**40, 1.5, "", "x", [], {}, {"aws": {}, "settings": {}}, {"aws": 1})
        names = ("node", "command", "flags", "converses", "path", "size", "sha256")
        header: t.Any = {"operation": self.random.choice((*requests.MEMBERS, *values))}
        header |= {name: self.random.choice(values) for name in names if self.random.random() < 0.9}
        contents: tuple[t.Any, ...] = (header, header, header, [], 1, "x")
        data = requests.encode(self.random.choice(contents), self.random.randbytes(10))
        return self.damaged(data) if self.random.random() < 0.5 else data


_DAMAGES: tuple[t.Callable[[Malformed, bytes], bytes], ...] = (
    Malformed._flipped,
    Malformed._truncated,
    Malformed._longer,
    Malformed._numbered,
    Malformed._spliced,
    Malformed._left_alone,
)
