# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The key with which AWS signs the CloudWatch agent, known by its fingerprint. Runs on the node: Python 3.6.

Its text comes from AWS's bucket. Whoever can put another one there gains nothing: gpg computes the fingerprint of the key itself.
Source: "Verifying the signature of the CloudWatch agent package" in the user guide of Amazon CloudWatch.
"""

import base64
import textwrap

FINGERPRINT = "937616F3450B7D806CBD9725D58167303B789C72"

_BEGIN = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_ARMOUR = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{0}\n={1}\n-----END PGP PUBLIC KEY BLOCK-----\n"


def text(content: bytes) -> str:
    """Return a public key as a text, whether its file has it armoured or not."""
    if _BEGIN in content:
        return content.decode("ascii", "replace")
    return _ARMOUR.format("\n".join(textwrap.wrap(_base64(content), 64)), _base64(_checksum(content)))


def describe(key_id: str) -> str:
    """Say that an id or fingerprint names AWS's key, or nothing if it names another."""
    return "AWS's key for the CloudWatch agent" if key_id and FINGERPRINT.endswith(key_id.upper()) else ""


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _checksum(content: bytes) -> bytes:
    # RFC 4880, 6.1: gpg refuses an armour without it.
    checksum = 0xB704CE
    for byte in content:
        checksum ^= byte << 16
        for _bit in range(8):
            checksum <<= 1
            if checksum & 0x1000000:
                checksum ^= 0x1864CFB
    return (checksum & 0xFFFFFF).to_bytes(3, "big")
