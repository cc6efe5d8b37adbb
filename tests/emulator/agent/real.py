# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real amazon-ssm-agent on a machine with a root of its own: its programs are copied in, nothing of it touches the host.

Hybrid only: an EC2 agent asks the instance metadata service who it is, which does not exist here. Paths and settings are the
agent's own (agent/appconfig/constants_unix.go, appconfig.go).
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

from tests.emulator.agent import isolation
from tests.emulator.node_settings import NodeSettings

_PROGRAMS = ("amazon-ssm-agent", "ssm-agent-worker", "ssm-session-worker", "ssm-document-worker", "ssm-cli", "ssm-session-logger")
_BIN = pathlib.Path("/usr/bin")
_CONFIGURATION = pathlib.Path("/etc/amazon/ssm/amazon-ssm-agent.json")
_AUTHORITY = pathlib.Path("/etc/amazon/ssm/emulator-ca.pem")
_REGISTRATION_SECONDS = 60


def live(settings: NodeSettings, folder: pathlib.Path) -> None:
    """Become the agent; never returns."""
    authority = settings.ca_file.read_bytes()
    copied = folder / "programs"
    copied.mkdir(exist_ok=True)
    for name in _PROGRAMS:
        source = pathlib.Path(settings.program_folder, name)
        if source.exists():
            shutil.copy(source, copied / name)
    isolation.enter(folder, settings.hostname or settings.name)
    for program in copied.iterdir():
        shutil.copy(program, _BIN / program.name)
        (_BIN / program.name).chmod(0o755)
    _CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    _CONFIGURATION.write_text(json.dumps(configuration(settings)), encoding="utf-8")
    _AUTHORITY.write_bytes(authority)
    os.environ.update({"SSL_CERT_FILE": str(_AUTHORITY), "HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    _register(settings)
    os.execv(_BIN / "amazon-ssm-agent", ["amazon-ssm-agent"])


def configuration(settings: NodeSettings) -> dict[str, object]:
    """Return amazon-ssm-agent.json: of the message service's endpoint only host and port are used, always with TLS."""
    api = {"Endpoint": settings.ssm_url}
    return {
        "Agent": {"Region": settings.region},
        "Identity": {"ConsumptionOrder": ["OnPrem"]},
        "Profile": {"ShareCreds": False},
        "Ssm": api,
        "Mds": api,
        "S3": api,
        "Kms": api,
        "Mgs": {"Region": settings.region, "Endpoint": settings.messages_url},
    }


def _register(settings: NodeSettings) -> None:
    if pathlib.Path("/var/lib/amazon/ssm/registration").exists():
        return
    identity = ["-id", settings.activation_id, "-code", settings.activation_code, "-region", settings.region]
    subprocess.run([str(_BIN / "amazon-ssm-agent"), "-register", *identity, "-y"], check=True, timeout=_REGISTRATION_SECONDS)
