# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of AWS that the collection carries."""

from __future__ import annotations

import datetime
import re

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import signing_keys
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.keyring import Keyring
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import day

from tests.machines import prerequisites


def test_each_text_is_the_key_whose_fingerprint_and_end_are_written_beside_it() -> None:
    reason = prerequisites.missing_of({"gpg": "gpg"})
    if reason:
        pytest.skip(reason)
    for key in (key for key in signing_keys.SIGNING_KEYS if key.text):
        with Keyring([key.text]) as keyring:
            assert [(known.fingerprint, day(known.expires)) for known in keyring.keys] == [(key.fingerprint, key.ends)]


def test_the_newest_key_has_its_text() -> None:
    newest = max(signing_keys.SIGNING_KEYS, key=lambda key: key.ends)
    assert newest.text in signing_keys.texts()


def test_each_key_follows_the_one_before() -> None:
    dates = [(key.begins, key.ends) for key in signing_keys.SIGNING_KEYS]
    assert dates == sorted(dates)
    assert all(re.fullmatch(r"[0-9A-F]{40}", key.fingerprint) for key in signing_keys.SIGNING_KEYS)
    assert all(datetime.date.fromisoformat(key.ends) for key in signing_keys.SIGNING_KEYS)


def test_a_key_is_known_by_the_end_of_its_fingerprint() -> None:
    assert signing_keys.describe("bc1f495c97dd04ed") == "AWS's key of 2023-08 to 2025-02-17"
    assert signing_keys.describe("0000000000000000") == ""
    assert signing_keys.describe("") == ""
