# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS's key for the CloudWatch agent, as its file may be written."""

from __future__ import annotations

import base64
import subprocess

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import signing_key
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.keyring import Keyring

from tests.machines import prerequisites
from tests.machines.signing import Signer


@pytest.mark.parametrize("armoured", [True, False])
def test_a_key_is_a_text_whether_its_file_is_armoured_or_not(armoured: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    reason = prerequisites.missing_of({"gpg": "gpg"})
    if reason:
        pytest.skip(reason)
    with Signer(tmp_path_factory.mktemp("k") / "k") as signer:
        content = signer.public_key.encode()
        if not armoured:
            content = subprocess.run(["gpg", "--dearmor"], input=content, check=True, capture_output=True).stdout
        with Keyring([signing_key.text(content)]) as keyring:
            assert [key.fingerprint for key in keyring.keys] == [signer.fingerprint]


def test_bytes_that_are_no_key_are_left_to_gpg_to_refuse() -> None:
    text = signing_key.text(b"\xff\x00")
    assert base64.b64encode(b"\xff\x00").decode() in text


def test_the_fingerprint_is_known_by_its_end() -> None:
    assert len(signing_key.FINGERPRINT) == 40
    assert signing_key.describe("d58167303b789c72") == "AWS's key for the CloudWatch agent"
    assert signing_key.describe("0000000000000000") == ""
    assert signing_key.describe("") == ""
