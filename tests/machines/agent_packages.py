# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of an agent as AWS lays them out: a stub's, or the real one's where SSM_AGENT_BIN names its programs."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import textwrap

_STUB = pathlib.Path(__file__).parent / "stub_agent"
_EMULATOR = pathlib.Path(__file__).parents[1] / "emulator"
_NAME = "amazon-ssm-agent"
# The names of the real agent's programs; all are needed beside each other.
_PROGRAMS = (_NAME, "ssm-agent-worker", "ssm-cli", "ssm-document-worker", "ssm-session-logger", "ssm-session-worker")

_UNIT = """[Unit]
Description=amazon-ssm-agent
After=network-online.target

[Service]
Type=simple
WorkingDirectory=/usr/bin/
ExecStart=/usr/bin/amazon-ssm-agent
KillMode=process
Restart=always
RestartPreventExitStatus=194
RestartSec=90

[Install]
WantedBy=multi-user.target
"""

# What the scripts of the real packages do (packaging/ubuntu and packaging/linux of aws/amazon-ssm-agent): stop before, start after;
# and the deb refuses where snap has the agent.
_STOP = "if [ -d /run/systemd/system ]; then systemctl stop amazon-ssm-agent; systemctl daemon-reload; fi; true\n"
_REFUSE = """if systemctl is-active --quiet snapd.service && snap list | grep amazon-ssm-agent; then
echo "-> Amazon-ssm-agent is installed in this instance by snap, please use snap to update or uninstall."; exit 1; fi
"""
_GO = (
    "if [ -d /run/systemd/system ]; then systemctl daemon-reload; systemctl enable amazon-ssm-agent;"
    " systemctl start amazon-ssm-agent; fi\n"
)
_GONE = (
    "if [ -d /run/systemd/system ]; then systemctl stop amazon-ssm-agent; systemctl disable amazon-ssm-agent;"
    " systemctl daemon-reload; fi; true\n"
)

_SPEC = """
Name: {name}
Version: {version}
Release: 1
Summary: Stand-in for the SSM agent
License: GPL-3.0-or-later
AutoReqProv: no
%description
For tests.
%files
/
%pre
if [ "$1" -ge 2 ]; then {stop}; fi
%preun
if [ "$1" -eq 0 ]; then {gone}; fi
%posttrans
{go}
"""

_PLATFORM = """
Name: platform
Version: 1
Release: 1
BuildArch: noarch
Summary: What a look-alike has although its rpm did not install it
License: GPL-3.0-or-later
Provides: /bin/sh
%description
For tests.
%files
"""


def real_programs() -> pathlib.Path | None:
    """Return the folder of the real agent's programs, if there is one."""
    folder = os.environ.get("SSM_AGENT_BIN")
    return pathlib.Path(folder) if folder else None


def version_of(programs: pathlib.Path) -> str:
    """Ask a real agent for its version."""
    said = subprocess.run([programs / _NAME, "-version"], check=True, capture_output=True, text=True).stdout
    return str(re.findall(r"\d+(?:\.\d+){3}", said)[0])


def deb(folder: pathlib.Path, version: str, programs: pathlib.Path | None = None) -> bytes:
    """Build a package for Debian, of the stub unless real programs are given."""
    tree = _tree(folder / f"deb-{version}", "lib/systemd/system", version, programs)
    return debbuild(tree, _NAME, version, {"preinst": _REFUSE + _STOP, "postinst": _GO, "prerm": _GONE})


def debbuild(tree: pathlib.Path, name: str, version: str, scripts: dict[str, str], configuration: str = "") -> bytes:
    """Make a package of a tree; scripts by their names, configuration is one file that is the user's."""
    control = tree / "DEBIAN"
    control.mkdir()
    head = f"Package: {name}\nVersion: {version}-1\nArchitecture: amd64\nMaintainer: fleet.ssm\nDescription: For tests\n"
    (control / "control").write_text(head, encoding="utf-8")
    for script, body in scripts.items():
        (control / script).write_text(f"#!/bin/sh\n{body}", encoding="utf-8")
        (control / script).chmod(0o755)
    if configuration:
        (control / "conffiles").write_text(f"{configuration}\n", encoding="utf-8")
    file = tree.with_name(f"{tree.name}.deb")
    # Level 1: there is nothing to save.
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, file], check=True, stdout=subprocess.DEVNULL)
    return file.read_bytes()


def rpm(folder: pathlib.Path, version: str, programs: pathlib.Path | None = None) -> bytes:
    """Build a package for the RHEL family."""
    tree = _tree(folder / f"rpm-{version}", "etc/systemd/system", version, programs)
    spec = _SPEC.format(name=_NAME, version=version, stop=_STOP.strip(), gone=_GONE.strip(), go=_GO.strip())
    files = "\n".join(f"/{path.relative_to(tree)}" for path in sorted(tree.rglob("*")) if path.is_file())
    return rpmbuild(folder / f"rpm-{version}-build", spec.replace("%files\n/", f"%files\n{files}"), tree)


def platform_rpm(folder: pathlib.Path) -> bytes:
    """Build the package that tells rpm of a look-alike what is there."""
    tree = folder / "platform"
    tree.mkdir()
    return rpmbuild(folder / "platform-build", _PLATFORM, tree)


def _tree(tree: pathlib.Path, units: str, version: str, programs: pathlib.Path | None) -> pathlib.Path:
    binaries = tree / "usr/bin"
    binaries.mkdir(parents=True)
    for name in _PROGRAMS:
        if programs:
            os.link(programs / name, binaries / name) if _same_device(programs, binaries) else shutil.copy2(
                programs / name, binaries / name
            )
        elif (_STUB / f"{name}.py").exists():
            source = (_STUB / f"{name}.py").read_text(encoding="utf-8")
            (binaries / name).write_text(f"#!/usr/bin/python3\n{source}", encoding="utf-8")
            (binaries / name).chmod(0o755)
    if not programs:
        _add_simulated_agent(tree / "usr/lib/amazon-ssm-agent/tests/emulator")
    (tree / units).mkdir(parents=True)
    (tree / units / f"{_NAME}.service").write_text(_UNIT, encoding="utf-8")
    (tree / "etc/amazon/ssm").mkdir(parents=True)
    (tree / "etc/amazon/ssm/amazon-ssm-agent.json.template").write_text('{"Profile": {}}\n', encoding="utf-8")
    (tree / "usr/share/amazon-ssm-agent").mkdir(parents=True)
    (tree / "usr/share/amazon-ssm-agent/VERSION").write_text(f"{version}\n", encoding="utf-8")
    return tree


def _add_simulated_agent(folder: pathlib.Path) -> None:
    shutil.copytree(_EMULATOR / "agent", folder / "agent", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__", "node_settings", "wire"):
        shutil.copy(_EMULATOR / f"{name}.py", folder / f"{name}.py")


def _same_device(one: pathlib.Path, other: pathlib.Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def rpmbuild(top: pathlib.Path, spec: str, tree: pathlib.Path) -> bytes:
    """Make a package of a tree by a spec."""
    top.mkdir()
    (top / "package.spec").write_text(textwrap.dedent(spec), encoding="utf-8")
    # rpm removes the build root when it is done, so it gets a copy; programs are taken as they are.
    macros = {"_topdir": str(top), "_rpmdir": f"{top}/out", "__os_install_post": "%{nil}", "_build_id_links": "none"}
    macros |= {"_binary_payload": "w1.gzdio", "debug_package": "%{nil}"}
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    root = top / "root"
    shutil.copytree(tree, root, symlinks=True)
    command = ["rpmbuild", "-bb", "--quiet", "--target", "x86_64", f"--buildroot={root}", *defines, f"{top}/package.spec"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (built,) = (top / "out").rglob("*.rpm")
    return built.read_bytes()
