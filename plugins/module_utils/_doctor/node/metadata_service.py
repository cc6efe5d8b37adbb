# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Ask the instance metadata service who this machine is. I/O; runs on nodes, with Python 3.6."""

import http.client
import typing as t

from ansible_collections.fleet.ssm.plugins.module_utils._agent.configuration import METADATA

_LIFETIME = "60"


class Metadata(t.NamedTuple):
    """What it answered; error is why it did not, and profile None when it was not asked or could not tell."""

    instance_id: str = ""
    region: str = ""
    profile: "t.Optional[str]" = None
    error: str = ""


def ask(timeout: float, address: str = METADATA) -> Metadata:
    """Get a token (IMDSv2), then id, region and instance profile; timeout is for each request, in seconds."""
    try:
        token = _request(address, timeout, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": _LIFETIME})
        headers = {"X-aws-ec2-metadata-token": token[1]} if token[0] == 200 else {}
        status, instance_id = _request(address, timeout, "GET", "/latest/meta-data/instance-id", headers)
        if status != 200:
            return Metadata(error="it answered {}".format(status))
        status, region = _request(address, timeout, "GET", "/latest/meta-data/placement/region", headers)
        found, profile = _request(address, timeout, "GET", "/latest/meta-data/iam/security-credentials/", headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Metadata(error=str(error) or type(error).__name__)
    return Metadata(instance_id.strip(), region.strip() if status == 200 else "", {200: profile.strip(), 404: ""}.get(found))


def _request(address: str, timeout: float, method: str, path: str, headers: "t.Dict[str, str]") -> "t.Tuple[int, str]":
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(4096).decode("utf-8", "replace")
    finally:
        connection.close()
