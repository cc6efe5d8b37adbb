# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2 instances that are only records; where there are none, instances are moto's."""

from __future__ import annotations

import typing as t

from tests.emulator.answers import ApiError, LeaveToMotoError
from tests.emulator.operations.registry import Answer, Caller, Params, operation
from tests.emulator.paging import page
from tests.emulator.state import Instance

_MOST = 1000


def _tag(instance: Instance, name: str) -> list[str]:
    key = name.partition(":")[2]
    return [instance.tags[key]] if key in instance.tags else []


_FILTERS: dict[str, t.Callable[[Instance, str], t.Iterable[str]]] = {
    "instance-id": lambda instance, _name: [instance.instance_id],
    "instance-state-name": lambda instance, _name: [instance.state],
    "tag-key": lambda instance, _name: instance.tags,
    "tag": _tag,
}


@operation("DescribeInstances", "ec2")
def describe_instances(caller: Caller, params: Params) -> Answer:
    """List instances, up to a thousand a page."""
    if not caller.state.instances:
        raise LeaveToMotoError
    if "InstanceIds" in params and "MaxResults" in params:
        raise ApiError("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
    if not 5 <= params.get("MaxResults", _MOST) <= _MOST:
        raise ApiError("InvalidParameterValue", f"Value ( {params['MaxResults']} ) for parameter maxResults is invalid.")
    instances = _named(caller, params.get("InstanceIds"))
    for given in params.get("Filters", []):
        kind = given["Name"].partition(":")[0]
        if kind not in _FILTERS or len(given["Values"]) > 200:
            raise ApiError("InvalidParameterValue", f"The filter '{given['Name']}' is invalid")
        wanted = set(given["Values"])
        instances = [one for one in instances if not wanted.isdisjoint(_FILTERS[kind](one, given["Name"]))]
    rows, token = page(instances, "DescribeInstances", params.get("MaxResults", _MOST), params.get("NextToken"))
    return {"Reservations": [instance.reservation for instance in rows], "NextToken": token}


def _named(caller: Caller, instance_ids: list[str] | None) -> list[Instance]:
    if instance_ids is None:
        return list(caller.state.instances.values())
    unknown = [instance_id for instance_id in instance_ids if instance_id not in caller.state.instances]
    if unknown:
        raise ApiError("InvalidInstanceID.NotFound", f"The instance IDs '{', '.join(unknown)}' do not exist")
    return [caller.state.instances[instance_id] for instance_id in instance_ids]
