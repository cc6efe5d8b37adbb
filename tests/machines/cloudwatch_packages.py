# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a stub CloudWatch agent, laid out as AWS's (Tools/src and packaging of aws/amazon-cloudwatch-agent)."""

from __future__ import annotations

import pathlib

from tests.machines import agent_packages

_STUB = pathlib.Path(__file__).parent / "stub_cloudwatch_agent"
_NAME = "amazon-cloudwatch-agent"
_BASE = pathlib.Path("opt/aws/amazon-cloudwatch-agent")
_COMMON_CONFIG = _BASE / "etc/common-config.toml"
_CONTROL = f"/{_BASE}/bin/amazon-cloudwatch-agent-ctl"
# All of AWS's start the one program.
_PROGRAMS = (_NAME, "config-translator", "config-downloader", "start-amazon-cloudwatch-agent")

_UNIT = f"""[Unit]
Description=Amazon CloudWatch Agent
After=network.target

[Service]
Type=simple
ExecStart=/{_BASE}/bin/start-amazon-cloudwatch-agent
KillMode=process
Restart=on-failure
RestartSec=60s

[Install]
WantedBy=multi-user.target
"""
_COMMON_CONFIG_TEXT = """# This common-config is used to configure items used for both ssm and cloudwatch access

# [credentials]
#    shared_credential_profile = "{profile_name}"
"""
# An update stops the agent and starts it again if it ran; nothing starts it after the first installation.
_BEFORE = f"{_CONTROL} -a prep-restart; {_CONTROL} -a stop"
_AFTER = f"if [ -d /run/systemd/system ]; then {_CONTROL} -a cond-restart; fi\n"

_SPEC = f"""
Name: {_NAME}
Version: VERSION
Release: 1
Summary: Stand-in for the CloudWatch agent
License: GPL-3.0-or-later
AutoReqProv: no
%description
For tests.
%files
FILES
%config(noreplace) /{_COMMON_CONFIG}
%pre
if [ "$1" -ge 2 ]; then {_BEFORE}; fi
%preun
if [ "$1" -eq 0 ]; then {_CONTROL} -a preun; fi
%posttrans
{_AFTER}
"""


def deb(folder: pathlib.Path, version: str) -> bytes:
    """Build a package for Debian."""
    scripts = {
        "preinst": f'if [ "$1" = upgrade ]; then {_BEFORE}; fi\n',
        "postinst": f'if [ "$1" = configure ]; then {_AFTER.strip()}; fi\n',
        "prerm": f'if [ "$1" = remove ]; then {_CONTROL} -a preun; fi\n',
    }
    return agent_packages.debbuild(
        _tree(folder / f"cloudwatch-deb-{version}", version), _NAME, version, scripts, f"/{_COMMON_CONFIG}"
    )


def rpm(folder: pathlib.Path, version: str) -> bytes:
    """Build a package for the RHEL family."""
    tree = _tree(folder / f"cloudwatch-rpm-{version}", version)
    paths = [path.relative_to(tree) for path in sorted(tree.rglob("*"))]
    files = [f"/{path}" for path in paths if (tree / path).is_file() and path != _COMMON_CONFIG]
    # Its own folders, so that they are there although they are empty.
    files += [f"%dir /{path}" for path in paths if (tree / path).is_dir() and path.is_relative_to(_BASE)]
    spec = _SPEC.replace("VERSION", version).replace("FILES", "\n".join(files))
    return agent_packages.rpmbuild(folder / f"cloudwatch-rpm-{version}-build", spec, tree)


def _tree(tree: pathlib.Path, version: str) -> pathlib.Path:
    for name in ("bin", "doc", "etc/amazon-cloudwatch-agent.d", "logs", "var"):
        (tree / _BASE / name).mkdir(parents=True)
    agent = (_STUB / f"{_NAME}.py").read_text(encoding="utf-8")
    programs = dict.fromkeys(_PROGRAMS, agent) | {
        "amazon-cloudwatch-agent-ctl": (_STUB / "amazon-cloudwatch-agent-ctl.py").read_text(encoding="utf-8")
    }
    for name, source in programs.items():
        (tree / _BASE / "bin" / name).write_text(f"#!/usr/bin/python3\n{source}", encoding="utf-8")
        (tree / _BASE / "bin" / name).chmod(0o755)
    (tree / _BASE / "bin/CWAGENT_VERSION").write_text(f"{version}\n", encoding="utf-8")
    (tree / _COMMON_CONFIG).write_text(_COMMON_CONFIG_TEXT, encoding="utf-8")
    (tree / "etc/systemd/system").mkdir(parents=True)
    (tree / f"etc/systemd/system/{_NAME}.service").write_text(_UNIT, encoding="utf-8")
    return tree
