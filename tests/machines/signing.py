# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away keys that sign packages: one that is valid, one that has expired, any number of others."""

from __future__ import annotations

import pathlib
import re
import subprocess
import types

# Times of gpg alone; no clock is set.
_PAST = "20240101T000000!"


class Signer:
    """A key in a folder of its own; with ``expired`` it signs as it did while it was valid."""

    def __init__(self, folder: pathlib.Path, expired: bool = False, lifetime: str = "1y") -> None:
        # Below it is a socket, whose path must be short.
        self._home = folder
        folder.mkdir(mode=0o700)
        self._time = [f"--faked-system-time={_PAST}"] if expired else []
        lifetime = "30d" if expired else lifetime
        self._gpg("--quick-generate-key", "SSM Agent <ssm-agent-signer@example.com>", "rsa2048", "sign", lifetime)
        self.public_key = self._gpg("--armor", "--export").decode()
        self.fingerprint = re.findall(r"^fpr:+([0-9A-F]{40}):", self._gpg("--with-colons", "--list-keys").decode(), re.MULTILINE)[0]

    def sign(self, content: bytes) -> bytes:
        """Return a detached signature."""
        return self._gpg("--detach-sign", stdin=content)

    def close(self) -> None:
        """End the agent of this key."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "gpg-agent"], check=False)

    def __enter__(self) -> Signer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: types.TracebackType | None) -> None:
        self.close()

    def _gpg(self, *arguments: str, stdin: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self._home), "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback"]
        command += ["--passphrase", "", *self._time, *arguments]
        return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout
