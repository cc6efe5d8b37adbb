# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Session documents and preferences of the account's own, as long as a test needs them."""

from __future__ import annotations

import collections.abc
import contextlib
import json
import typing as t

from tests.integration.running_emulator import RunningEmulator

_PREFERENCES = "SSM-SessionManagerRunShell"


@contextlib.contextmanager
def session_document(emulator: RunningEmulator, name: str, **content: t.Any) -> collections.abc.Iterator[str]:
    """Have a document of type Session."""
    ssm = emulator.client("ssm")
    whole = {"schemaVersion": "1.0", "description": "", **content}
    ssm.create_document(Name=name, DocumentType="Session", DocumentFormat="JSON", Content=json.dumps(whole))
    try:
        yield name
    finally:
        ssm.delete_document(Name=name)


@contextlib.contextmanager
def preferences(emulator: RunningEmulator, **inputs: t.Any) -> collections.abc.Iterator[str]:
    """Have preferences, as the console saves them."""
    with session_document(emulator, _PREFERENCES, sessionType="Standard_Stream", inputs=inputs) as name:
        yield name
