# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one session to a managed node, from StartSession to its end, with the node program in it.

Requests are sent before the node has said anything: its agent holds back the first output of every session for a second, while
input arrives at once.
"""

from __future__ import annotations

import asyncio
import secrets
import traceback
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._session import (
    absence,
    bootstrap,
    cutting,
    diagnosis,
    frames,
    parcels,
    posix_lines,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel import Channel, at_endpoint
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.channel_events import (
    Closed,
    Event,
    Failed,
    HandshakeComplete,
    KeyRequested,
    Output,
    SessionType,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.download import Allowance, Downloads
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.exchange import Exchange, failure_of
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.failures import (
    BrokerBroken,
    NodeUnreachable,
    SessionFailure,
)
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.figures import Figures, RoundTrips, Throttling
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.greeting import Greeting
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.messages import PayloadType
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.openings import SESSION_TYPES
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.pieces import PieceLedger
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.posix_conversation import Conversation
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.program_input import ProgramInput
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.program_output import MALFORMED, Found, ProgramOutput
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.protocol import DataChannelProtocol
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_peer import SessionPeer
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.session_service import SessionService
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.settings import NodeSettings
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.starting import Starting
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.terminal_output import Remark
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.windows_conversation import WindowsConversation

_CHANNEL_AHEAD = 2 * 1024 * 1024
"""Bytes given to the channel before the node has acknowledged them."""


class _DeafAgent(Exception):
    """The agent does not hear us any more; nothing of what it was sent was acted on."""


class Session:
    """One session, from StartSession to its end."""

    def __init__(self, service: SessionService, settings: NodeSettings, allowance: Allowance) -> None:
        self._service = service
        self._settings = settings
        self._input = ProgramInput()
        self._posix: Conversation | None = None
        self._windows = WindowsConversation() if settings.windows else None
        self._output = ProgramOutput(self._on_found, self._windows)
        self._ledger = PieceLedger()
        self._exchanges: dict[int, Exchange] = {}
        self._requests = 0
        self._greeting = Greeting(settings.connection_timeout, self._on_overdue)
        self._throttling = Throttling()
        self._starting = Starting(service, settings, self._throttling)
        self._downloads = Downloads(service, settings, allowance, self._throttling, self._take_download, self._tell_of_download)
        self._round_trips = RoundTrips()
        self._changed = asyncio.Event()
        self._told = False
        self._peer: SessionPeer | None = None
        self._channel: Channel | None = None
        self._key = ""
        self._encrypting: asyncio.Future[None] | None = None
        self._abandoned = Figures()
        self._failure: SessionFailure | None = None
        self._task = asyncio.ensure_future(self._run())

    @property
    def usable(self) -> bool:
        """Whether new requests may be given to it."""
        return self._failure is None

    @property
    def lacks_python(self) -> bool:
        """Whether the node has been found to have no Python; it is looked for again before each request."""
        return self._posix is not None

    @property
    def greeted_at(self) -> float | None:
        """When the program greeted, by the event loop's clock; None when it has not yet."""
        return self._greeting.at

    def exchange(self) -> Exchange:
        """Begin a request."""
        self._requests += 1
        exchange = Exchange(self._requests, self._ledger, self._send, self._round_trips)
        if self._failure is not None:
            exchange.fail(self._failure)
        else:
            self._exchanges[exchange.request] = exchange
        return exchange

    def figures(self) -> Figures:
        """Return what this session has done so far."""
        return (
            self._abandoned
            + self._opened_figures()
            + self._downloads.figures()
            + Figures(
                requests=self._requests,
                round_trips=self._round_trips.count,
                throttles=self._throttling.count,
                throttle_seconds=self._throttling.seconds,
                bytes_saved=self._ledger.saved,
            )
        )

    def _opened_figures(self) -> Figures:
        if self._channel is None:
            return Figures()
        traffic = self._channel.traffic
        return Figures(sessions=1, reconnects=traffic.reconnects, bytes_up=traffic.bytes_up, bytes_down=traffic.bytes_down)

    def news(self) -> dict[str, t.Any] | None:
        """Tell once what a session that has begun is: its id, document, region and access key, node user, and how long it took."""
        greeting = self._greeting
        if self._told or greeting.facts is None:
            return None
        self._told = True
        return {
            "session": self._starting.started.session_id,
            "document": self._starting.document,
            "region": self._service.region,
            "access_key": self._service.access_key,
            "user": str(greeting.facts.get("user")),
            "python": str(greeting.facts.get("python")),
            "seconds": dict(greeting.seconds),
        }

    def tell_again(self) -> None:
        """Have news for another controller."""
        self._told = False

    async def greeted(self) -> None:
        """Wait until the program has greeted; raise what the session fails of before."""
        while self._greeting.facts is None and self._failure is None:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    async def room(self) -> None:
        """Wait until the channel takes more."""
        if self._channel is not None and await self._channel.room(_CHANNEL_AHEAD):
            self._round_trips.count += 1

    async def end(self) -> None:
        """Terminate the session."""
        self._fail(NodeUnreachable(f"the session to {self._settings.target} was ended"))
        # Whoever waits may go away; the session is terminated nevertheless.
        await asyncio.wait((self._task,))

    # -- the session's life -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._starting.start()
            self._greeting.expect()
            try:
                await self._serve()
            except _DeafAgent:
                await self._start_again()
                await self._serve()
            finally:
                self._greeting.give_up()
            self._fail(NodeUnreachable(f"the session to {self._settings.target} ended{self._output.noise()}"))
        except SessionFailure as failure:
            self._fail(failure)
        except Exception as error:
            # Whoever waits for this session would wait for ever.
            traceback.print_exc()
            self._fail(BrokerBroken(f"an error of fleet.ssm ended the session to {self._settings.target}: {error!r}"))
        finally:
            await self._clean_up()

    async def _serve(self) -> None:
        """Be the channel until it is closed."""
        channel = self._open_channel()
        saying = self._say_program(channel) if self._windows is None else self._converse(self._windows, channel)
        beside = [asyncio.ensure_future(saying), asyncio.ensure_future(self._watch(channel))]
        try:
            await channel.run()
        finally:
            for task in beside:
                task.cancel()

    async def _start_again(self) -> None:
        """Start another session in place of one whose agent is deaf; it gets all that the first one got."""
        await self._stop_what_is_beside()
        await self._starting.start_again()

    def _open_channel(self) -> Channel:
        started = self._starting.started
        self._greeting.note("StartSession")
        if self._settings.logging_warning:
            self._service.look_for_logging(self._starting.document)
        self._abandoned += self._opened_figures()
        self._peer = SessionPeer(self._service, started.session_id, self._settings.target, self._throttling)
        handshakes = self._starting.document in self._service.shaking_hands
        self._channel = channel = Channel(
            at_endpoint(self._settings.messages_endpoint_url, started.stream_url),
            started.token,
            self._peer,
            self._on_event,
            reconnect_seconds=self._settings.reconnect_timeout,
            protocol=DataChannelProtocol(handshakes=handshakes, filler=parcels.FILLER, stall_seconds=self._settings.stall_timeout),
        )
        return channel

    async def _say_program(self, channel: Channel) -> None:
        """Send the program until it greets."""
        # It is made in the time that the agent takes anyway, and no sooner: what a service says of a session that failed at once,
        # it says to whose socket is there.
        await channel.opened.wait()
        command = bootstrap.session_command(self._settings.pythons).encode() + b"\n"
        self._input.begin(channel, command if self._starting.typed else b"")
        await self._input.insist(channel)

    def _go_on_without_python(self) -> None:
        """Have the shell read the program that needs none, and give it what was sent to the other one."""
        self._greeting.note("first word")
        mark = secrets.token_hex(16).encode()
        self._output.read_by(posix_lines.Decoder())
        self._posix = Conversation(self._input.say, self._on_frame, mark, self._settings.python_advice)
        for line in bootstrap.posix_program(self._settings.pythons, mark, self._input.next_parcel):
            self._input.say(line)
        for frame in self._input.unheard:
            self._posix.take(frame)

    def _go_on_with_python(self, posix: Conversation) -> None:
        """Send the program to the Python that the node has by now, with the requests that the shell has not begun."""
        self._output.read_by(frames.Decoder())
        self._posix = None
        self._greeting.expect()
        self._input.begin_again()
        # The pieces it is to remember are those that are sent from now on.
        self._ledger.forget()
        for job in posix.hand_over():
            content = cutting.cut(job.content)
            self._exchanges[job.request].open(frames.Kind(job.kind), job.order, content, last=job.ended, flags=job.flags)

    async def _clean_up(self) -> None:
        """Leave nothing behind."""
        await self._stop_what_is_beside()
        await self._starting.terminate()

    async def _stop_what_is_beside(self) -> None:
        if self._encrypting is not None:
            self._encrypting.cancel()
        await self._downloads.close()

    def _on_overdue(self) -> None:
        self._fail(
            NodeUnreachable(
                f"the program sent to {self._settings.target} did not answer within {self._settings.connection_timeout:g} s"
                f" (connection_timeout){self._output.noise()}"
            )
        )

    def _fail(self, failure: SessionFailure) -> None:
        """Give up the session; every request under way fails for that reason."""
        if self._failure is not None:
            return
        self._failure = failure
        self._changed.set()
        for exchange in self._exchanges.values():
            exchange.fail(failure)
        self._exchanges.clear()
        if self._task is not asyncio.current_task():
            self._task.cancel()

    # -- what goes and comes ------------------------------------------------------------------------------------------

    def _send(self, frame: frames.Frame) -> None:
        if self._failure is not None:
            return
        if self._windows is not None:
            self._windows.write(frames.encode(frame))
            return
        if self._posix is not None:
            self._posix.take(frame)
            return
        self._input.write(frame)

    async def _watch(self, channel: Channel) -> None:
        """Give the session up when its node has gone."""
        target = self._settings.target
        await absence.until_gone(lambda: channel.protocol.backlog, lambda: self._service.is_connected(target))
        self._fail(
            NodeUnreachable(
                f"the agent on {target} acknowledges nothing any more, and was not connected to Systems Manager when AWS was asked:"
                " the node was rebooted or switched off, its agent was restarted, or its network is down"
            )
        )

    async def _converse(self, windows: WindowsConversation, channel: Channel) -> None:
        """Talk to a Windows node for as long as its program listens."""
        await windows.run(channel)
        self._fail(
            NodeUnreachable(
                f"the program on {self._settings.target} does not listen any more, although its agent does{self._output.noise()}"
            )
        )

    def _on_event(self, event: Event) -> None:
        _EVENTS[type(event)](self, event)

    def _on_output(self, event: Output) -> None:
        if event.payload_type != PayloadType.OUTPUT:
            self._output.remember(event.data)
            return
        try:
            self._output.take(event.data)
        except MALFORMED as error:
            self._fail(
                NodeUnreachable(f"{self._settings.target} sent what its program never sends ({error}); the session was given up")
            )

    def _on_found(self, found: Found) -> None:
        if isinstance(found, Remark):
            self._on_remark(found)
        elif isinstance(found, frames.Frame):
            self._on_frame(found)
        elif self._posix is not None:
            self._posix.hear(found)

    def _on_remark(self, remark: Remark) -> None:
        if remark.name == bootstrap.PYTHON_MISSING and self._greeting.facts is None and self._posix is None:
            self._go_on_without_python()
        elif remark.name == bootstrap.READY and self._posix is not None:
            self._go_on_with_python(self._posix)
        elif remark.name == bootstrap.READY:
            self._greeting.note("first word")
            self._input.is_read()

    def _on_frame(self, frame: frames.Frame) -> None:
        if frame.kind == frames.Kind.HELLO:
            self._greeting.take(frame.body)
            self._changed.set()
            self._input.has_greeted()
        elif frame.kind == frames.Kind.DOWNLOAD:
            self._downloads.asked(frame.body)
        elif frame.request == 0:
            self._fail(NodeUnreachable(str(failure_of(frame))))
        elif (exchange := self._exchanges.get(frame.request)) is not None and exchange.take(frame):
            del self._exchanges[frame.request]

    def _take_download(self, frame: frames.Frame) -> None:
        """Take a frame that came by a download session."""
        try:
            self._on_frame(frame)
        except MALFORMED as error:
            self._fail(NodeUnreachable(f"{self._settings.target} sent what its program never sends ({error})"))

    def _tell_of_download(self, name: str, for_good: bool) -> None:
        """Tell the program that a download session is over, and whether there will be no other."""
        self._send(frames.Frame(frames.Kind.DOWNLOAD, 0, name.encode(), last=for_good))

    def _on_closed(self, event: Closed) -> None:
        reason = event.reason.strip()
        about = {
            "target": self._settings.target,
            "region": self._service.region,
            "document": self._starting.document,
            "key": self._key,
        }
        if (sentence := diagnosis.diagnose(diagnosis.CLOSED, reason, **about)) is not None:
            self._fail(NodeUnreachable(sentence))
            return
        reason = f": {reason}" if reason else ""
        self._fail(NodeUnreachable(f"the session to {self._settings.target} was closed{reason}{self._output.noise()}"))

    def _on_failed(self, event: Failed) -> None:
        self._fail(NodeUnreachable(event.reason))

    def _on_session_type(self, event: SessionType) -> None:
        if event.name not in SESSION_TYPES:
            self._fail(
                NodeUnreachable(
                    f"the session document {self._starting.document} has the session type {event.name}, with which Ansible can do"
                    f" nothing. Name one of the type {' or '.join(SESSION_TYPES)} in document_name (ansible_ssm_document_name)."
                )
            )

    def _on_key_requested(self, event: KeyRequested) -> None:
        self._key = event.key_id
        self._service.shaking_hands.add(self._starting.document)
        if event.deaf:
            raise _DeafAgent
        self._encrypting = asyncio.ensure_future(self._encrypt(event))

    async def _encrypt(self, event: KeyRequested) -> None:
        if self._peer is None or self._channel is None:
            return
        try:
            self._channel.encrypt(*await self._peer.cipher(event))
        except SessionFailure as failure:
            self._fail(failure)

    def _ignore(self, _event: Event) -> None:
        """Do nothing."""


_EVENTS: dict[type, t.Callable[[Session, t.Any], None]] = {
    Output: Session._on_output,
    Closed: Session._on_closed,
    Failed: Session._on_failed,
    SessionType: Session._on_session_type,
    KeyRequested: Session._on_key_requested,
    HandshakeComplete: Session._ignore,
}
