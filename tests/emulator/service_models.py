# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""botocore's models of the services we answer for, with the operations that only agents know added to them.

The agents' operations are in no public model; their members are read from the agent's own SDK
(amazon-ssm-agent, extra/aws-sdk-go/service/ssm/api.go and service/ssmmds/api.go).
"""

from __future__ import annotations

import functools
import json
import pathlib
import typing as t

import botocore.loaders
import botocore.model

#: X-Amz-Target's prefix → service
TARGETS = {
    "AmazonSSM": "ssm",
    "ResourceGroupsTaggingAPI_20170126": "resourcegroupstaggingapi",
    "EC2WindowsMessageDeliveryService": "ec2messages",
}
AGENT_OPERATIONS = pathlib.Path(__file__).with_name("agent_operations.json")


@functools.cache
def service_model(service: str) -> botocore.model.ServiceModel:
    """Return the model of one of the services in TARGETS."""
    added = json.loads(AGENT_OPERATIONS.read_text(encoding="utf-8")).get(service, {})
    if service == "ec2messages":
        model: dict[str, t.Any] = {"metadata": {"protocol": "json", "jsonVersion": "1.1"}, "operations": {}, "shapes": {}}
    else:
        model = botocore.loaders.Loader().load_service_model(service, "service-2")
    model = {**model, "operations": dict(model["operations"]), "shapes": dict(model["shapes"])}
    for name, (given, answered) in added.items():
        model["operations"][name] = {
            "name": name,
            "http": {"method": "POST", "requestUri": "/"},
            "input": {"shape": _add(model["shapes"], f"{name}Request", given)},
            "output": {"shape": _add(model["shapes"], f"{name}Result", answered)},
        }
    return botocore.model.ServiceModel(model, service)


def _add(shapes: dict[str, t.Any], name: str, spec: t.Any) -> str:
    """Turn a short description into a shape: a text names a type, an object is a structure, a list of one is a list."""
    if isinstance(spec, str):
        kind, _blank, rest = spec.partition(" ")
        least = {"min": int(rest)} if rest.isdigit() else {}
        shapes[name] = {"type": kind, **least}
    elif isinstance(spec, list):
        shapes[name] = {"type": "list", "member": {"shape": _add(shapes, f"{name}Member", spec[0])}}
    else:
        members = {key.rstrip("!"): {"shape": _add(shapes, f"{name}{key.rstrip('!')}", item)} for key, item in spec.items()}
        shapes[name] = {"type": "structure", "members": members, "required": [key[:-1] for key in spec if key.endswith("!")]}
    return name


@functools.cache
def protocol_of(service: str) -> str:
    """Return the wire protocol of any service botocore knows, by its signing name."""
    try:
        model = botocore.loaders.Loader().load_service_model(service, "service-2")
    except Exception:  # a name that botocore doesn't have
        return "json"
    return str(model["metadata"]["protocol"])
