# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts all that a step printed where the sender of a command wants it: in a bucket, in CloudWatch Logs.

Names as the agent makes them: messageservice/utils/messageutil.go, framework/runpluginutil, executer/iohandler.
"""

from __future__ import annotations

import re
import time
import typing as t

from tests.emulator.agent.api import Api, Refused

Content = dict[str, t.Any]

_EVENT = 200_000  # bytes


def put(api: Api, content: Content, step: dict[str, t.Any], streams: dict[str, bytes]) -> None:
    """Put streams by name; one that is empty is not put, and a place that refuses them is logged."""
    for stream, data in streams.items():
        if not data:
            continue
        try:
            if content.get("OutputS3BucketName"):
                api.put_object(content["OutputS3BucketName"], _key(api.node, content, step, stream), data)
            if content.get("CloudWatchOutputEnabled") == "true":
                _log(api, _log_group(content), _log_stream(api.node, content, step, stream), data)
        except Refused as error:
            print(f"output of {content['CommandId']}: {error}", flush=True)


def _key(node: str, content: Content, step: dict[str, t.Any], stream: str) -> str:
    parts = (content.get("OutputS3KeyPrefix"), content["CommandId"], node, step["action"].replace(":", ""), step["name"], stream)
    return "/".join(str(part).strip("/") for part in parts if part)


def _log_group(content: Content) -> str:
    name = content.get("CloudWatchLogGroupName") or f"/aws/ssm/{content['DocumentName']}"
    return re.sub(r"[^a-zA-Z0-9_\-/.#]", ".", name)


def _log_stream(node: str, content: Content, step: dict[str, t.Any], stream: str) -> str:
    # AWS's own documents for scripts are of schema 1.2, in which a step has no name but its kind.
    plugin = step["action"] if str(content["DocumentName"]).startswith("AWS-") else step["name"]
    return "/".join((content["CommandId"], node, re.sub("[:*]", "-", plugin), stream))


def _log(api: Api, group: str, stream: str, data: bytes) -> None:
    for operation, members in (
        ("CreateLogGroup", {"logGroupName": group}),
        ("CreateLogStream", {"logGroupName": group, "logStreamName": stream}),
    ):
        try:
            api.call(operation, members, "logs")
        except Refused as error:
            if "ResourceAlreadyExistsException" not in str(error):
                raise
    messages = _events(data.decode(errors="replace"))
    events = [{"timestamp": int(time.time() * 1000), "message": message} for message in messages]
    api.call("PutLogEvents", {"logGroupName": group, "logStreamName": stream, "logEvents": events}, "logs")


def _events(text: str) -> list[str]:
    """Cut a text at line ends into as few events as may be; once all is there, the last line end of each is left out."""
    events = [""]
    for line in text.splitlines(keepends=True):
        if len(events[-1]) + len(line) > _EVENT and events[-1]:
            events.append("")
        events[-1] += line
    return [event.removesuffix("\n") for event in events]
