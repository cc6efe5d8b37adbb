# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module verified_download, with a real gpg and real TLS."""

from __future__ import annotations

import collections.abc
import http
import os
import pathlib
import socket
import subprocess
import typing as t

import pytest
from ansible.module_utils import basic
from ansible_collections.fleet.ssm.plugins.modules import verified_download

from tests.machines import prerequisites
from tests.machines.bucket import Bucket
from tests.machines.signing import Signer
from tests.unit.plugins.modules.connect_proxy import ConnectProxy

_CONTENT = b"what is to be had\n" * 50_000
_FILE, _SIGNATURE = "/tool.bin", "/tool.bin.sig"


class Signers(t.NamedTuple):
    good: Signer
    other: Signer
    expired: Signer
    ending: Signer


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[Signers]:
    reason = prerequisites.missing_of({"gpg": "gpg"})
    if reason:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("k")
    with (
        Signer(folder / "g") as good,
        Signer(folder / "o") as other,
        Signer(folder / "e", expired=True) as expired,
        Signer(folder / "n", lifetime="20d") as ending,
    ):
        yield Signers(good, other, expired, ending)


@pytest.fixture
def bucket(tmp_path: pathlib.Path) -> collections.abc.Iterator[Bucket]:
    with Bucket(socket.create_server(("127.0.0.1", 0)), tmp_path, ("localhost", "files.example.com")) as serving:
        yield serving


class Place:
    """The server, and a folder for the file."""

    def __init__(self, bucket: Bucket, signers: Signers, tmp_path: pathlib.Path, run: t.Callable[..., t.Any]) -> None:
        self.content = bucket.content
        self.content.files = {_FILE: _CONTENT, _SIGNATURE: signers.good.sign(_CONTENT)}
        self.port = bucket.port
        self.folder = tmp_path / "folder"
        self.folder.mkdir()
        self.dest = self.folder / "tool"
        self._options = {
            "url": f"https://localhost:{bucket.port}{_FILE}",
            "dest": str(self.dest),
            "keys": [signers.good.public_key],
            "ca_bundle": str(tmp_path / "ca.pem"),
        }
        self._run = run

    def get(self, check_mode: bool = False, **options: t.Any) -> t.Any:
        return self._run(verified_download.main, check_mode=check_mode, **{**self._options, **options})

    def refused(self, **options: t.Any) -> str:
        """Return why it failed, once it is sure that nothing is left; a check must have failed the same way."""
        before = self.contents()
        checked = self.get(check_mode=True, **options)
        result = self.get(**options)
        assert result["failed"]
        assert checked["msg"] == result["msg"]
        assert self.contents() == before
        return str(result["msg"])

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def place(bucket: Bucket, signers: Signers, tmp_path: pathlib.Path, run: t.Callable[..., t.Any]) -> Place:
    return Place(bucket, signers, tmp_path, run)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warned of; in this process, newer releases of ansible-core would show it at once."""
    said: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _self, warning: said.append(warning))
    return said


def test_a_file_with_a_good_signature_is_kept(place: Place, signers: Signers) -> None:
    result = place.get()
    assert result["changed"]
    assert place.contents() == {"tool": _CONTENT}
    assert result["fingerprint"] == signers.good.fingerprint
    assert result["dest"] == str(place.dest)
    assert result["key_expires"] > result["signed"]


def test_a_file_that_is_there_is_not_downloaded_again(place: Place) -> None:
    place.get()
    place.content.asked.clear()
    assert not place.get()["changed"]
    assert place.content.asked == [_SIGNATURE]


def test_another_file_is_replaced(place: Place) -> None:
    place.dest.write_bytes(b"another version")
    assert place.get()["changed"]
    assert place.contents() == {"tool": _CONTENT}


def test_a_check_says_what_would_be_and_leaves_nothing(place: Place) -> None:
    assert place.get(check_mode=True)["changed"]
    assert place.contents() == {}
    place.get()
    assert not place.get(check_mode=True)["changed"]


def test_the_file_gets_the_rights_of_a_new_file(place: Place) -> None:
    place.get()
    other = place.folder / "other"
    other.touch()
    assert place.dest.stat().st_mode == other.stat().st_mode


def test_a_changed_file_is_refused(place: Place) -> None:
    place.content.tamper(_FILE)
    message = place.refused()
    assert "was changed after it was signed" in message
    assert message.endswith("The file was thrown away. Run it again; if it stays so, ask the publisher of the file.")


def test_a_refused_file_leaves_the_one_that_was_there(place: Place) -> None:
    place.dest.write_bytes(b"an older version")
    place.content.tamper(_FILE)
    place.refused()
    assert place.contents() == {"tool": b"an older version"}


def test_the_signature_of_another_key_is_refused(place: Place, signers: Signers) -> None:
    place.content.files[_SIGNATURE] = signers.other.sign(_CONTENT)
    message = place.refused()
    assert "which is none of the given ones" in message
    assert message.endswith("See which key the publisher signs with, and add that to the keys.")
    assert signers.other.fingerprint[-16:] in message


def test_a_key_that_is_not_among_the_fingerprints_is_refused(place: Place, signers: Signers) -> None:
    message = place.refused(keys=[signers.good.public_key, signers.other.public_key], fingerprints=[signers.other.fingerprint])
    assert "not among the fingerprints" in message


def test_fingerprints_may_be_written_with_spaces(place: Place, signers: Signers) -> None:
    fingerprint = signers.good.fingerprint.lower()
    assert place.get(fingerprints=[" ".join(fingerprint[at : at + 4] for at in range(0, 40, 4))])["changed"]


def test_an_expired_key_is_refused_though_gpg_ends_with_0(place: Place, signers: Signers) -> None:
    place.content.files[_SIGNATURE] = signers.expired.sign(_CONTENT)
    message = place.refused(keys=[signers.expired.public_key])
    assert f"the key {signers.expired.fingerprint} that made it expired on 2024-01-31" in message
    assert message.endswith("for an old file there is accept_expired_key.")


def test_an_expired_key_is_accepted_when_asked_for_and_warned_of(place: Place, signers: Signers, warnings: list[str]) -> None:
    place.content.files[_SIGNATURE] = signers.expired.sign(_CONTENT)
    result = place.get(keys=[signers.expired.public_key], accept_expired_key=True)
    assert result["changed"]
    assert result["signed"] == "2024-01-01"
    assert warnings == [f"The signature is of the key {signers.expired.fingerprint}, which expired on 2024-01-31."]


def test_a_key_that_expires_soon_is_warned_of(place: Place, signers: Signers, warnings: list[str]) -> None:
    place.content.files[_SIGNATURE] = signers.ending.sign(_CONTENT)
    place.get(keys=[signers.ending.public_key])
    assert [f"The key {signers.ending.fingerprint} expires in 19 days" in warning for warning in warnings] == [True]


def test_a_key_that_is_good_for_long_is_not_warned_of(place: Place, warnings: list[str]) -> None:
    place.get()
    assert warnings == []


def test_what_is_no_signature_is_refused(place: Place) -> None:
    place.content.files[_SIGNATURE] = b"<html>log in first</html>"
    assert "it is not a signature" in place.refused()


def test_a_text_that_is_no_key_is_told(place: Place) -> None:
    assert "Key 1 of 1 is not a public key" in place.refused(keys=["ssh-ed25519 AAAA"])


@pytest.mark.parametrize("path", [_FILE, _SIGNATURE])
@pytest.mark.parametrize("status", [http.HTTPStatus.NOT_FOUND, http.HTTPStatus.FORBIDDEN])
def test_a_missing_file_is_told_by_its_url(place: Place, path: str, status: http.HTTPStatus) -> None:
    place.content.refused[path] = status
    message = place.refused()
    assert f"There is no https://localhost:{place.port}{path} (HTTP {status.value})" in message
    assert "Check version, region and architecture" in message


def test_a_failing_server_is_told(place: Place) -> None:
    place.content.refused[_FILE] = http.HTTPStatus.SERVICE_UNAVAILABLE
    assert "HTTP 503" in place.refused()


@pytest.mark.parametrize("length", [0, 1, 600_000])
def test_a_cut_transfer_is_told_and_nothing_kept(place: Place, length: int) -> None:
    place.content.cut[_FILE] = length
    assert "was cut off before its end" in place.refused()


def test_an_unknown_authority_is_told(place: Place, tmp_path: pathlib.Path) -> None:
    assert "is not trusted" in place.refused(ca_bundle=_other_authority(tmp_path))


def _other_authority(tmp_path: pathlib.Path) -> str:
    from tests.emulator.certificates import Certificates

    folder = tmp_path / "other-authority"
    folder.mkdir()
    return str(Certificates(folder).authority)


def test_a_refused_connection_is_told_with_what_to_check(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    message = place.refused(url=f"https://localhost:{port}/x")
    assert f"https://localhost:{port}/x.sig cannot be reached" in message
    assert "Connection refused" in message


def test_a_server_that_says_nothing_does_not_hold_it_up(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = place.refused(url=f"http://localhost:{silent.getsockname()[1]}/x", timeout=1)
    assert "timed out" in message


def test_a_proxy_is_gone_through(place: Place) -> None:
    with ConnectProxy(place.port) as proxy:
        assert place.get(url=f"https://files.example.com{_FILE}", proxy={"https": proxy.url})["changed"]
        assert proxy.asked == ["files.example.com:443"] * 2
    assert proxy.url not in os.environ.values()


def test_a_name_that_needs_no_proxy_is_reached_without_one(place: Place) -> None:
    with ConnectProxy(place.port) as proxy:
        assert place.get(proxy={"https": proxy.url, "no": "localhost"})["changed"]
        assert proxy.asked == []


def test_the_environments_proxy_holds_when_none_is_given(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with ConnectProxy(place.port) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        assert place.get(url=f"https://files.example.com{_FILE}")["changed"]
        assert len(proxy.asked) == 2


def test_a_missing_folder_is_told(place: Place) -> None:
    assert "There is no folder" in place.refused(dest=str(place.folder / "none" / "tool"))


def test_a_folder_as_the_file_is_told(place: Place) -> None:
    assert "give the path of the file" in place.refused(dest=str(place.folder))


def test_a_missing_gpg_is_told_with_its_package(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "Install the package gpg" in place.refused()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_and_nothing_kept(place: Place) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place.folder)], check=True)
    try:
        result = place.get()
        assert "The disk is full" in result["msg"]
        assert place.contents() == {}
    finally:
        subprocess.run(["umount", str(place.folder)], check=True)


def test_no_key_ring_is_left(place: Place, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    place.get()
    place.get(check_mode=True)
    assert list(temporary.iterdir()) == []
