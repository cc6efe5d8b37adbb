# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what comes from the controller and write what goes there: parcels, frames, recipes.

Pure. The other side is ``_session/parcels.py``, ``_session/frames.py`` and ``_session/pieces.py``. What goes out is ASCII, a line a
frame, because the agent passes all output through a UTF-8 filter. What comes in is a stream of frames in numbered parcels, because
the agent may write a parcel twice; ``_session/parcels.py`` has their layout.

======================  =====================================================================
``<`` base64 ``\\n``      a frame to the controller: content, CRC-32
length, …               a frame to the node: 4 byte length of the content, content, CRC-32
content                 kind, flags (see below), 4 byte request id, body
body, PLACED            8 byte position in the request's stream, then what it is without the flag
======================  =====================================================================
"""

import base64
import struct
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

EXEC, DATA, PUT, GET, CANCEL, CREDIT = 1, 2, 3, 4, 5, 6
HELLO, STDOUT, STDERR, EXIT, RESULT, DONE, FAIL, DOWNLOAD, SIZE = 32, 33, 34, 35, 36, 37, 38, 39, 40
COMPRESSED, LAST, WARM, TERMINAL, PLACED = 1, 2, 4, 8, 32
LITERAL, REFERENCE, REMEMBER, BASE64_BEGIN, BASE64_END, FORGET = range(6)

LONGEST_LINE = 64 * 1024
MOST_AHEAD = 4096
LARGEST_PARCEL = 1024
LARGEST_FRAME = 16 * 1024 * 1024
LARGEST_NUMBER = 5
MOST_HELD = 48 * 1024 * 1024
PROBE = 4096
WORTHWHILE = 0.95
HEADER = struct.Struct(">BBI")
NUMBER = struct.Struct(">I")
POSITION = struct.Struct(">Q")
PARCEL = struct.Struct(">xIH")


class ProtocolError(Exception):
    """The controller's bytes make no sense; the session is of no use any more."""


def read_number(data: bytes, at: int) -> "t.Tuple[int, int]":
    """Read an unsigned LEB128 number; return it and where the next byte is."""
    value = 0
    for place, byte in enumerate(data[at : at + LARGEST_NUMBER]):
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ProtocolError("a number does not end")


def count(data: bytes) -> int:
    """Read a number of bytes in digits."""
    if not data.isdigit() or len(data) > 20:
        raise ProtocolError("a count that is none")
    return int(data)


def armour(kind: int, request: int, body: bytes, flags: int = 0) -> bytes:
    """Return a frame to the controller as one line."""
    packed = compressed(body, 6)
    if packed is not None:
        body, flags = packed, flags | COMPRESSED
    return line(HEADER.pack(kind, flags, request) + body)


def compressed(body: bytes, level: int) -> "t.Optional[bytes]":
    """Return a body compressed, None where that is of no use; a long one is judged by its beginning."""
    if len(body) <= 64 or (len(body) > 4 * PROBE and len(zlib.compress(body[:PROBE], 1)) > WORTHWHILE * PROBE):
        return None
    packed = zlib.compress(body, level)
    return packed if len(packed) < len(body) else None


def line(content: bytes) -> bytes:
    """Return a frame's content as one line."""
    return b"<" + base64.b64encode(content + NUMBER.pack(zlib.crc32(content))) + b"\n"


def unpack(content: bytes) -> "t.Tuple[int, int, int, bytes]":
    """Check a frame's content; return kind, flags, request id and body."""
    if len(content) < HEADER.size + 4 or NUMBER.pack(zlib.crc32(content[:-4])) != content[-4:]:
        raise ProtocolError("a frame arrived damaged")
    kind, flags, request = HEADER.unpack_from(content)
    body = content[HEADER.size : -4]
    return kind, flags, request, inflated(body) if flags & COMPRESSED else body


def inflated(body: bytes) -> bytes:
    """Decompress a frame's body."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(body, LARGEST_FRAME)
    except zlib.error as error:
        raise ProtocolError("a frame cannot be decompressed: %s" % error) from None
    if not inflater.eof:
        raise ProtocolError("a frame does not end")
    return plain


class Parcels:
    """Put the parcels together to the stream that was sent."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.expected = 0
        self.ahead = {}  # type: t.Dict[int, bytes]

    def feed(self, data: bytes) -> "t.Iterator[bytes]":
        """Take bytes of the terminal and yield what they add to the stream."""
        self.buffer += data
        while self.buffer:
            parcel = self.binary() if self.buffer[0] == 0 else self.line()
            if parcel is None:
                return
            number, content = parcel
            if number >= self.expected:
                self.ahead[number] = content
            while self.expected in self.ahead:
                yield self.ahead.pop(self.expected)
                self.expected += 1
            if len(self.ahead) > MOST_AHEAD:
                raise ProtocolError("parcel %d did not arrive" % self.expected)

    def binary(self) -> "t.Optional[t.Tuple[int, bytes]]":
        """Return a binary parcel, None when more bytes must come."""
        if len(self.buffer) < PARCEL.size:
            return None
        number, length = PARCEL.unpack_from(self.buffer)
        if length > LARGEST_PARCEL:
            raise ProtocolError("a parcel of %d bytes" % length)
        end = PARCEL.size + length
        if len(self.buffer) < end:
            return None
        content = bytes(self.buffer[PARCEL.size : end])
        del self.buffer[:end]
        return number, content

    def line(self) -> "t.Optional[t.Tuple[int, bytes]]":
        """Return an armoured parcel, None when more bytes must come."""
        end = self.buffer.find(b"\n")
        if end < 0:
            if len(self.buffer) > LONGEST_LINE:
                raise ProtocolError("a line does not end")
            return None
        number, colon, text = bytes(self.buffer[:end]).partition(b":")
        del self.buffer[: end + 1]
        if not colon or not number.isdigit():
            # The command that started this program, written twice, or an empty line, which only breaks a silence.
            return -1, b""
        if len(number) > 10 or len(text) > 2 * LARGEST_PARCEL:
            raise ProtocolError("a parcel of %d bytes" % end)
        try:
            return int(number), base64.b64decode(text, validate=True)
        except ValueError as error:
            raise ProtocolError("a parcel is not base64: %s" % error) from None


class Decoder:
    """Cut the stream into frames."""

    def __init__(self) -> None:
        self.parcels = Parcels()
        self.buffer = bytearray()

    def feed(self, data: bytes) -> "t.Iterator[t.Tuple[int, int, int, bytes]]":
        """Take bytes of the terminal and yield the frames they complete."""
        for content in self.parcels.feed(data):
            self.buffer += content
            while len(self.buffer) >= NUMBER.size:
                length = NUMBER.unpack_from(self.buffer)[0]
                if length > LARGEST_FRAME:
                    raise ProtocolError("a frame of %d bytes" % length)
                end = NUMBER.size + length + NUMBER.size
                if len(self.buffer) < end:
                    break
                frame = bytes(self.buffer[NUMBER.size : end])
                del self.buffer[:end]
                yield unpack(frame)


class Pieces:
    """What a session remembers."""

    def __init__(self) -> None:
        self.known = {}  # type: t.Dict[int, bytes]
        self.held = 0

    def get(self, number: int) -> bytes:
        """Return a piece."""
        if number not in self.known:
            raise ProtocolError("piece %d is not known" % number)
        return self.known[number]

    def remember(self, number: int, content: bytes) -> bytes:
        """Keep a piece; return it."""
        self.held += len(content) - len(self.known.get(number, b""))
        if self.held > MOST_HELD:
            raise ProtocolError("more pieces than there is room for")
        self.known[number] = content
        return content

    def forget(self, number: int) -> None:
        """Let go of a piece."""
        self.held -= len(self.get(number))
        del self.known[number]


def expand(recipe: bytes, pieces: Pieces) -> bytes:
    """Return the bytes that a recipe stands for; what it names is remembered for the whole session."""
    out = []  # type: t.List[bytes]
    target = out
    at = size = 0
    while at < len(recipe):
        step = recipe[at]
        number, at = read_number(recipe, at + 1)
        content = b""
        if step == LITERAL:
            content, at = slice_of(recipe, at, number)
        elif step == REFERENCE:
            content = pieces.get(number)
        elif step == REMEMBER:
            length, at = read_number(recipe, at)
            content, at = slice_of(recipe, at, length)
            pieces.remember(number, content)
        elif step == BASE64_BEGIN:
            target = []
        elif step == BASE64_END:
            content = pieces.remember(number, base64.b64encode(b"".join(target)))
            target = out
        elif step == FORGET:
            pieces.forget(number)
        else:
            raise ProtocolError("unknown step %d in a recipe" % step)
        size += len(content)
        if size > 2 * LARGEST_FRAME:
            raise ProtocolError("a recipe for more than %d bytes" % size)
        target.append(content)
    return b"".join(out)


def slice_of(data: bytes, at: int, length: int) -> "t.Tuple[bytes, int]":
    """Return so many bytes, which must be there, and where the next one is."""
    if at + length > len(data):
        raise ProtocolError("%d bytes where %d should be" % (len(data) - at, length))
    return data[at : at + length], at + length
