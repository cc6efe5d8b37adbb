# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts lists into pages with tokens that are opaque to clients and good for one operation only."""

from __future__ import annotations

import base64
import binascii
import collections.abc
import json
import typing as t

from .answers import ApiError

Item = t.TypeVar("Item")


def page(
    items: collections.abc.Sequence[Item], operation: str, size: int, token: str | None, bad_token: str = "InvalidNextToken"
) -> tuple[list[Item], str | None]:
    """Return one page and the token of the next, None when this is the last."""
    start = _position(operation, token, bad_token) if token else 0
    end = start + size
    return list(items[start:end]), _token(operation, end) if end < len(items) else None


def _token(operation: str, position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([operation, position]).encode()).decode()


def _position(operation: str, token: str, bad_token: str) -> int:
    try:
        made_for, position = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, binascii.Error) as error:
        raise ApiError(bad_token, "The specified token is not valid.") from error
    if made_for != operation:
        raise ApiError(bad_token, "The specified token is not valid.")
    return int(position)
