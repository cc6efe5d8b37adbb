# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places that are hard to work in: behind a proxy, with a home that cannot be written, on a node whose folders cannot."""

from __future__ import annotations

import collections.abc
import contextlib
import json
import os
import pathlib
import selectors
import socket
import threading
import urllib.parse

import pytest

from tests.integration.running_emulator import Ansible
from tests.listening import Listening

pytestmark = pytest.mark.long

_PING = "- ansible.builtin.ping:\n- ansible.builtin.command: echo it works\n  register: told\n"


class _Proxy:
    """An HTTP proxy: passes requests with a whole URL on, and makes tunnels (CONNECT); ``asked`` has the first line of each."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._listening = Listening(self._serve)
        self.url = f"http://127.0.0.1:{self._listening.port}"

    def close(self) -> None:
        self._listening.close()

    def _serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = client.recv(65_536)
            if not received:
                return
            head += received
        line = head.partition(b"\r\n")[0].decode()
        self.asked.append(line)
        method, target, _version = line.split()
        host, _colon, port = target.removeprefix("http://").partition("/")[0].partition(":")
        with client, socket.create_connection((host, int(port or 80))) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                # A request line with a whole URL is one that servers take too.
                server.sendall(head)
            _pass_on(client, server)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _events in selector.select():
                data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)


@pytest.fixture
def proxy() -> collections.abc.Iterator[_Proxy]:
    """A proxy that runs."""
    running = _Proxy()
    yield running
    running.close()


@pytest.mark.parametrize("spelling", [str.upper, str.lower], ids=["upper case", "lower case"])
def test_both_the_api_and_the_data_channel_go_through_the_environments_proxy(
    spelling: collections.abc.Callable[[str], str], ansible: Ansible, proxy: _Proxy
) -> None:
    ansible.environment |= {spelling("http_proxy"): proxy.url, spelling("https_proxy"): proxy.url, spelling("no_proxy"): ""}
    run = ansible.playbook(_PING, ansible.inventory("web-1"))
    assert run.code == 0, str(run)
    methods = [line.split()[0] for line in proxy.asked]
    assert "POST" in methods, "the API was not asked through the proxy"
    assert "CONNECT" in methods, "the data channel does not go through the proxy"
    # The session's end goes through it, too, and after the run.
    assert ansible.emulator.no_session_is_left()


def test_no_proxy_is_heeded(ansible: Ansible, proxy: _Proxy) -> None:
    run = ansible.playbook(
        _PING, ansible.inventory("web-1"), HTTP_PROXY=proxy.url, HTTPS_PROXY=proxy.url, NO_PROXY="127.0.0.1,localhost"
    )
    assert run.code == 0, str(run)
    assert proxy.asked == []


def test_endpoint_region_and_authority_may_be_options(ansible: Ansible) -> None:
    names = {"AWS_ENDPOINT_URL": "endpoint_url", "AWS_REGION": "region", "AWS_CA_BUNDLE": "ca_bundle"}
    options = {f"ansible_ssm_{option}": ansible.environment.pop(name) for name, option in names.items()}
    del ansible.environment["AWS_DEFAULT_REGION"]
    run = ansible.playbook(_PING, ansible.inventory("web-1", **options))
    assert run.code == 0, str(run)


def test_data_channels_may_be_opened_at_an_endpoint_of_ones_own(ansible: Ansible) -> None:
    service = json.loads((ansible.emulator.folder / "emulator.json").read_text(encoding="utf-8"))["messages_url"]
    there = urllib.parse.urlsplit(service)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        used = threading.Event()
        target = (str(there.hostname), int(there.port or 0))
        threading.Thread(target=_forward_one, args=(listening, target, used), daemon=True).start()
        endpoint = f"https://localhost:{listening.getsockname()[1]}"
        run = ansible.playbook(_PING, ansible.inventory("web-1", ansible_ssm_messages_endpoint_url=endpoint))
    assert run.code == 0, str(run)
    assert used.is_set()


def _forward_one(listening: socket.socket, there: tuple[str, int], used: threading.Event) -> None:
    """Pass the first connection on to somewhere else."""
    client, _address = listening.accept()
    used.set()
    with client, socket.create_connection(there) as server:
        _pass_on(client, server)


def test_a_controller_needs_no_home_that_it_can_write(ansible: Ansible) -> None:
    run = ansible.playbook(_PING, ansible.inventory("web-1"), HOME="/proc/nowhere")
    assert run.code == 0, str(run)


@pytest.mark.skipif(os.geteuid() != 0, reason="only nodes with a root folder of their own can have read-only folders: takes root")
def test_a_node_needs_no_folder_to_write_but_a_temporary_one_without_programs(ansible: Ansible, tmp_path: pathlib.Path) -> None:
    run = ansible.playbook(
        """
- ansible.builtin.raw: |
    for folder in /home/ssm-user /var/tmp /dev/shm; do mount -t tmpfs -o ro none $folder; done
    mount -t tmpfs -o noexec none /tmp
    chmod 1777 /tmp
  become: true
- ansible.builtin.raw: touch ~/x
  register: written
  failed_when: written.rc == 0
- ansible.builtin.raw: printf '#!/bin/sh' > /tmp/x; chmod 755 /tmp/x; /tmp/x
  register: executed
  failed_when: executed.rc != 126
- ansible.builtin.meta: reset_connection
- ansible.builtin.ping:
- ansible.builtin.command: echo it works
  become: true
- ansible.builtin.stat: {path: /etc/passwd}
- ansible.builtin.fetch: {src: /etc/hostname, dest: fetched, flat: true}
- ansible.builtin.raw: ls -A /tmp
  register: left
- ansible.builtin.assert: {that: "left.stdout == 'x\\n'"}
- ansible.builtin.raw: for folder in /home/ssm-user /tmp /var/tmp /dev/shm; do umount -l $folder; done
  become: true
""",
        ansible.inventory("web-2"),
    )
    assert run.code == 0, str(run)
    assert (tmp_path / "fetched").exists()
