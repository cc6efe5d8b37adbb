# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Take secrets out of text that is shown to the user. Pure; runs on nodes, with Python 3.6."""

import re
import typing as t

_MOST = 300
_INSTEAD = "(secret)"

# What stays is group 1; what follows it is the secret.
_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        r"(\w+://)[^\s/@]+@",
        r"(proxy-authorization:\s*|authorization:\s*)[^\r\n]+",
        r"((?:secret_?access_?key|session_?token|private_?key|password|activation_?code|x-amz-security-token|x-amz-signature"
        r"|x-amz-credential|token_?value|secret)\"?\s*[=:]\s*\"?)[^\s\"&,}]+",
        r"((?:^|\s)-{1,2}(?:activation-)?code[\s=]+)\S+",
        r"()\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b",
        # Keys and session tokens are long and without blanks; host names, paths, ids and requests' UUIDs are shorter or have dots.
        r"()(?<![\w./+-])(?=[A-Za-z0-9+/=]*\d)(?=[A-Za-z0-9+/=]*[A-Za-z])[A-Za-z0-9+/]{40,}={0,2}(?![\w./+-])",
        r"(activation code[^A-Za-z0-9]+)[A-Za-z0-9+/]{20}\b",
    )
)


def redact(text: str) -> str:
    """Give the text with keys, tokens, passwords and activation codes blacked out, and cut to what fits a report."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: found.group(1) + _INSTEAD, text)
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"


def readable(content: "t.Union[bytes, str]") -> str:
    """Decode what a program wrote; bytes that are no UTF-8 become U+FFFD."""
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else content
