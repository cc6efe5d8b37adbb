# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""Make plain text of what PowerShell writes to standard error when that is no console: CLIXML.

Pure. A PowerShell that was started with ``-EncodedCommand`` writes ``#< CLIXML`` and a line of XML elements there, which hold
the text of errors and warnings, and progress that nobody wants to read. Characters that XML cannot hold stand in it as
``_xHHHH_``, one for each UTF-16 unit (MS-PSRP 2.2.5.3.2). Ansible's own connections do the same with code that each of its
versions has in another place.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

_BLOCK = re.compile(rb"#< CLIXML\r?\n((?:\s*(?:#< CLIXML\r?\n)?<Objs .*?</Objs>)+)(?:\r?\n)?", re.DOTALL)
_ELEMENT = re.compile(rb"<Objs .*?</Objs>", re.DOTALL)
_ESCAPED = re.compile(r"(?:_x[0-9A-Fa-f]{4}_)+")
_SILENT = frozenset({"progress", "information"})


def plain(stderr: bytes) -> bytes:
    """Return standard error with the text of its CLIXML in place of it; what cannot be read stays as it is."""
    return _BLOCK.sub(_text_of_block, stderr)


def _text_of_block(found: re.Match[bytes]) -> bytes:
    try:
        texts = [_text(element) for element in _ELEMENT.findall(found[1])]
    except (ElementTree.ParseError, UnicodeError):
        return found[0]
    return "\r\n".join(filter(None, texts)).encode(errors="surrogatepass")


def _text(element: bytes) -> str:
    # Of a console that does not write UTF-8, which every byte is a character of.
    try:
        content = element.decode()
    except UnicodeDecodeError:
        content = element.decode("cp437")
    strings = (child for child in ElementTree.fromstring(content) if child.tag.rpartition("}")[2] == "S")  # noqa: S314
    return "".join(_unescaped(child.text or "") for child in strings if child.get("S", "").lower() not in _SILENT)


def _unescaped(text: str) -> str:
    def units(run: re.Match[str]) -> str:
        return bytes.fromhex(run[0].replace("_", "").replace("x", "")).decode("utf-16-be", "surrogatepass")

    return _ESCAPED.sub(units, text)
