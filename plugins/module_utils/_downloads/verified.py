# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Get a file together with its signature, and let nothing through whose signature does not hold. Runs on the node: Python 3.6."""

import os
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._downloads import transfer
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.failures import DownloadError
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.keyring import Keyring
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.signatures import RefusedError, Verdict, judge


class Wanted(t.NamedTuple):
    """What is to be had, and whose signature counts: ``keys`` are texts, ``fingerprints`` leaves only those of them."""

    url: str
    signature_url: str
    keys: "t.Sequence[str]"
    fingerprints: "t.Sequence[str]" = ()
    accept_expired_key: bool = False


class SignatureError(DownloadError):
    """The signature does not hold; ``key_id`` names the key that made it, if known."""

    def __init__(self, sentence: str, key_id: str) -> None:
        super().__init__(sentence)
        self.key_id = key_id


class VerifiedSource:
    """One signed file to be had; ``folder`` is a temporary one of the caller's."""

    def __init__(self, wanted: Wanted, route: transfer.Route, folder: str) -> None:
        self._wanted = wanted
        self._route = route
        self._signature = os.path.join(folder, "signature")
        transfer.load(wanted.signature_url, self._signature, route)

    def holds(self, path: str) -> "Verdict | None":
        """Return the verdict on a file that is there already, or nothing when it is another one."""
        try:
            return self._judge(path)
        except SignatureError:
            return None

    def load(self, path: str) -> Verdict:
        """Load the file to a path; if its signature does not hold it is removed and SignatureError raised."""
        try:
            transfer.load(self._wanted.url, path, self._route)
            return self._judge(path)
        except BaseException:
            if os.path.exists(path):
                os.unlink(path)
            raise

    def _judge(self, path: str) -> Verdict:
        wanted = self._wanted
        with Keyring(wanted.keys) as keyring:
            status = keyring.verify(self._signature, path)
            try:
                return judge(status, keyring.keys, wanted.fingerprints, wanted.accept_expired_key, time.time())
            except RefusedError as refused:
                sentence = "The signature of {0} does not hold: {1}. The file was thrown away. {2}"
                raise SignatureError(sentence.format(wanted.url, refused, refused.advice), refused.key_id) from refused
