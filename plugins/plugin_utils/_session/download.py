# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run download sessions: what a node has much of comes by a NonInteractiveCommands session beside the one with the program.

An agent passes on a terminal's output with 0.6 MB/s, and that of such a session with twenty times that when its streams are
separate (shell.go, setupRoutineToWriteCmdPipelineOutput). The session's command connects to the program on the node and is given
what to write: the frames of ``frames.py``, each with its position. A client that goes away for a moment pauses the agent, which
then stops reading the command's output for good. So such a session is never resumed: it is ended, the program is told, sends again
what was not confirmed, and asks for another.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import time
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import frames
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Channel, at_endpoint
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import Closed, Event, Failed, KeyRequested, Output
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import (
    NodeUnreachable,
    ServiceUnavailable,
    SessionFailure,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Figures, Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.messages import PayloadType
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_peer import SessionPeer
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService, Started
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.starting import started_after_all
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.terminal_output import DamagedFrame

NONINTERACTIVE_DOCUMENT = "AWS-StartNonInteractiveCommand"

# No quotes, double quotes, backslashes or braces: the agent splits it like a shell, and puts it into a JSON document. 1 is AF_UNIX,
# 256 MSG_WAITALL.
_CONNECT = (
    "import socket,sys;s=socket.socket(1);s.connect(bytes(1)+sys.argv[1].encode());"
    "exec(s.recv(int(s.recv(8,256)),256),dict(SOCKET=s))"
)
_SOCKET = re.compile(r"[0-9a-f]{32}")

_LOOK_SECONDS = 0.5
_START_SECONDS = 30.0
_SILENT_SECONDS = 8.0
"""A session's command writes something at least every two seconds."""

_IDLE_SECONDS = 20.0
_LARGEST_HOLE = 20
"""An agent sends lost messages again one by one, 100 ms apart: a new session is quicker than more of them."""

_MOST_LOST, _IN_SECONDS = 8, 60.0
_FIRST_PAUSE = 0.1
_TERMINATING_ATTEMPTS = 5


def courier_command(python: str, name: str) -> list[str]:
    """Return what a download session runs.

    :param name: the socket's, which the program on the node told with its request.
    """
    return [python, "-I", "-S", "-c", _CONNECT, name]


class _Lost(NodeUnreachable):
    """A download session broke; the next one may not."""


class _Peer(SessionPeer):
    """The session service as a channel sees it that is not to outlive its socket."""

    async def resume(self, seconds: float) -> str:
        raise _Lost("its socket was cut")


class Allowance:
    """Whether a node lets us have download sessions: found out once in a run. ``remarks`` say why not, for the user."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self._lost: list[float] = []
        self._refused = False

    def refuse(self, reason: SessionFailure) -> None:
        """Have no more of them."""
        if not self._refused:
            self._refused = True
            self.remarks.append(f"large files and output come the slow way, with about 0.5 MB/s: {reason}")

    def count_lost(self) -> int:
        """Remember that one was lost; return how many were of late."""
        now = time.monotonic()
        self._lost = [moment for moment in self._lost if now - moment < _IN_SECONDS] + [now]
        return len(self._lost)

    @property
    def refused(self) -> bool:
        """Whether there are none to be had."""
        return self._refused


class _Download:
    """One download session, from when it has started to its end.

    :param url: where its data channel is opened.
    """

    def __init__(self, url: str, token: str, peer: _Peer, take: t.Callable[[frames.Frame], None]) -> None:
        self._peer = peer
        self._encrypting: asyncio.Future[None] | None = None
        self._take = take
        self._decoder = frames.Decoder()
        self._failure: SessionFailure | None = None
        self._last_sign = self._last_frame = time.monotonic()
        self._began = False
        self.channel = Channel(
            url,
            token,
            peer,
            self._on_event,
            reconnect_seconds=1,
            protocol=DataChannelProtocol(handshakes=True),
        )

    async def run(self) -> None:
        """Serve it as long as it is of use; SessionFailure when it is not whole any more."""
        serving = asyncio.ensure_future(self.channel.run())
        try:
            while not await self._is_idle():
                await asyncio.wait((serving,), timeout=_LOOK_SECONDS)
                if serving.done():
                    serving.result()
                    raise self._failure or self._lost("it ended")
        finally:
            tasks = [task for task in (serving, self._encrypting) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _is_idle(self) -> bool:
        """Say whether nothing has come for a long time; raise when that is no good sign."""
        now = time.monotonic()
        if self._failure is not None:
            raise self._failure
        if now - self._last_sign > (_SILENT_SECONDS if self._began else _START_SECONDS):
            raise self._lost("it fell silent")
        if self.channel.protocol.hole > _LARGEST_HOLE:
            raise self._lost("messages were lost")
        return self._began and now - self._last_frame > _IDLE_SECONDS

    def _lost(self, reason: str) -> SessionFailure:
        noise = self._decoder.noise.decode(errors="replace").strip()
        text = reason + (f" and said: {noise[-300:]}" if noise else "")
        return _Lost(text) if self._began else NodeUnreachable(f"a session for them could be started, but {text}")

    def _on_event(self, event: Event) -> None:
        match event:
            case Output(payload_type=PayloadType.OUTPUT):
                self._on_output(event.data)
            case Output(payload_type=PayloadType.STDERR | PayloadType.ERROR):
                self._decoder.remember(event.data)
            case Closed() | Failed():
                self._failure = self._lost(f"it was closed{': ' if event.reason else ''}{event.reason}")
            case KeyRequested():
                self._encrypting = asyncio.ensure_future(self._encrypt(event))

    async def _encrypt(self, event: KeyRequested) -> None:
        try:
            self.channel.encrypt(*await self._peer.cipher(event))
        except SessionFailure as failure:
            self._failure = failure

    def _on_output(self, data: bytes) -> None:
        self._last_sign = time.monotonic()
        self._began = True
        try:
            for found in self._decoder.feed(data):
                if isinstance(found, frames.Frame):
                    self._last_frame = self._last_sign
                    self._take(found)
        except DamagedFrame as error:
            self._failure = self._lost(str(error))


class Downloads:
    """The download sessions beside one session, one at a time.

    :param take: called with each frame that comes.
    :param tell: called with what the program on the node must know: a session's name, and whether there will be no more.
    """

    def __init__(
        self,
        service: SessionService,
        settings: NodeSettings,
        allowance: Allowance,
        throttling: Throttling,
        take: t.Callable[[frames.Frame], None],
        tell: t.Callable[[str, bool], None],
    ) -> None:
        self._past = Figures()
        self._current: _Download | None = None
        self._service = service
        self._settings = settings
        self._allowance = allowance
        self._throttling = throttling
        self._take = take
        self._tell = tell
        self._serving: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()

    def asked(self, body: bytes) -> None:
        """Start a session, as the program on the node asks for; ValueError or KeyError when it does not ask as it should."""
        wanted = json.loads(body)
        name, python = str(wanted["socket"]), str(wanted["python"])
        if not _SOCKET.fullmatch(name):
            raise ValueError("a socket of a strange name")
        if self._serving and self._allowance.count_lost() > _MOST_LOST:
            self._allowance.refuse(_Lost("sessions for them broke again and again"))
        if self._settings.document_name:
            # Its key, its user and its log are part of why the user has named it.
            self._allowance.refuse(
                NodeUnreachable(f"there is one way only with a document of one's own, {self._settings.document_name}")
            )
        # The program has lost it, or would not ask for another.
        for task in self._serving:
            task.cancel()
        if self._allowance.refused or not self._settings.download_sessions:
            self._tell(name, True)
        else:
            _begin(self._run(name, python), self._serving)

    def figures(self) -> Figures:
        """Return what they have done so far."""
        if self._current is None:
            return self._past
        traffic = self._current.channel.traffic
        return self._past + Figures(sessions=1, bytes_up=traffic.bytes_up, bytes_down=traffic.bytes_down)

    async def close(self) -> None:
        """End them all."""
        for task in self._serving:
            task.cancel()
        while tasks := self._serving | self._ending:
            await asyncio.wait(tasks)

    async def _run(self, name: str, python: str) -> None:
        """Have one session from its start to its end, and tell the node of that."""
        try:
            await self._serve(name, python)
        except (_Lost, ServiceUnavailable) as failure:
            lost = self._allowance.count_lost()
            if lost > _MOST_LOST:
                self._allowance.refuse(failure)
            else:
                await asyncio.sleep(_FIRST_PAUSE * (2 ** (lost - 1) - 1))
        except SessionFailure as failure:
            self._allowance.refuse(failure)
        self._tell(name, self._allowance.refused)

    async def _serve(self, name: str, python: str) -> None:
        parameters = {"command": [shlex.join(courier_command(python, name))], "separateOutputStream": ["true"]}
        settings = self._settings
        starting = asyncio.ensure_future(
            self._service.start(settings.target, NONINTERACTIVE_DOCUMENT, parameters, settings.reason, self._throttling)
        )
        try:
            # Shielded: a session that AWS starts although we have given up must be known, to be terminated.
            started = await asyncio.shield(starting)
            url = at_endpoint(settings.messages_endpoint_url, started.stream_url)
            peer = _Peer(self._service, started.session_id, settings.target, self._throttling)
            self._current = _Download(url, started.token, peer, self._take)
            await self._current.run()
        finally:
            self._past, self._current = self.figures(), None
            _begin(self._terminate(starting), self._ending)

    async def _terminate(self, starting: asyncio.Future[Started]) -> None:
        """Terminate what was started; the network that it was lost with may come back."""
        started = await started_after_all(starting)
        if started is None:
            return
        with contextlib.suppress(SessionFailure):
            for attempt in range(_TERMINATING_ATTEMPTS):
                with contextlib.suppress(ServiceUnavailable):
                    await self._service.terminate(started.session_id, self._settings.target, self._throttling)
                    return
                await asyncio.sleep(attempt)


def _begin(work: t.Coroutine[t.Any, t.Any, None], tasks: set[asyncio.Task[None]]) -> None:
    """Begin something, and keep it among the tasks until it is over."""
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
