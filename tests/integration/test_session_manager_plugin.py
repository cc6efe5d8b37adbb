# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real session-manager-plugin against the emulator's message service, started as the AWS CLI starts it, and by the AWS CLI."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import typing as t

import pytest

from tests.integration.long_tasks import LongSleep
from tests.integration.running_emulator import RunningEmulator
from tests.integration.terminal import Terminal


@dataclasses.dataclass(frozen=True)
class Node:
    """A node and the emulator that knows it."""

    emulator: RunningEmulator
    id: str

    def environment(self) -> dict[str, str]:
        """Return what the plugin is run with."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        given = self.emulator.environment
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return {**own, **given, **nowhere, "SSL_CERT_FILE": given["AWS_CA_BUNDLE"]}

    def command(self, document: str = "", **parameters: str) -> tuple[str, list[str]]:
        """Start a session; return its id and the command line that the AWS CLI makes of the answer."""
        request: dict[str, t.Any] = {"Target": self.id}
        if document:
            request["DocumentName"] = document
            request["Parameters"] = {name: [value] for name, value in parameters.items()}
        answer = self.emulator.client("ssm").start_session(**request)
        del answer["ResponseMetadata"]
        region = self.emulator.environment["AWS_REGION"]
        arguments = [json.dumps(answer), region, "StartSession", "", json.dumps(request), self.emulator.url]
        return answer["SessionId"], [os.environ["SESSION_MANAGER_PLUGIN"], *arguments]

    def plugin(self, document: str = "", **parameters: str) -> tuple[str, Terminal]:
        """Start a session with the plugin on a terminal."""
        session_id, command = self.command(document, **parameters)
        return session_id, Terminal(command, self.environment())

    def prompt(self, terminal: Terminal, text: str = "$ ") -> None:
        """Wait until the node asks for input and the plugin is ready to send some.

        It numbers the terminal's size and the first keys in two threads without a lock; keys that come too early get the
        size's number and are lost.
        """
        terminal.expect(text)
        terminal.wait_for_keys_unechoed()
        self.wait_for_silence()

    def wait_for_silence(self) -> None:
        """Wait until the plugin has nothing more to send."""
        before = -1
        while (sent := self.emulator.statistics()["websocket"]["client_up"]["messages"]) != before:
            before = sent
            time.sleep(0.15)

    def status(self, session_id: str) -> str:
        """Return what became of a session, once the agent has told it."""
        assert self.emulator.no_session_is_left(), "a session is open 5 s after its end"
        filters = [{"key": "SessionId", "value": session_id}]
        sessions = self.emulator.client("ssm").describe_sessions(State="History", Filters=filters)["Sessions"]
        return " ".join(session["Status"] for session in sessions)


def _node(request: pytest.FixtureRequest) -> Node:
    if not os.environ.get("SESSION_MANAGER_PLUGIN"):
        pytest.skip("SESSION_MANAGER_PLUGIN is not set: no real session-manager-plugin to test with")
    emulator: RunningEmulator = request.getfixturevalue("real_agents" if request.param.startswith("real") else "emulator")
    return Node(emulator, emulator.nodes()[request.param])


@pytest.fixture(params=["db-1", "real-1"], ids=["simulated", "real"])
def node(request: pytest.FixtureRequest) -> collections.abc.Iterator[Node]:
    """A node with either agent, unless the test names its own; no session survives the test."""
    found = _node(request)
    yield found
    found.emulator.terminate_sessions()


_every_kind = pytest.mark.parametrize("node", ["web-1", "db-1", "real-1"], ids=["ec2", "hybrid", "real"], indirect=True)
_hybrid = pytest.mark.parametrize("node", ["db-1"], ids=["hybrid"], indirect=True)
_real = pytest.mark.parametrize("node", ["real-1"], ids=["real"], indirect=True)


class _Echo(socketserver.BaseRequestHandler):
    """Sends back what comes, in capitals, to its end."""

    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.request.sendall(data.upper())


@pytest.fixture
def echo_port() -> collections.abc.Iterator[str]:
    """A server on the nodes: they share the network of whoever runs the tests."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_address[1])
        server.shutdown()


@_every_kind
def test_a_shell_is_opened_used_and_left(node: Node) -> None:
    session_id, terminal = node.plugin()
    with terminal:
        terminal.expect(f"Starting session with SessionId: {session_id}")
        node.prompt(terminal)
        terminal.type("echo $((6 * 7)) $(stty size)\n")
        terminal.expect("42 24 200")
        terminal.type("exit\n")
        terminal.expect(f"Exiting session with sessionId: {session_id}")
        assert terminal.code() == 0
    assert node.status(session_id) == "Terminated"


def test_control_c_interrupts_the_remote_command_and_not_the_session(node: Node) -> None:
    session_id, terminal = node.plugin()
    with terminal:
        node.prompt(terminal)
        sleep = LongSleep()
        terminal.type(f"{sleep.command}; echo not re''ached\n")
        assert sleep.begins()
        terminal.type("\x03")
        assert "not reached" not in terminal.expect("$ ")
        terminal.type("echo still $((40 + 2))\n")
        terminal.expect("still 42")
        terminal.type("exit\n")
        assert terminal.code() == 0
    assert node.status(session_id) == "Terminated"


def test_a_session_that_is_terminated_from_elsewhere_ends_the_plugin(node: Node) -> None:
    session_id, terminal = node.plugin()
    with terminal:
        terminal.expect("$ ")
        node.emulator.client("ssm").terminate_session(SessionId=session_id)
        terminal.expect(f"Exiting session with sessionId: {session_id}")
        assert terminal.code() == 0


def test_a_cut_line_is_resumed_and_the_shell_goes_on(node: Node) -> None:
    session_id, terminal = node.plugin()
    with terminal:
        node.prompt(terminal)
        terminal.type("echo cut me; sleep 1.5; echo resumed $((40 + 2))\n")
        terminal.expect("\ncut me")
        # The plugin hangs when a cut takes away an acknowledgement, and gives up when it cannot send what is typed.
        node.wait_for_silence()
        node.emulator.order({"cut": {"side": "client"}})
        terminal.expect("resumed 42")
        terminal.type("exit\n")
        assert terminal.code() == 0
    assert node.emulator.calls("ssm:ResumeSession") >= 1
    assert node.status(session_id) == "Terminated"


def test_a_command_without_a_terminal_delivers_its_output(node: Node) -> None:
    session_id, terminal = node.plugin("AWS-StartNonInteractiveCommand", command="expr 6 '*' 7")
    with terminal:
        terminal.expect("42\r\n")
        terminal.expect(f"Exiting session with sessionId: {session_id}")
        assert terminal.code() == 0
    assert node.status(session_id) == "Terminated"


def test_an_interactive_command_reads_what_is_typed(node: Node) -> None:
    session_id, terminal = node.plugin("AWS-StartInteractiveCommand", command="printf 'name? '; read name; echo hello, $name")
    with terminal:
        node.prompt(terminal, "name? ")
        terminal.type("world\n")
        terminal.expect("hello, world")
        terminal.expect(f"Exiting session with sessionId: {session_id}")
        assert terminal.code() == 0
    assert node.status(session_id) == "Terminated"


def test_ssh_finds_its_server_through_the_plugins_standard_streams(node: Node, echo_port: str) -> None:
    session_id, command = node.command("AWS-StartSSHSession", portNumber=echo_port)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=node.environment(), stdin=pipe, stdout=pipe, stderr=pipe) as plugin:
        assert plugin.stdin is not None
        assert plugin.stdout is not None
        try:
            plugin.stdin.write(b"ssh-2.0-client\r\n")
            plugin.stdin.flush()
            assert _line_with(plugin.stdout, b"SSH-2.0") == b"SSH-2.0-CLIENT\r\n"
            node.emulator.client("ssm").terminate_session(SessionId=session_id)
            assert plugin.wait(10) == 0
        finally:
            plugin.kill()


def _line_with(stream: t.IO[bytes], text: bytes) -> bytes:
    # The plugin greets on the same stream.
    return next((line for line in stream if text in line), b"")


@contextlib.contextmanager
def _forwarded(node: Node, port: str) -> collections.abc.Iterator[tuple[str, int]]:
    """Forward a port of the node; give the session's id and the port on this side.

    When something arrives while the plugin sets up its streams, its reader dies, and it does not say so: then it is tried again.
    """
    for _attempt in range(5):
        session_id, terminal = node.plugin("AWS-StartPortForwardingSession", portNumber=port, localPortNumber="0")
        with terminal:
            terminal.expect("Port ")
            here = int(terminal.expect(" opened"))
            terminal.expect("Waiting for connections")
            if answers := _answers(here):
                yield session_id, here
            node.emulator.client("ssm").terminate_session(SessionId=session_id)
            if answers:
                assert terminal.code() == 0
                return
    pytest.fail("none of five plugins forwarded a port")


def _answers(port: int) -> bool:
    with contextlib.suppress(TimeoutError), socket.create_connection(("127.0.0.1", port), 3) as line:
        line.sendall(b"x")
        return line.recv(1) == b"X"
    return False


@_real
def test_a_forwarded_port_carries_several_connections_at_once(node: Node, echo_port: str) -> None:
    with _forwarded(node, echo_port) as (session_id, port), contextlib.ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _time in range(2)]
        for number, line in enumerate(lines):
            line.sendall(f"connection {number};".encode())
        said = [_receive(line, len("connection 0;")) for line in lines]
    assert said == [b"CONNECTION 0;", b"CONNECTION 1;"]
    assert node.status(session_id) == "Terminated"


@_real
def test_a_megabyte_passes_a_forwarded_port_unchanged(node: Node, echo_port: str) -> None:
    content = os.urandom(500_000).hex().encode()
    with contextlib.ExitStack() as stack:
        _session_id, port = stack.enter_context(_forwarded(node, echo_port))
        line = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
        threading.Thread(target=line.sendall, args=(content,), daemon=True).start()
        assert _receive(line, len(content)) == content.upper()


def _receive(line: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (data := line.recv(65_536)):
        found += data
    return bytes(found)


@_hybrid
def test_the_aws_cli_opens_a_shell(node: Node, tmp_path: pathlib.Path) -> None:
    aws = shutil.which("aws")
    if aws is None or subprocess.run([aws, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no AWS CLI on PATH that works")
    (tmp_path / "session-manager-plugin").symlink_to(os.environ["SESSION_MANAGER_PLUGIN"])
    environment = node.environment()
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    with Terminal([aws, "ssm", "start-session", "--target", node.id], environment) as terminal:
        terminal.expect("Starting session with SessionId: ")
        session_id = terminal.expect("\r\n")
        node.prompt(terminal)
        terminal.type("echo $((6 * 7))\n")
        terminal.expect("\n42\r")
        terminal.type("exit\n")
        assert terminal.code() == 0
    assert re.fullmatch(r"demo-[0-9a-f]{17}", session_id)
    assert node.status(session_id) == "Terminated"
