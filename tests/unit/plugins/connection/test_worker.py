# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a forked worker loads: on macOS it dies of Objective-C after a fork, which boto3 and the look-up of proxies bring in."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

#: A worker's life: the plugin is loaded, announces what it asks a broker that runs, has it run a command and moves a file each way.
_WORKER = r"""
import json, os, socket, sys, tempfile, threading

import ansible.plugins.connection
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import become_loader, connection_loader, init_plugin_loader, shell_loader

init_plugin_loader()
for loader in (become_loader, connection_loader, shell_loader):
    list(loader.all(class_only=True))
connection_loader.get("fleet.ssm.no_such_plugin")
sys.platform = "darwin"
had = set(sys.modules)

connection = connection_loader.get("fleet.ssm.session", PlayContext(), os.devnull)
connection.set_options(var_options={"inventory_hostname": "i-0123456789abcdef0"})
from ansible_collections.fleet.ssm.plugins.plugin_utils._session import requests
from ansible_collections.fleet.ssm.plugins.plugin_utils._session.broker_place import BrokerPlace

ours, theirs = socket.socketpair()

operations = []

def broker():
    while True:
        lengths = theirs.recv(requests.LENGTHS.size, socket.MSG_WAITALL)
        if not lengths:
            return
        header_length, body_length = requests.LENGTHS.unpack(lengths)
        asked = requests.decode_header(theirs.recv(header_length, socket.MSG_WAITALL))
        theirs.recv(body_length + asked.get("size", 0), socket.MSG_WAITALL)
        operations.append(asked["operation"])
        if asked["operation"] == "announce":
            continue
        ending = {"event": "exit", "code": 7, "lacks_python": False} if asked["operation"] == "execute" else {"event": "done"}
        if asked["operation"] == "get":
            ending["sha256"] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        theirs.sendall(requests.encode(ending))

threading.Thread(target=broker, daemon=True).start()
BrokerPlace.connect = BrokerPlace.connect_existing = lambda _self: ours
for _module in range(2):
    assert connection.module_implementation_preferences == ("",)
assert connection.exec_command("true") == (7, b"", b"")
# Once, although Ansible asks for each module that a task runs.
assert operations == ["announce", "execute"], operations
with tempfile.TemporaryDirectory() as folder:
    open(f"{folder}/up", "w").write("x")
    connection.put_file(f"{folder}/up", "/tmp/up")
    connection.fetch_file("/tmp/down", f"{folder}/down")
connection.transport_test(5)
connection.reset()
connection.close()
print(json.dumps(sorted(set(sys.modules) - had)))
"""


def _loaded() -> list[str]:
    done = subprocess.run([sys.executable, "-c", _WORKER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def test_a_worker_loads_nothing_that_is_unsafe_after_a_fork_on_macos() -> None:
    forbidden = {
        "boto3",
        "botocore",
        "asyncio",
        "websockets",
        "cryptography",
        "ssl",
        "urllib",
        "http",
        "_scproxy",
        "ctypes",
        "objc",
    }
    loaded = _loaded()
    assert "ansible_collections.fleet.ssm.plugins.plugin_utils._session.client" in loaded
    assert [name for name in loaded if name.partition(".")[0] in forbidden] == []


def test_a_worker_loads_what_it_needs_and_no_more() -> None:
    prefix = "ansible_collections.fleet.ssm.plugins."
    ours: t.Iterable[str] = (name.removeprefix(prefix) for name in _loaded() if name.startswith(prefix) and name.count(".") > 5)
    assert set(ours) == {
        *(f"plugin_utils._session.{name}" for name in ("broker_place", "client", "failures", "flags", "requests", "settings")),
        "module_utils._aws.options",
    }
