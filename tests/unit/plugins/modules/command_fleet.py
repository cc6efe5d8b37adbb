# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes that carry out commands as ticks of a clock pass, behind FakeAws; they print what a test tells them to."""

from __future__ import annotations

import dataclasses
import datetime
import io
import typing as t
import uuid

from ansible_collections.fleet.ssm.plugins.module_utils._engine.action import StoppedError

from tests.unit.conftest import FakeAws, Refusal

Answer = dict[str, t.Any]

_PAGE = 50
_BEGUN = datetime.datetime(2030, 1, 31, 18, tzinfo=datetime.timezone.utc)
_SHELL_SCRIPT = "aws:runShellScript"


def node_id(number: int) -> str:
    """Return the id of a node."""
    return f"i-{number:017x}"


@dataclasses.dataclass(frozen=True)
class Plugin:
    """What a step prints, and its exit code."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    name: str = _SHELL_SCRIPT

    @property
    def listed(self) -> str:
        """Both streams as the agent joins and cuts them (executer/iohandler, TruncateOutput)."""
        divider = "\n----------ERROR-------\n" if self.stderr else ""
        room = 2500 - len(divider)
        if len(self.stdout) + len(self.stderr) < room:
            return self.stdout + divider + self.stderr
        out_mark, error_mark = "\n---Output truncated---", "\n---Error truncated----"
        if len(self.stdout) > room // 2 and len(self.stderr) > room // 2:
            half = (room - len(out_mark) - len(error_mark)) // 2
            return self.stdout[:half] + out_mark + divider + self.stderr[:half] + error_mark
        if len(self.stdout) <= room // 2:
            return self.stdout + divider + self.stderr[: room - len(error_mark) - len(self.stdout)] + error_mark
        return self.stdout[: room - len(out_mark) - len(self.stderr)] + out_mark + divider + self.stderr


@dataclasses.dataclass
class Command:
    """What was sent, when and to whom."""

    command_id: str
    request: Answer
    nodes: list[str]
    sent: int
    cancelled: bool = False


class CommandFleet:
    """Set outputs by node; seconds is how many ticks a node takes, or with slow only those."""

    def __init__(self, aws: FakeAws, nodes: int) -> None:
        self.aws = aws
        self.nodes = {node_id(number) for number in range(1, nodes + 1)}
        self.outputs: dict[str, list[Plugin]] = {}
        self.commands: dict[str, Command] = {}
        self.cancelled: list[str] = []
        self.ticks = 0
        self.seconds = 1
        self.slow: set[str] | None = None
        self.unknown_for = self.unknown_to_cancel_for = self.list_lags_for = 0
        self.interrupt_at = self.cancel_at = -1
        self.most_at_once = 0
        self._throttled: dict[str, int] = {}
        for name in dir(self):
            if name.startswith("_") and name[1:2].isupper():
                aws.answers[name[1:]] = self._answering(name[1:])

    def grow(self, nodes: int) -> None:
        """Have so many nodes."""
        self.nodes = {node_id(number) for number in range(1, nodes + 1)}

    def tick(self) -> None:
        """Let time pass."""
        self.ticks += 1
        if self.ticks == self.interrupt_at:
            raise StoppedError("Told to end.")
        if self.ticks == self.cancel_at:
            for command in self.commands.values():
                command.cancelled = True

    def throttle(self, operation: str, times: int) -> None:
        """Answer so many calls by throttling, after which botocore has given up each time."""
        self._throttled[operation] = times

    def _answering(self, operation: str) -> t.Callable[[Answer], Answer]:
        def answer(params: Answer) -> Answer:
            if self._throttled.get(operation, 0) > 0:
                self._throttled[operation] -= 1
                raise Refusal("ThrottlingException", "Rate exceeded")
            return t.cast("Answer", getattr(self, f"_{operation}")(params))

        return answer

    def _is_done(self, command: Command, node: str) -> bool:
        ticks = self.seconds if self.slow is None or node in self.slow else 1
        return command.cancelled or self.ticks - command.sent >= ticks

    def _plugins(self, node: str) -> list[Plugin]:
        return self.outputs.get(node, [Plugin("out\n")])

    def _status(self, command: Command, node: str) -> str:
        if not self._is_done(command, node):
            return "InProgress"
        if command.cancelled:
            return "Cancelled"
        return "Failed" if any(plugin.code for plugin in self._plugins(node)) else "Success"

    def _row(self, command: Command) -> Answer:
        statuses = [self._status(command, node) for node in command.nodes]
        errors, running = statuses.count("Failed"), statuses.count("InProgress")
        said = command.request.get("MaxErrors", "0")
        allowed = len(statuses) * int(said[:-1]) // 100 if said.endswith("%") else int(said)
        ended = "Cancelled" if command.cancelled else "Failed" if errors > allowed else "Success"
        status = "InProgress" if running else ended
        details = status if statuses else "NoInstancesInTag"
        return {
            "CommandId": command.command_id,
            "DocumentName": command.request["DocumentName"],
            "RequestedDateTime": _BEGUN,
            "Status": status,
            "StatusDetails": details,
            "TargetCount": len(statuses),
            "CompletedCount": len(statuses) - running,
            "ErrorCount": errors,
            "DeliveryTimedOutCount": 0,
        }

    def _SendCommand(self, params: Answer) -> Answer:  # noqa: N802
        under_way = [one for one in self.commands.values() if self._row(one)["Status"] == "InProgress"]
        self.most_at_once = max(self.most_at_once, len(under_way) + 1)
        nodes = params.get("InstanceIds") or sorted(self.nodes, reverse=True)
        command = Command(str(uuid.uuid4()), params, nodes, self.ticks)
        self.commands[command.command_id] = command
        return {"Command": {**self._row(command), "Status": "Pending", "StatusDetails": "Pending", "TargetCount": 0}}

    def _ListCommands(self, params: Answer) -> Answer:  # noqa: N802
        if "CommandId" not in params:
            return {"Commands": [self._row(command) for command in self.commands.values()]}
        command = self.commands[params["CommandId"]]
        if self.unknown_for > 0:
            self.unknown_for -= 1
            if self.unknown_for % 2:
                return {"Commands": []}
            raise Refusal("InvalidCommandId")
        return {"Commands": [self._row(command)]}

    def _ListCommandInvocations(self, params: Answer) -> Answer:  # noqa: N802
        assert params["Details"]
        command = self.commands[params["CommandId"]]
        start = int(params.get("NextToken") or 0)
        wanted = [node for node in command.nodes if params.get("InstanceId") in (None, node)]
        nodes = wanted[start : start + min(_PAGE, params["MaxResults"])]
        if self.list_lags_for > 0:
            self.list_lags_for -= 1
            nodes = nodes[: self.list_lags_for]
        more = {"NextToken": str(start + _PAGE)} if start + _PAGE < len(wanted) else {}
        return {"CommandInvocations": [self._invocation(command, node) for node in nodes], **more}

    def _invocation(self, command: Command, node: str) -> Answer:
        status = self._status(command, node)
        done = status != "InProgress"
        return {
            "CommandId": command.command_id,
            "InstanceId": node,
            "InstanceName": f"node-{int(node[2:], 16)}.example.com",
            "DocumentName": command.request["DocumentName"],
            "RequestedDateTime": _BEGUN,
            "Status": status,
            "StatusDetails": status,
            "CommandPlugins": [self._plugin(command, node, plugin) for plugin in self._plugins(node)] if done else [],
        }

    def _plugin(self, command: Command, node: str, plugin: Plugin) -> Answer:
        status = "Cancelled" if command.cancelled else "Failed" if plugin.code else "Success"
        return {
            "Name": plugin.name,
            "Status": status,
            "StatusDetails": status,
            "ResponseCode": plugin.code,
            "ResponseStartDateTime": _BEGUN,
            "ResponseFinishDateTime": _BEGUN,
            "Output": plugin.listed,
            "StandardOutputUrl": self._url(command, node, "stdout"),
            "StandardErrorUrl": self._url(command, node, "stderr"),
        }

    @staticmethod
    def _url(command: Command, node: str, stream: str) -> str:
        bucket = command.request.get("OutputS3BucketName")
        if not bucket:
            return ""
        parts = (bucket, command.request.get("OutputS3KeyPrefix"), command.command_id, node, "awsrunShellScript")
        return "/".join(["https://s3.eu-west-1.amazonaws.com", *filter(None, parts), "0.awsrunShellScript", stream])

    def _GetCommandInvocation(self, params: Answer) -> Answer:  # noqa: N802
        command, node = self.commands[params["CommandId"]], params["InstanceId"]
        plugins = self._plugins(node)
        assert ("PluginName" in params) == (len(plugins) > 1)
        plugin = next(one for one in plugins if one.name == params.get("PluginName", one.name))
        return {
            "StandardOutputContent": plugin.stdout[:24_000],
            "StandardErrorContent": plugin.stderr[:8_000],
            "StandardOutputUrl": self._url(command, node, "stdout"),
            "StandardErrorUrl": self._url(command, node, "stderr"),
        }

    def _CancelCommand(self, params: Answer) -> Answer:  # noqa: N802
        if self.unknown_to_cancel_for > 0:
            self.unknown_to_cancel_for -= 1
            raise Refusal("InvalidCommandId")
        self.commands[params["CommandId"]].cancelled = True
        self.cancelled.append(params["CommandId"])
        return {}

    def _GetObject(self, params: Answer) -> Answer:  # noqa: N802
        *_place, node, _plugin_folder, _step, stream = params["Key"].split("/")
        return {"Body": io.BytesIO(getattr(self._plugins(node)[0], stream).encode())}

    def _GetLogEvents(self, params: Answer) -> Answer:  # noqa: N802
        """Give an event a page; the token of the last page is the one it was asked with."""
        _command, node, _plugin, stream = params["logStreamName"].split("/")
        lines = getattr(self._plugins(node)[0], stream).splitlines()
        at = int(params.get("nextToken", "f/0")[2:])
        events = [{"message": line, "timestamp": 0} for line in lines[at : at + 1]]
        return {"events": events, "nextForwardToken": f"f/{min(at + 1, len(lines))}"}
