# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Load a URL into a file, and say what to do when that fails. Runs on the node: Python 3.6."""

import contextlib
import errno
import hashlib
import http.client
import os
import socket
import ssl
import typing as t
import urllib.error

from ansible.module_utils.urls import SSLValidationError, open_url
from ansible_collections.fleet.ssm.plugins.module_utils._downloads.failures import DownloadError

_PIECE = 256 * 1024
# A text such as a version number, or a signature.
_SHORT = 64 * 1024


class Route(t.NamedTuple):
    """How to get there: proxies as ``http``, ``https`` and ``no`` (None: as the environment says), a CA file, seconds to wait."""

    proxy: "t.Mapping[str, str | None] | None" = None
    ca_bundle: "str | None" = None
    timeout: int = 30


def load(url: str, path: str, route: Route) -> str:
    """Write the content to a file and return its SHA-256 in hexadecimal digits."""
    digest = hashlib.sha256()
    with _explained(url, path), open(path, "wb") as file:
        for piece in _pieces(url, route):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def read(url: str, route: Route) -> bytes:
    """Return a short content."""
    content = b""
    with _explained(url, ""):
        for piece in _pieces(url, route):
            content += piece
            if len(content) > _SHORT:
                raise DownloadError("{0} has more than {1} bytes, which is not what it should be.".format(url, _SHORT))
    return content


def _pieces(url: str, route: Route) -> "t.Iterator[bytes]":
    with _proxies(route.proxy):
        answer = open_url(url, timeout=route.timeout, ca_path=route.ca_bundle, http_agent="fleet.ssm")
    expected = answer.headers.get("Content-Length")
    count = 0
    while True:
        piece = answer.read(_PIECE)
        if not piece:
            break
        count += len(piece)
        yield piece
    # read() of a cut transfer just ends.
    if expected is not None and count != int(expected):
        raise http.client.IncompleteRead(b"", int(expected) - count)


@contextlib.contextmanager
def _proxies(proxy: "t.Mapping[str, str | None] | None") -> "t.Iterator[None]":
    """Have open_url, which knows proxies by the environment only, use these and no others; None leaves it as it is."""
    before = dict(os.environ)
    if proxy is not None:
        for name in ("http", "https", "no"):
            for variable in (name + "_proxy", name.upper() + "_PROXY"):
                os.environ.pop(variable, None)
            if proxy.get(name):
                os.environ[name + "_proxy"] = str(proxy[name])
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _explained:  # noqa: N801 - it reads as a statement
    def __init__(self, url: str, path: str) -> None:
        self._url = url
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: "type[BaseException] | None", error: "BaseException | None", where: t.Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, DownloadError):
            raise DownloadError(_explain(error, self._url, self._path)) from error


def _explain(error: Exception, url: str, path: str) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return _refused(error, url)
    reason = error.reason if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception) else error
    for kinds, sentence in _SENTENCES:
        if isinstance(reason, kinds):
            return sentence.format(url=url, reason=reason)
    if isinstance(reason, OSError) and reason.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full: {0} could not be written. Make room in {1} and run it again.".format(
            url, os.path.dirname(path) or "the temporary folder"
        )
    return _UNREACHABLE.format(url=url, reason=reason)


def _refused(error: "urllib.error.HTTPError", url: str) -> str:
    # S3 answers 403 for what is not there to those who may not list the bucket.
    if error.code in (403, 404):
        return "There is no {0} (HTTP {1}). Check version, region and architecture in it, and whether a proxy refuses it.".format(
            url, error.code
        )
    if error.code == 407:
        return "The proxy wants to know who asks for {0} (HTTP 407). Give user and password in the proxy's URL.".format(url)
    return "The server answered {0} with HTTP {1}, {2}. Run it again later.".format(url, error.code, error.reason)


_UNREACHABLE = "{url} cannot be reached: {reason}. Check DNS, route and firewall, and set the proxy if there is one."
_SENTENCES = (
    (
        (ssl.SSLError, SSLValidationError),
        "The certificate of {url} is not trusted: {reason}. Add the certificate authority (of your proxy, for instance) to the"
        " system's, or name a file with it in ca_bundle; and check this machine's clock.",
    ),
    ((http.client.IncompleteRead,), "The transfer of {url} was cut off before its end ({reason}). Run it again."),
    ((socket.timeout,), "{url} did not answer in time: {reason}. Check route and firewall, and set the proxy if there is one."),
)  # type: t.Tuple[t.Tuple[t.Tuple[t.Type[BaseException], ...], str], ...]
