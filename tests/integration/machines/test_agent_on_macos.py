# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role agent on macOS, as far as it can be seen without a Mac: a booted Debian says that it is one.

Stand-ins take the part of installer, launchctl and pkgutil, and of the package; what they do is what the scripts of the agent's
sources need of them (Tools/src/update/darwin), and what they print is as short as it can be.
"""

from __future__ import annotations

import collections.abc
import io
import json
import pathlib
import tarfile
import typing as t

import pytest

from tests.integration.machines.playbooks import Playbooks, Run
from tests.machines import bucket
from tests.machines.machine import Machine
from tests.machines.site import Site

pytestmark = pytest.mark.long

_OLD, _NEW = "3.3.1.0", "3.3.2.0"
_PLACE = "/amazon-ssm-us-east-1"
_SIGNER = "Developer ID Installer: Example Corp (ABCDE12345)"
_NODE = "i-0123456789abcdef0"
_LABEL = "com.amazon.aws.ssm"
_SERVICE = f"/Library/LaunchDaemons/{_LABEL}.plist"
_CONFIG = "/opt/aws/ssm/amazon-ssm-agent.json"

_KERNEL = """
import os
def _uname(there=os.uname()):
    return os.uname_result(("Darwin", there.nodename, "23.6.0", "Darwin Kernel", "arm64"))
os.uname = _uname
"""
_PROGRAMS = {
    "launchctl": f"""#!/bin/sh
        echo launchctl $* >> /root/asked
        case $1 in
            list) [ $2 = {_LABEL} ] && [ -e /root/loaded ] || exit 113;;
            load) [ -e $3 ] && touch /root/loaded;;
            unload) rm -f /root/loaded;;
            *) exit 64;;
        esac
        exit 0
    """,
    "installer": f"""#!/bin/sh
        echo installer $* >> /root/asked
        [ "$1 $3 $4" = "-pkg -target /" ] || exit 64
        rm -f /root/loaded
        tar -xf $2 -C / && launchctl load -w {_SERVICE}
    """,
    "pkgutil": f"""#!/bin/sh
        case $1 in
            --check-signature) echo '   Status: signed by a developer certificate issued by Apple for distribution
   Certificate Chain:
    1. {_SIGNER}';;
            --forget) [ $2 = {_LABEL} ];;
            *) exit 64;;
        esac
    """,
}
_PACKAGE, _CONFIGURE = "Have the agent's package, verified", "Configure the agent on macOS"
_STOP, _START, _FORESEE = "Stop the agent on macOS", "Start the agent on macOS", "Foresee what launchd will be told"


def _package(version: str) -> bytes:
    """Make what the installer takes for a package."""
    identity = json.dumps({"instance-id": _NODE, "region": "us-east-1"})
    programs = {"amazon-ssm-agent": f"echo SSM Agent version: {version}", "ssm-cli": f"echo '{identity}'"}
    files = {f"opt/aws/ssm/bin/{name}": f"#!/bin/sh\n{line}\n" for name, line in programs.items()}
    files |= {_SERVICE.lstrip("/"): "<plist/>\n", "opt/aws/ssm/README.md": "read me\n"}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()


class Mac:
    """A machine that says it is a Mac, and the bucket with two versions of the agent."""

    def __init__(self, machine: Machine, serving: bucket.Bucket, folder: pathlib.Path) -> None:
        self.machine = machine
        self.content = serving.content
        self.playbooks = Playbooks(folder, {"mac": machine})
        libraries = machine.root / "usr/lib/python3/dist-packages"
        (libraries / "kernel_of_a_mac.py").write_text(_KERNEL, encoding="utf-8")
        (libraries / "kernel_of_a_mac.pth").write_text("import kernel_of_a_mac\n", encoding="utf-8")
        for name, text in _PROGRAMS.items():
            path = machine.root / "usr/bin" / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        self.publish(_OLD)

    def publish(self, newest: str) -> None:
        """Have the bucket hold both versions."""
        files = {f"{_PLACE}/{version}/darwin_arm64/amazon-ssm-agent.pkg": _package(version) for version in (_OLD, _NEW)}
        self.content.heal({**files, f"{_PLACE}/latest/VERSION": f"{newest}\n".encode()})

    def play(self, *arguments: str, entry: str = "main", **variables: t.Any) -> Run:
        """Run an entry point of the role."""
        given = {"agent_region": "us-east-1", "agent_macos_signers": [_SIGNER], **variables}
        return self.playbooks.role(entry, given, *arguments)

    def checked(self, entry: str = "main", **variables: t.Any) -> tuple[list[str], list[str]]:
        """Check, which must change nothing, and run; give what changed in each."""
        before = self.state()
        foretold = self.play("--check", entry=entry, **variables)
        assert self.state() == before, "the check changed something"
        run = self.play(entry=entry, **variables)
        assert foretold.code == run.code == 0, f"{foretold}\n{run}"
        return foretold.changed("mac"), run.changed("mac")

    def state(self) -> str:
        """Describe the machine as far as the role may change it."""
        return self.machine.run("sh", "-c", f"find /opt /Library -type f; cat {_CONFIG}; ls /root/loaded /tmp", check=False).stdout

    def runs(self) -> bool:
        """Say whether launchd has the agent."""
        return (self.machine.root / "root/loaded").exists()


@pytest.fixture(scope="module")
def mac(site: Site, tmp_path_factory: pytest.TempPathFactory) -> collections.abc.Iterator[Mac]:
    folder = tmp_path_factory.mktemp("mac")
    with bucket.Bucket(site.network.listen(443), folder) as serving:
        yield Mac(site.boot("mac", "debian", bucket.NAMES, serving.authority), serving, folder)


def test_a_bare_mac_gets_an_agent_which_is_configured_updated_stopped_and_removed(mac: Mac) -> None:
    wishes: dict[str, t.Any] = {"agent_config": {"Mds": {"CommandWorkersLimit": 8}}}
    run = mac.play("--check", **wishes)
    assert run.changed("mac") == [_CONFIGURE, _PACKAGE], str(run)
    run = mac.play(**wishes)
    assert run.changed("mac") == [_CONFIGURE, _PACKAGE], str(run)
    assert run.fact("mac", "agent_found") == {
        "kind": "pkg",
        "version": _OLD,
        "previous_version": None,
        "unit": _LABEL,
        "running": True,
        "enabled": True,
        "node_id": None,
        "region": None,
    }
    assert mac.runs()
    assert json.loads(mac.machine.output("cat", _CONFIG)) == wishes["agent_config"]
    again = mac.play(**wishes)
    assert (again.code, again.changed("mac")) == (0, []), str(again)
    assert again.fact("mac", "agent_found")["node_id"] == _NODE

    other: dict[str, t.Any] = {"agent_config": {"Mds": {"CommandWorkersLimit": 9}}}
    assert mac.checked(**other) == ([_CONFIGURE, _FORESEE], [_CONFIGURE, _STOP, _START])
    mac.publish(_NEW)
    assert mac.checked(agent_version="latest") == ([_PACKAGE], [_PACKAGE])
    assert mac.machine.output("/opt/aws/ssm/bin/amazon-ssm-agent", "-version").endswith(_NEW)
    stopped: dict[str, t.Any] = {"agent_service_state": "stopped", "agent_service_enabled": False}
    assert mac.checked(**stopped) == ([_FORESEE], [_STOP])
    assert not mac.runs()
    assert mac.checked() == ([_FORESEE], [_START])
    assert mac.runs()

    removed = ["Have no package of the agent on macOS"]
    assert mac.checked("uninstall") == (removed, removed)
    assert not mac.runs()
    assert mac.machine.output("find", "/opt/aws", "/Library", "-type", "f") == _CONFIG
    data = mac.play(entry="uninstall", agent_remove_data=True)
    assert data.changed("mac") == ["Have no data of the agent on macOS"], str(data)


def test_what_cannot_be_on_a_mac_is_refused_before_anything_is_changed(mac: Mac) -> None:
    before = mac.state()
    proxy = mac.play(agent_proxy={"https": "http://proxy.example:3128"})
    assert "agent_proxy cannot set those" in proxy.failure("mac")
    apart = mac.play(agent_service_enabled=False)
    assert "agent_service_state is started and agent_service_enabled is false. Set both alike." in apart.failure("mac")
    unknown = mac.play(agent_macos_signers=[])
    assert "name the first certificate of the chain in signers" in unknown.failure("mac")
    others = mac.play(agent_macos_signers=["Somebody"])
    assert "who is none of the signers" in others.failure("mac")
    assert mac.state() == before
