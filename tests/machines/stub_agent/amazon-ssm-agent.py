# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for amazon-ssm-agent: what it says, the order in which it registers (core/agent_parser.go there), and the emulator's
own agent for what it then does."""

import argparse
import asyncio
import json
import pathlib
import signal
import subprocess
import sys
import typing

# Where the package has the emulator's simulated agent.
sys.path.insert(0, "/usr/lib/amazon-ssm-agent")

if typing.TYPE_CHECKING:
    from tests.emulator.node_settings import NodeSettings

STATE = pathlib.Path("/var/lib/amazon/ssm")
VAULT = STATE / "Vault" / "Store" / "RegistrationKey"
REGISTRATION = STATE / "registration"
LOG = pathlib.Path("/var/log/amazon/ssm/amazon-ssm-agent.log")


def version() -> str:
    """Return the version of the package."""
    return pathlib.Path("/usr/share/amazon-ssm-agent/VERSION").read_text(encoding="utf-8").strip()


def log(line: str) -> None:
    """Write a line as the agent does."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def write_vault(content: dict[str, str]) -> None:
    """Replace what is known of the registration."""
    VAULT.parent.mkdir(parents=True, exist_ok=True)
    VAULT.touch(mode=0o600)
    VAULT.write_text(json.dumps(content), encoding="utf-8")


def settings(region: str) -> "NodeSettings":
    """Say where AWS is."""
    from tests.emulator.node_settings import NodeSettings

    hostname, addresses = (subprocess.run(["hostname", *more], capture_output=True, text=True, check=True) for more in ([], ["-I"]))
    return NodeSettings(
        name=hostname.stdout.strip(),
        folder=STATE,
        region=region,
        ssm_url=f"https://ssm.{region}.amazonaws.com",
        messages_url=f"https://ssmmessages.{region}.amazonaws.com",
        ca_file=pathlib.Path("/etc/ssl/certs/ca-certificates.crt"),
        ip_address=addresses.stdout.split()[0],
        agent_version=version(),
    )


def register(code: str, activation: str, region: str) -> int:
    """Register; the old registration is blanked before AWS is asked, and is not put back when AWS refuses."""
    from tests.emulator.agent import api
    from tests.emulator.agent.identity import HybridKey

    write_vault({})
    fingerprint = pathlib.Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    key = HybridKey.generate()
    try:
        node = api.register(settings(region), activation, code, key, fingerprint)
    except OSError as error:
        print(f"ERROR Registration failed due to error registering the instance with AWS SSM. {error}", file=sys.stderr)
        return 1
    identity = {"ManagedInstanceID": node, "Region": region}
    write_vault({**identity, "instanceFingerprint": fingerprint, "privateKey": key.to_text()})
    REGISTRATION.write_text(json.dumps(identity), encoding="utf-8")
    print(f"Successfully registered the instance with AWS SSM using Managed instance-id: {node}")
    return 0


def clear() -> int:
    """Empty the vault; the registration file stays."""
    write_vault({})
    print("Registration information has been removed from the instance.")
    return 0


def serve() -> int:
    """Be the node, or wait to be one, until stopped."""
    log(f"INFO Amazon SSM Agent v{version()} is running")
    known = json.loads(VAULT.read_text(encoding="utf-8")) if VAULT.exists() else {}
    if not known:
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        return 0
    from tests.emulator.agent import api, isolation
    from tests.emulator.agent.control import Agent
    from tests.emulator.agent.identity import HybridKey

    identity = api.Registration(HybridKey.from_text(known["privateKey"]), known["instanceFingerprint"])
    node = api.Api(settings(known["Region"]), known["ManagedInstanceID"], None, identity)
    isolation.allow_sudo()
    machine = isolation.furnish(python=True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    asyncio.run(Agent(node, machine).run())
    return 0


def main() -> int:
    """Do what the flags say."""
    parser = argparse.ArgumentParser(prog="amazon-ssm-agent", allow_abbrev=False)
    for flag in ("-version", "-register", "-clear", "-y", "-disableSimilarityCheck"):
        parser.add_argument(flag, action="store_true")
    for flag in ("-code", "-id", "-region"):
        parser.add_argument(flag, default="")
    options = parser.parse_args()
    if options.version:
        print(f"SSM Agent version: {version()}")
        return 0
    if not options.register:
        return serve()
    if options.clear and not (options.code or options.id):
        return clear()
    return register(options.code, options.id, options.region)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())
