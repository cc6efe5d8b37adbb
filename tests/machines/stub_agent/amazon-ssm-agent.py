# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for amazon-ssm-agent: what it says, and the order in which it registers (core/agent_parser.go there)."""

import argparse
import json
import pathlib
import signal
import sys
import urllib.error
import urllib.request

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


def call(region: str, members: dict[str, str]) -> dict[str, str]:
    """Ask Systems Manager to register this machine."""
    headers = {"X-Amz-Target": "AmazonSSM.RegisterManagedInstance", "Content-Type": "application/x-amz-json-1.1"}
    request = urllib.request.Request(f"https://ssm.{region}.amazonaws.com/", json.dumps(members).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        content: dict[str, str] = json.loads(answer.read())
        return content


def register(code: str, activation: str, region: str) -> int:
    """Register; the old registration is blanked before AWS is asked, and is not put back when AWS refuses."""
    write_vault({})
    fingerprint = pathlib.Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    members = {
        "ActivationId": activation,
        "ActivationCode": code,
        "PublicKey": "stub",
        "PublicKeyType": "Rsa",
        "Fingerprint": fingerprint,
    }
    try:
        answer = call(region, members)
    except (OSError, urllib.error.HTTPError) as error:
        said = error.read().decode() if isinstance(error, urllib.error.HTTPError) else error
        print(f"ERROR Registration failed due to error registering the instance with AWS SSM. {said}", file=sys.stderr)
        return 1
    identity = {"ManagedInstanceID": answer["InstanceId"], "Region": region}
    write_vault({**identity, "instanceFingerprint": fingerprint, "privateKey": "stub"})
    REGISTRATION.write_text(json.dumps(identity), encoding="utf-8")
    print(f"Successfully registered the instance with AWS SSM using Managed instance-id: {answer['InstanceId']}")
    return 0


def clear() -> int:
    """Empty the vault; the registration file stays."""
    write_vault({})
    print("Registration information has been removed from the instance.")
    return 0


def serve() -> int:
    """Run until stopped."""
    log(f"INFO Amazon SSM Agent v{version()} is running")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
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
