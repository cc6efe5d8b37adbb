# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Name the endpoints that an agent talks to. Pure; runs on nodes, with Python 3.6."""

import typing as t
from urllib.parse import urlsplit

from ansible_collections.fleet.ssm.plugins.module_utils._agent.regions import domain, is_region

SERVICES = ("ssm", "ssmmessages", "ec2messages", "s3")
REQUIRED = ("ssm", "ssmmessages")
"""Without s3 there are no updates and packages; agents from 3.3.40 on, and newer regions, need no ec2messages."""

# Of botocore's endpoints.json: the partitions whose regions begin so, and the end of their host names.


class Endpoint(t.NamedTuple):
    """Where a service is; scheme is https, but for stand-ins of AWS."""

    service: str
    host: str
    port: int = 443
    scheme: str = "https"


class BadEndpointError(Exception):
    """The text that should name an endpoint does not; the message says why."""


def region_of(host: str) -> str:
    """Name the region in the host name of an endpoint; empty when there is none."""
    return next((label for label in host.split(".") if is_region(label)), "")


def endpoints(region: str, said: "t.Optional[t.Mapping[str, str]]" = None) -> "t.List[Endpoint]":
    """Give the endpoints of a region; those that were said, as hosts or URLs, take their place. Without a region, only those."""
    overrides = said or {}
    found = []
    for service in SERVICES:
        if overrides.get(service):
            found.append(_parse(service, overrides[service]))
        elif region:
            found.append(Endpoint(service, "{}.{}.{}".format(service, region, domain(region))))
    return found


def is_endpoint(text: str) -> bool:
    """Say whether it can be read as an endpoint."""
    try:
        _parse("", text)
    except BadEndpointError:
        return False
    return True


def _parse(service: str, text: str) -> Endpoint:
    try:
        parts = urlsplit(text if "://" in text else "https://" + text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadEndpointError("The endpoint {} of {} cannot be read: {}.".format(text, service, error)) from error
    if not host or parts.scheme not in ("http", "https"):
        raise BadEndpointError("The endpoint {} of {} is no host name and no URL.".format(text, service))
    return Endpoint(service, host, port or (443 if parts.scheme == "https" else 80), parts.scheme)
