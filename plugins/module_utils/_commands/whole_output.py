# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Read all that a step printed from where the agent put it, S3 or CloudWatch Logs. I/O."""

from __future__ import annotations

import dataclasses
import typing as t
import urllib.parse

from ansible_collections.fleet.ssm.plugins.module_utils._commands.outputs import Output
from ansible_collections.fleet.ssm.plugins.module_utils._engine.api import Api

Row = t.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class WholeOutput:
    """Where the outputs of a command are; an empty name: not there."""

    api: Api
    bucket: str = ""
    log_group: str = ""

    def read(self, invocation: Row, step: Row, beginning: Output) -> Output:
        """Give all of the streams that were cut; a stream that is in neither place stays as it is."""
        stdout = self._read(invocation, step, "stdout") if beginning.stdout_cut else None
        stderr = self._read(invocation, step, "stderr") if beginning.stderr_cut else None
        output = beginning
        if stdout is not None:
            output = dataclasses.replace(output, stdout=stdout, stdout_cut=False)
        if stderr is not None:
            output = dataclasses.replace(output, stderr=stderr, stderr_cut=False)
        return output

    def _read(self, invocation: Row, step: Row, stream: str) -> str | None:
        url = str(step.get({"stdout": "StandardOutputUrl", "stderr": "StandardErrorUrl"}[stream]) or "")
        if self.bucket and url:
            return self._object(_key(url, self.bucket))
        if self.log_group:
            return self._log(f"{invocation['CommandId']}/{invocation['InstanceId']}/{_stream_part(step['Name'])}/{stream}")
        return None

    def _object(self, key: str) -> str:
        answer = self.api.of("s3").call("GetObject", Bucket=self.bucket, Key=key)
        return str(answer["Body"].read().decode(errors="replace"))

    def _log(self, stream: str) -> str | None:
        """Give a stream of the log; the agent may have taken a line break off the end of an event."""
        place = {"logGroupName": self.log_group, "logStreamName": stream, "startFromHead": True}
        text = ""
        logs, token = self.api.of("logs"), ""
        while True:
            answer = logs.call("GetLogEvents", **place, **({"nextToken": token} if token else {}))
            text += "".join(str(event["message"]).removesuffix("\n") + "\n" for event in answer.get("events", []))
            # At its end AWS gives the token that it was given.
            if answer.get("nextForwardToken", token) == token:
                return text or None
            token = answer["nextForwardToken"]


def _key(url: str, bucket: str) -> str:
    """Give the name of an object, whether the bucket is in the host's name or in the path."""
    path = urllib.parse.unquote(urllib.parse.urlsplit(url).path).lstrip("/")
    return path.removeprefix(f"{bucket}/")


def _stream_part(step: str) -> str:
    # A stream's name can have neither (agent/framework/runpluginutil).
    return step.replace(":", "-").replace("*", "-")
