# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Run gpg in a home of its own that holds the given keys and nothing else. Runs on the node: Python 3.6."""

import os
import shutil
import subprocess
import tempfile
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._downloads.failures import DownloadError
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import Key, read_keys

_NO_GPG = (
    "There is no gpg on this machine, and signatures cannot be checked without it."
    " Install the package gpg (Debian family) or gnupg2 (RHEL family)."
)


class Keyring:
    """A throw-away home; leaving the ``with`` block removes it."""

    def __init__(self, texts: "t.Sequence[str]") -> None:
        self._home = tempfile.mkdtemp(prefix="fleet.ssm-gpg-")
        try:
            self._import(texts)
            self.keys: "list[Key]" = read_keys(self._gpg("--with-colons", "--list-keys").decode("utf-8", "replace"))
        except BaseException:
            self.close()
            raise

    def verify(self, signature: str, file: str) -> str:
        """Return gpg's status words on a detached signature; its exit code says no more than they do."""
        return self._gpg("--status-fd", "1", "--verify", signature, file).decode("utf-8", "replace")

    def close(self) -> None:
        """Remove the home."""
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> "Keyring":
        return self

    def __exit__(self, kind: t.Any, error: t.Any, where: t.Any) -> None:
        self.close()

    def _import(self, texts: "t.Sequence[str]") -> None:
        for number, text in enumerate(texts, 1):
            said = self._gpg("--status-fd", "1", "--import", stdin=text.encode()).decode("utf-8", "replace")
            if "[GNUPG:] IMPORT_OK " not in said:
                sentence = "Key {0} of {1} is not a public key of OpenPGP. Give the text from BEGIN to END PGP PUBLIC KEY BLOCK."
                raise DownloadError(sentence.format(number, len(texts)))

    def _gpg(self, *arguments: str, **given: bytes) -> bytes:
        # No agent: there is no secret key, and one would outlive us. No trust database: what is in this home is trusted.
        command = ["--homedir", self._home, "--batch", "--no-tty", "--no-options", "--no-autostart", "--trust-model", "always"]
        environment = dict(os.environ, LC_ALL="C", GNUPGHOME=self._home)
        for program in ("gpg", "gpg2"):
            try:
                # Not run_command: there is no AnsibleModule on this layer.
                process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                    [program, *command, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                )
            except OSError:
                continue
            return process.communicate(given.get("stdin", b""))[0]
        raise DownloadError(_NO_GPG)
