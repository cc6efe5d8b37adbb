# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do about a failure follows from its status, its exit code and what was printed."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._executions.advice import TABLE, remedy


@pytest.mark.parametrize(
    ("status", "code", "text", "words"),
    [
        ("Undeliverable", -1, "", "never reached the node"),
        ("ExecutionTimedOut", 137, "", "executionTimeout"),
        ("Failed", 1, "User: x is not authorized to perform: s3:GetObject on resource", "Allow s3:GetObject"),
        ("Failed", 100, "E: Could not get lock /var/lib/dpkg/lock-frontend", "package manager"),
        ("Failed", 1, "write: No space left on device", "disk"),
        ("Failed", 6, "curl: (6) Could not resolve host: example.com", "name resolution"),
        ("Failed", 60, "x509: certificate signed by unknown authority", "certificate"),
        ("Failed", 7, "dial tcp 10.0.0.1:443: i/o timeout", "no way"),
        ("Failed", 1, "An error occurred (AccessDenied) when calling GetObject", "bucket"),
        ("Failed", 127, "nothing", "find a program"),
        ("Failed", 137, "Killed", "memory"),
        ("Failed", 194, "", "reboot"),
        ("TimedOut", None, "", "timeoutSeconds"),
        ("Failed", 3, "something else", "See its output"),
        ("Failed", None, "", "See its output"),
    ],
)
def test_the_remedy_fits(status: str, code: int | None, text: str, words: str) -> None:
    assert words in remedy(status, code, text)


def test_a_text_tells_more_than_an_exit_code() -> None:
    assert "disk" in remedy("Failed", 127, "No space left on device")


def test_every_advice_asks_for_something() -> None:
    assert [advice for advice in TABLE if not (advice.statuses or advice.codes or advice.text)] == []
