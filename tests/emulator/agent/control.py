# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated agent's own life: pings, the control channel, and the sessions and jobs that come through it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import random
import socket
import typing as t

import aiohttp

from tests.emulator import wire
from tests.emulator.agent import jobs
from tests.emulator.agent.api import Api, Refused
from tests.emulator.agent.machine import Machine
from tests.emulator.agent.session import AgentSession

_PING_EVERY = 300.0
_RETRY_PING = 2.0
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0  # the real agent waits 5 s to 40 min (session/config/config.go): no use in tests
_KEEP_ALIVE = 54.0
_RESENT = 3  # times that a reply is sent again when nobody acknowledges it (replytypes)
_RESEND_AFTER = 5.0
_CANCEL = "aws.ssm.cancelCommand"


class Agent:
    """One node's agent."""

    def __init__(self, api: Api, machine: Machine) -> None:
        self._api = api
        self._machine = machine
        self._taken: set[str] = set()
        self._jobs: dict[str, jobs.Job] = {}
        self._sessions: dict[str, AgentSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._unsent: collections.deque[bytes] = collections.deque()
        self._acknowledged: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Live until killed."""
        await asyncio.gather(self._ping(), self._hold_control_channel())

    async def _ping(self) -> None:
        settings = self._api.settings
        members = {
            "InstanceId": self._api.node,
            "AgentName": "amazon-ssm-agent",
            "AgentStatus": "Active",
            "AgentVersion": settings.agent_version,
            "PlatformType": settings.platform_type,
            "PlatformName": settings.platform_name,
            "PlatformVersion": settings.platform_version,
            "ComputerName": settings.hostname or settings.name,
            "IPAddress": settings.ip_address or socket.gethostbyname("localhost"),
        }
        while True:
            try:
                await asyncio.to_thread(self._api.call, "UpdateInstanceInformation", members)
                await asyncio.sleep(_PING_EVERY)
            except Refused as error:
                print(f"UpdateInstanceInformation: {error}", flush=True)
                await asyncio.sleep(_RETRY_PING)

    async def _hold_control_channel(self) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                token = await asyncio.to_thread(self._api.create_control_channel)
                path = f"/v1/control-channel/{self._api.node}?role=subscribe&stream=input"
                url, headers, tls = self._api.websocket(path)
                async with (
                    aiohttp.ClientSession() as http,
                    http.ws_connect(url, ssl=tls, headers=headers, max_msg_size=0, heartbeat=_KEEP_ALIVE) as channel,
                ):
                    version = self._api.settings.agent_version
                    await channel.send_str(self._api.opening_frame(token, AgentVersion=version, PlatformType="linux", Cookie=None))
                    wait = _FIRST_WAIT
                    await self._serve(channel)
            except (OSError, aiohttp.ClientError) as error:
                print(f"control channel: {error}", flush=True)
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _serve(self, channel: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = channel
        try:
            while self._unsent:
                await channel.send_bytes(self._unsent[0])
                self._unsent.popleft()
            async for received in channel:
                if received.type == aiohttp.WSMsgType.BINARY:
                    message = wire.unpack(received.data)
                    handler = self.HANDLERS.get(message.type)
                    if handler is not None:
                        await handler(self, message)
        finally:
            self._socket = None

    async def _send(self, frame: bytes) -> None:
        """Send now, or when the channel is back."""
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                await self._socket.send_bytes(frame)
                return
        self._unsent.append(frame)

    async def _send_until_acknowledged(self, kind: str, content: dict[str, t.Any]) -> None:
        message = wire.Message(kind, json.dumps(content).encode(), flags=wire.ACK_FLAGS)
        done = self._acknowledged[str(message.id)] = asyncio.Event()
        for _time in range(1 + _RESENT):
            await self._send(wire.pack(message))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(done.wait(), _RESEND_AFTER)
                break
        del self._acknowledged[str(message.id)]

    def _begin(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what the service asks ----------------------------------------------------------------------------------------

    async def _on_start_session(self, message: wire.Message) -> None:
        asked = message.json()
        session = AgentSession(self._api, self._machine, json.loads(asked["Content"]))
        if session.session_id not in self._sessions:
            self._sessions[session.session_id] = session
            self._begin(self._run_session(session, str(asked.get("Topic") or "")))

    async def _run_session(self, session: AgentSession, topic: str) -> None:
        failure = await session.run()
        del self._sessions[session.session_id]
        done = {
            "SchemaVersion": 1,
            "TaskId": session.session_id,
            "Topic": topic,
            "FinalTaskStatus": "Failed" if failure else "Success",
            "IsRoutingFailure": False,
            "AwsAccountId": "",
            "InstanceId": self._api.node,
            # As the agent joins a plugin's output, which is empty here, and its error (iohandler).
            "Output": f"\n----------ERROR-------\n{failure}" if failure else "",
            "RetryNumber": 0,
        }
        await self._send_until_acknowledged("agent_task_complete", done)

    async def _on_channel_closed(self, message: wire.Message) -> None:
        session = self._sessions.get(message.json()["SessionId"])
        if session is not None:
            session.cancel()

    async def _on_job(self, message: wire.Message) -> None:
        job = message.json()
        taken = {
            "jobId": job["JobId"],
            "acknowledgedMessageId": str(message.id),
            "createdDate": "",
            "statusCode": "Successful",
            "errorMessage": "",
        }
        await self._send(wire.document("agent_job_ack", taken, flags=0))
        # The service sends again what it does not know to have arrived; a job runs once.
        if job["JobId"] in self._taken:
            return
        self._taken.add(job["JobId"])
        content = json.loads(job["Content"])
        if job["Topic"].startswith(_CANCEL):
            running = self._jobs.get(content["CancelMessageId"])
            if running is not None:
                running.cancel()
        else:
            self._begin(self._run_job(job, content))

    async def _run_job(self, job: dict[str, t.Any], content: dict[str, t.Any]) -> None:
        async def reply(content: jobs.Reply) -> None:
            await self._send_until_acknowledged("agent_job_reply", jobs.reply_content(job["JobId"], job["Topic"], content))

        running = self._jobs[job["JobId"]] = jobs.Job(self._api, self._machine, content, reply)
        await running.run()
        del self._jobs[job["JobId"]]

    async def _on_task_acknowledged(self, message: wire.Message) -> None:
        self._arrived(str(message.json().get("MessageId")))

    async def _on_reply_acknowledged(self, message: wire.Message) -> None:
        self._arrived(str(message.json().get("acknowledgedMessageId")))

    def _arrived(self, message_id: str) -> None:
        waiting = self._acknowledged.get(message_id)
        if waiting is not None:
            waiting.set()

    HANDLERS: t.ClassVar[dict[str, t.Callable[[Agent, wire.Message], t.Awaitable[None]]]] = {
        "interactive_shell": _on_start_session,
        "channel_closed": _on_channel_closed,
        "agent_job": _on_job,
        "agent_task_acknowledge": _on_task_acknowledged,
        "agent_job_reply_ack": _on_reply_acknowledged,
    }
