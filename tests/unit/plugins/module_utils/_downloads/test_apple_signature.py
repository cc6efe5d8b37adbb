# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose signature counts on macOS, by pkgutil's words."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._downloads import apple_signature, signatures

_SIGNER = "Developer ID Installer: Example Corp (ABCDE12345)"
_STATUS = "signed by a developer certificate issued by Apple for distribution"
_SAID = """Package "agent.pkg":
   Status: {status}
   Notarization: trusted by the Apple notary service
   Certificate Chain:
    1. {signer}
       Expires: 2027-06-28 22:57:06 +0000
       SHA256 Fingerprint:
           49 68 39 4A BA 83
       ------------------------------------------------------------------------
    2. Developer ID Certification Authority
"""


def _said(status: str = _STATUS, signer: str = _SIGNER) -> str:
    return _SAID.format(status=status, signer=signer)


def test_a_good_signature_of_one_of_the_signers_holds() -> None:
    assert apple_signature.judge(0, _said(), ["Somebody", _SIGNER]) == _SIGNER


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (1, 'Package "agent.pkg":\n   Status: no signature\n', "pkgutil says: no signature"),
        (0, _said("signed by untrusted certificate"), "signed by untrusted certificate"),
        (0, _said(_STATUS.replace("for distribution", "(Development)")), "Development"),
        (127, "", "nothing .exit code 127."),
        (1, _said(), _STATUS),
        (0, _said(signer="Developer ID Installer: Other (X)"), "signed by Developer ID Installer: Other"),
        (0, f"   Status: {_STATUS}\n", "nobody that pkgutil names"),
    ],
)
def test_anything_else_is_refused_with_what_pkgutil_says(code: int, said: str, words: str) -> None:
    with pytest.raises(signatures.RefusedError, match=words):
        apple_signature.judge(code, said, [_SIGNER])
