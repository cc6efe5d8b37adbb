# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two nodes, one of each kind, as AWS tells of them."""

from __future__ import annotations

import datetime

NOW = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
WEB = {
    "InstanceId": "i-0web",
    "PingStatus": "Online",
    "PlatformType": "Linux",
    "PlatformName": "Debian GNU/Linux",
    "PlatformVersion": "12",
    "ResourceType": "EC2Instance",
    "IPAddress": "10.0.0.1",
    "LastPingDateTime": NOW,
    "InstanceType": "t3.micro",
}
PLANT = {
    "InstanceId": "mi-0plant",
    "PingStatus": "ConnectionLost",
    "PlatformType": "Windows",
    "PlatformName": "Microsoft Windows Server 2022",
    "ResourceType": "ManagedInstance",
    "ComputerName": "plant7",
}
TAGS = {
    "i-0web": {"Name": "web", "env": "prod", "Patch Group": "early", "note": "{{ 7 * 7 }}", "flag": ""},
    "mi-0plant": {"env": "plant", "Name": "plant"},
}


def tag_list(node_id: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in TAGS.get(node_id, {}).items()]


WEB_INSTANCE = {
    "InstanceId": "i-0web",
    "Tags": tag_list("i-0web"),
    "VpcId": "vpc-1",
    "State": {"Name": "running", "Code": 16},
    "LaunchTime": NOW,
    "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "default"}],
}
UNMANAGED = {**WEB_INSTANCE, "InstanceId": "i-0unmanaged", "Tags": []}
