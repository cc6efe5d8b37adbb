# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What status words of gpg are worth."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import Key, RefusedError, day, judge, read_keys

_DAY = 86400
_FINGERPRINT = "1C5B395CBE5E74E2F1CA21592784DBF388D19D46"
_SUBKEY = "A" * 40
_SIGNED, _EXPIRES = 1_000 * _DAY, 1_500 * _DAY
_KEYS = [Key(_FINGERPRINT, _EXPIRES)]


def _status(*words: str, signed: int = _SIGNED) -> str:
    valid = f"VALIDSIG {_SUBKEY} 2026-01-01 {signed} 0 4 0 1 8 00 {_FINGERPRINT}"
    return "\n".join(f"[GNUPG:] {valid if word == 'VALIDSIG' else word}" for word in words)


def test_a_good_signature_is_told_by_its_primary_key() -> None:
    verdict = judge(_status("NEWSIG", "GOODSIG 2784 SSM", "VALIDSIG"), _KEYS, [], False, _SIGNED)
    assert (verdict.fingerprint, verdict.expires, verdict.signed, verdict.warnings) == (_FINGERPRINT, _EXPIRES, _SIGNED, [])


@pytest.mark.parametrize(
    "words",
    [
        ("BADSIG 2784DBF388D19D46 SSM",),
        ("GOODSIG 2784 SSM", "VALIDSIG", "BADSIG 2784 SSM"),
        ("REVKEYSIG 2784 SSM", "VALIDSIG"),
        ("EXPSIG 2784 SSM", "VALIDSIG"),
        ("EXPKEYSIG 2784 SSM", "VALIDSIG"),
        ("ERRSIG 2784 1 8 00 1 9 -", "NO_PUBKEY 2784"),
        ("NODATA 4",),
        ("GOODSIG 2784 SSM",),
        ("VALIDSIG",),
        (),
    ],
)
def test_nothing_else_is_good(words: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError):
        judge(_status(*words), _KEYS, [], False, _SIGNED)


def test_words_that_a_signer_wrote_into_their_name_do_not_count() -> None:
    with pytest.raises(RefusedError):
        judge(f"gpg: [GNUPG:] GOODSIG x\ngpg: {_status('VALIDSIG')}", _KEYS, [], False, _SIGNED)


def test_an_expired_key_can_be_accepted_for_what_it_signed_before() -> None:
    status = _status("EXPKEYSIG 2784 SSM", "VALIDSIG")
    assert "expired on" in judge(status, _KEYS, [], True, _EXPIRES + 1).warnings[0]
    late = _status("EXPKEYSIG 2784 SSM", "VALIDSIG", signed=_EXPIRES)
    with pytest.raises(RefusedError, match="made after that"):
        judge(late, _KEYS, [], True, _EXPIRES + 1)


def test_a_key_is_warned_of_sixty_days_before_its_end() -> None:
    status = _status("GOODSIG 2784 SSM", "VALIDSIG")
    assert judge(status, _KEYS, [], False, _EXPIRES - 60 * _DAY).warnings == []
    assert "in 59 days" in judge(status, _KEYS, [], False, _EXPIRES - 60 * _DAY + 1).warnings[0]


def test_a_key_that_never_ends_is_not_warned_of() -> None:
    assert judge(_status("GOODSIG 2784 SSM", "VALIDSIG"), [Key(_FINGERPRINT, None)], [], False, _EXPIRES).warnings == []


def test_keys_are_read_without_their_subkeys() -> None:
    listing = f"pub:-:4096:1:2784:1:{_EXPIRES}::-:\nfpr:::::::::{_FINGERPRINT}:\nsub:-:4096:1:AAAA:1:::\nfpr:::::::::{_SUBKEY}:\n"
    assert read_keys(listing) == _KEYS


def test_days_are_those_of_utc() -> None:
    assert day(0) == "1970-01-01"
    assert day(None) is None
