# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Find out which proxy a systemd unit's environment names. Pure; runs on nodes, with Python 3.6."""

import ipaddress
import re
import shlex
import typing as t
from urllib.parse import unquote, urlsplit

_NAME = re.compile(r"[A-Za-z_]\w*")
_PORTS = {"http": 80, "https": 443}


class BadProxyError(Exception):
    """The text that should name a proxy does not; the message says why."""


class Proxy(t.NamedTuple):
    """A proxy; authorization is what the header Proxy-Authorization takes before it is encoded, user:password."""

    host: str
    port: int
    scheme: str = "http"
    authorization: str = ""

    def __str__(self) -> str:
        return "{}:{}".format(self.host, self.port)


def unit_variables(text: str) -> "t.Dict[str, str]":
    """Read the Environment= lines of a unit or drop-in; an empty one forgets those before, as systemd.exec(5) has it."""
    found = {}  # type: t.Dict[str, str]
    for row in re.sub(r"\\\r?\n", " ", text).splitlines():
        name, equals, value = row.strip().partition("=")
        if not equals or name.strip() != "Environment":
            continue
        if not value.strip():
            found.clear()
        for word in _words(value):
            found.update(_assignment(word))
    return found


def environment_files(text: str) -> "t.List[str]":
    """Name the EnvironmentFile= of a unit or drop-in."""
    rows = (row.strip().partition("=") for row in text.splitlines())
    return [
        value.strip().lstrip("-").strip('"') for name, _equals, value in rows if name.strip() == "EnvironmentFile" and value.strip()
    ]


def file_variables(text: str) -> "t.Dict[str, str]":
    """Read a file of assignments: an EnvironmentFile, or /etc/environment."""
    found = {}  # type: t.Dict[str, str]
    for row in text.splitlines():
        line = row.strip()
        if line.startswith("export "):
            line = line[len("export ") :].strip()
        if line[:1] in ("#", ";") or "=" not in line:
            continue
        words = _words(line)
        found.update(_assignment(words[0] if len(words) == 1 else line))
    return found


def process_variables(text: str) -> "t.Dict[str, str]":
    """Read /proc/PID/environ."""
    found = {}  # type: t.Dict[str, str]
    for row in text.split("\0"):
        found.update(_assignment(row))
    return found


def proxy_of(variables: "t.Mapping[str, str]", scheme: str, host: str) -> "t.Optional[Proxy]":
    """Say by which proxy Go's net/http, which the agent uses, goes to a host; None: directly. BadProxyError: it cannot."""
    url = _variable(variables, scheme + "_proxy")
    if not url or _is_exempt(host, _variable(variables, "no_proxy")):
        return None
    return parse_proxy(url)


def parse_proxy(url: str) -> Proxy:
    """Read a proxy's URL; without a scheme it is http."""
    try:
        parts = urlsplit(url if "://" in url else "http://" + url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadProxyError(str(error)) from error
    if not host or not re.fullmatch(r"[\w.:%-]+", host, re.ASCII):
        raise BadProxyError("there is no host in it")
    if parts.scheme not in _PORTS:
        raise BadProxyError("{} is no kind of proxy that is known here".format(parts.scheme))
    user = "" if parts.username is None else unquote(parts.username) + ":" + unquote(parts.password or "")
    return Proxy(host, port or _PORTS[parts.scheme], parts.scheme, user)


def names_a_proxy(variables: "t.Mapping[str, str]") -> bool:
    """Say whether a proxy for HTTPS is named."""
    return bool(_variable(variables, "https_proxy"))


def is_exempt(variables: "t.Mapping[str, str]", host: str) -> bool:
    """Say whether no_proxy names the host."""
    return _is_exempt(host, _variable(variables, "no_proxy"))


def _variable(variables: "t.Mapping[str, str]", name: str) -> str:
    return variables.get(name.upper(), "") or variables.get(name, "")


def _words(text: str) -> "t.List[str]":
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _assignment(word: str) -> "t.Dict[str, str]":
    name, equals, value = word.partition("=")
    return {name: value} if equals and _NAME.fullmatch(name) else {}


def _is_exempt(host: str, no_proxy: str) -> bool:
    for one in (part.strip().lower() for part in no_proxy.split(",")):
        if one == "*" or (one and (host == one.lstrip(".") or host.endswith("." + one.lstrip("*").lstrip(".")))):
            return True
        if "/" in one and _is_within(host, one):
            return True
    return False


def _is_within(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
