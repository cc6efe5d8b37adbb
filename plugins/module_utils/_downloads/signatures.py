# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Judge what gpg says of a signature by its status words. Runs on the node: Python 3.6.

Source: doc/DETAILS of GnuPG. The exit code alone is not enough: it is 0 for a signature of a key that has expired (EXPKEYSIG).
"""

import datetime
import typing as t

WARN_DAYS = 60
_PREFIX = "[GNUPG:] "
_DAY = 86400

_AGAIN = "Run it again; if it stays so, ask the publisher of the file."
_OTHER_KEY = "See which key the publisher signs with, and add that to the keys."
_OLD = "See which key the publisher signs with now; for an old file there is accept_expired_key."

# Words that end it, what they mean, and what to do. They are looked for before any that say yes.
_REFUSALS = (
    ("BADSIG", "the file was changed after it was signed, or the signature is another file's", _AGAIN),
    ("REVKEYSIG", "the key {0} that made it was revoked", _OTHER_KEY),
    ("EXPSIG", "it has expired itself", _AGAIN),
    ("NODATA", "it is not a signature", _AGAIN),
    ("NO_PUBKEY", "it was made with the key {0}, which is none of the given ones", _OTHER_KEY),
    ("ERRSIG", "gpg cannot check it", _AGAIN),
)


class Key(t.NamedTuple):
    """A key as gpg lists it; ``expires`` in seconds since 1970, None for never."""

    fingerprint: str
    expires: "int | None"


class Verdict(t.NamedTuple):
    """A signature that holds: by which key, when it was made (seconds since 1970), and what to warn of."""

    fingerprint: str
    expires: "int | None"
    signed: int
    warnings: "list[str]"


class RefusedError(Exception):
    """A signature does not hold: why, what to do, and the id of the key that made it, if known."""

    def __init__(self, reason: str, advice: str = _AGAIN, key_id: str = "") -> None:
        super().__init__(reason)
        self.advice = advice
        self.key_id = key_id


def read_keys(listing: str) -> "list[Key]":
    """Read ``gpg --with-colons --list-keys``: primary keys only."""
    keys = []  # type: t.List[Key]
    expires = None  # type: t.Optional[int]
    primary = False
    for fields in (line.split(":") for line in listing.splitlines()):
        if fields[0] in ("pub", "sub"):
            primary = fields[0] == "pub"
            expires = int(fields[6]) if fields[6] else None
        elif fields[0] == "fpr" and primary:
            keys.append(Key(fields[9], expires))
    return keys


def judge(status: str, keys: "list[Key]", fingerprints: "t.Sequence[str]", accept_expired_key: bool, now: float) -> Verdict:
    """Return the verdict on one signature, or raise RefusedError.

    ``fingerprints`` leaves of the keys only those, when it is not empty. An expired key is accepted only when asked for, and only
    for a signature that says it was made before.
    """
    words = _words(status)
    for word, meaning, advice in _REFUSALS:
        if word in words:
            key_id = words[word][0] if words[word] else ""
            raise RefusedError(meaning.format(key_id), advice, key_id)
    valid = words.get("VALIDSIG")
    if valid is None or not ("GOODSIG" in words or "EXPKEYSIG" in words):
        raise RefusedError("gpg did not say that it is good")
    # The last field is the primary key; the first may be a subkey.
    fingerprint, signed = valid[-1], int(valid[2])
    if fingerprints and fingerprint not in [name.replace(" ", "").upper() for name in fingerprints]:
        reason = "it was made with the key {0}, which is not among the fingerprints".format(fingerprint)
        raise RefusedError(reason, _OTHER_KEY, fingerprint)
    expires = dict(keys).get(fingerprint)
    if "EXPKEYSIG" in words:
        _allow_expired(fingerprint, expires, signed, accept_expired_key)
    return Verdict(fingerprint, expires, signed, _warnings(fingerprint, expires, now))


def day(seconds: "int | None") -> "str | None":
    """Return the day in ISO 8601, in UTC."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d")


def _words(status: str) -> "dict[str, list[str]]":
    lines = [line[len(_PREFIX) :].split() for line in status.splitlines() if line.startswith(_PREFIX)]
    return {line[0]: line[1:] for line in lines if line}


def _allow_expired(fingerprint: str, expires: "int | None", signed: int, accept: bool) -> None:
    what = "the key {0} that made it expired on {1}".format(fingerprint, day(expires))
    if not accept:
        raise RefusedError(what, _OLD, fingerprint)
    if expires is None or signed >= expires:
        raise RefusedError("{0}, and it was made after that".format(what), _OTHER_KEY, fingerprint)


def _warnings(fingerprint: str, expires: "int | None", now: float) -> "list[str]":
    if expires is None:
        return []
    days = int((expires - now) // _DAY)
    if days < 0:
        return ["The signature is of the key {0}, which expired on {1}.".format(fingerprint, day(expires))]
    if days < WARN_DAYS:
        sentence = "The key {0} expires in {1} days, on {2}. Get its successor and add it to the keys."
        return [sentence.format(fingerprint, days, day(expires))]
    return []
