# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What encrypts a session: the published vectors, round trips with another implementation, and what must not fit."""

from __future__ import annotations

import builtins
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import encryption
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.plugin_utils._session.agent_cipher import AgentCipher

_KEY = bytes(range(64))

# AES-256-GCM without additional data, test cases 13 to 15 of McGrew and Viega, "The Galois/Counter Mode of Operation (GCM)".
_CASE_15 = (
    "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
    "cafebabefacedbaddecaf888",
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
    "b094dac5d93471bdec1a502270e3cc6c",
)
_VECTORS = [
    ("00" * 32, "00" * 12, "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
    ("00" * 32, "00" * 12, "00" * 16, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    _CASE_15,
]


@pytest.mark.parametrize(("key", "nonce", "plain", "sealed", "tag"), _VECTORS)
def test_a_payload_is_nonce_cipher_text_and_tag(key: str, nonce: str, plain: str, sealed: str, tag: str) -> None:
    payload = bytes.fromhex(nonce + sealed + tag)
    sends = encryption.SessionCipher(bytes(32) + bytes.fromhex(key), bytes.fromhex(nonce))
    receives = encryption.SessionCipher(bytes.fromhex(key) + bytes(32))
    assert sends.encrypt(bytes.fromhex(plain)) == payload
    assert receives.decrypt(payload) == bytes.fromhex(plain)


@given(st.binary(min_size=64, max_size=64), st.lists(st.binary(max_size=2000), max_size=5))
def test_what_we_encrypt_an_agent_reads_and_what_it_encrypts_we_read(key: bytes, messages: list[bytes]) -> None:
    ours, agent = encryption.SessionCipher(key), AgentCipher(key)
    assert [agent.decrypt(ours.encrypt(message)) for message in messages] == messages
    assert [ours.decrypt(agent.encrypt(message)) for message in messages] == messages


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_changed_bit_anywhere_is_noticed(message: bytes, data: st.DataObject) -> None:
    payload = bytearray(AgentCipher(_KEY).encrypt(message))
    place = data.draw(st.integers(0, 8 * len(payload) - 1))
    payload[place // 8] ^= 1 << place % 8
    with pytest.raises(encryption.Undecryptable):
        encryption.SessionCipher(_KEY).decrypt(bytes(payload))


@given(st.binary(max_size=27))
def test_what_is_too_short_for_nonce_and_tag_is_undecryptable(payload: bytes) -> None:
    with pytest.raises(encryption.Undecryptable, match=f"{len(payload)} bytes do not fit"):
        encryption.SessionCipher(_KEY).decrypt(payload)


def test_our_own_messages_do_not_pass_for_the_agents() -> None:
    cipher = encryption.SessionCipher(_KEY)
    with pytest.raises(encryption.Undecryptable):
        cipher.decrypt(cipher.encrypt(b"mirrored"))


def test_no_nonce_is_used_twice_not_even_past_the_last_one() -> None:
    cipher = encryption.SessionCipher(_KEY, b"\xff" * 12)
    nonces = [cipher.encrypt(b"x")[:12] for _message in range(3)]
    assert nonces == [b"\xff" * 12, bytes(12), b"\x01" + bytes(11)]


def test_two_sessions_begin_with_different_nonces() -> None:
    assert encryption.SessionCipher(_KEY).encrypt(b"")[:12] != encryption.SessionCipher(_KEY).encrypt(b"")[:12]


def test_a_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a data key has 64 bytes, not 32"):
        encryption.SessionCipher(bytes(32))


def test_the_context_names_session_target_and_a_challenge_if_there_is_one() -> None:
    known = {"aws:ssm:SessionId": "session", "aws:ssm:TargetId": "mi-1"}
    assert encryption.context("session", "mi-1", "") == known
    assert encryption.context("session", "mi-1", "drawn") == {**known, "aws:ssm:RandomChallenge": "drawn"}


def test_a_missing_library_is_told_and_not_needed_by_sessions_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_cryptography(name: str, *arguments: t.Any, **keywords: t.Any) -> t.Any:
        if name.startswith("cryptography"):
            raise ImportError("No module named 'cryptography'")
        return real_import(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_cryptography)
    with pytest.raises(encryption.Unsupported, match="cryptography"):
        encryption.SessionCipher(_KEY)
