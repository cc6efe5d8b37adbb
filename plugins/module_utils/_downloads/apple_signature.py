# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Say from what pkgutil(1) prints by whom a package was signed, and whether that will do. Runs on the node: Python 3.6."""

import re
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import RefusedError

# Of a developer whom Apple has given a certificate for software that is given away; all other states are less.
_GOOD = "signed by a developer certificate issued by Apple for distribution"
_STATUS = re.compile(r"^\s*Status: (.*?)\s*$", re.MULTILINE)
# The first certificate of the chain is the one that signed.
_SIGNER = re.compile(r"^\s*1\. (.*?)\s*$", re.MULTILINE)


def judge(code: int, output: str, signers: "t.Sequence[str]") -> str:
    """Return the signer when ``pkgutil --check-signature`` found a good signature of one of them; raises RefusedError."""
    status, signer = _first(_STATUS, output), _first(_SIGNER, output)
    if code or status != _GOOD:
        raise RefusedError("pkgutil says: {0}".format(status or "nothing (exit code {0})".format(code)))
    if signer not in signers:
        raise RefusedError("it was signed by {0}, who is none of the signers".format(signer or "nobody that pkgutil names"))
    return signer


def _first(pattern: "t.Pattern[str]", text: str) -> str:
    found = pattern.search(text)
    return found.group(1) if found else ""
