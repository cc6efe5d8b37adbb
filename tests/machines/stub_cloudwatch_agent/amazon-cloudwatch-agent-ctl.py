# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for amazon-cloudwatch-agent-ctl: which files it makes, renames and deletes, in which order, and when it gives up.

Manners and words are those of packaging/dependencies/amazon-cloudwatch-agent-ctl of aws/amazon-cloudwatch-agent.
"""

import argparse
import json
import pathlib
import subprocess
import sys

BASE = pathlib.Path("/opt/aws/amazon-cloudwatch-agent")
BIN, ETC = BASE / "bin", BASE / "etc"
TOML, YAML = ETC / "amazon-cloudwatch-agent.toml", ETC / "amazon-cloudwatch-agent.yaml"
OLD_FILE, FOLDER = ETC / "amazon-cloudwatch-agent.json", ETC / "amazon-cloudwatch-agent.d"
RESTART = ETC / "restart"
UNIT = "amazon-cloudwatch-agent.service"


def runs() -> bool:
    """Ask systemd."""
    return subprocess.run(["systemctl", "is-active", UNIT], stdout=subprocess.DEVNULL, check=False).returncode == 0


def call(*command: str) -> None:
    """Run one of the agent's programs; this one ends as that one fails, and what that said to standard output is lost."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    print(done.stdout)


def start(mode: str) -> None:
    """Start it, with a default configuration where there is none."""
    if runs():
        print("amazon-cloudwatch-agent has already been started")
        return
    if not TOML.exists():
        print("amazon-cloudwatch-agent is not configured. Applying amazon-cloudwatch-agent default configuration.")
        configure("default", "default", mode, restart=False)
    for action in (["daemon-reload"], ["enable", UNIT], ["restart", UNIT]):
        subprocess.run(["systemctl", *action], check=True)


def stop() -> None:
    """Stop it."""
    if runs():
        subprocess.run(["systemctl", "stop", UNIT], check=True)
    else:
        print("amazon-cloudwatch-agent has already been stopped")


def status() -> None:
    """Say how it is."""
    shown = {
        "status": "running" if runs() else "stopped",
        "starttime": "",
        "configstatus": "configured" if TOML.exists() else "not configured",
        "version": (BIN / "CWAGENT_VERSION").read_text(encoding="utf-8").strip(),
    }
    print(json.dumps(shown, indent=2))


def configure(source: str, multi: str, mode: str, restart: bool) -> None:
    """Take a fragment in or out: into .tmp, translate, test, and only then under its name."""
    if source == "all":
        for path in FOLDER.iterdir():
            path.unlink()
    else:
        given = ["--output-dir", str(FOLDER), "--download-source", source, "--mode", mode]
        call(str(BIN / "config-downloader"), *given, "--config", str(ETC / "common-config.toml"), "--multi-config", multi)
    if any(FOLDER.iterdir()):
        given = ["--input", str(OLD_FILE), "--input-dir", str(FOLDER), "--output", str(TOML), "--mode", mode]
        call(str(BIN / "config-translator"), *given, "--config", str(ETC / "common-config.toml"), "--multi-config", multi)
        call(str(BIN / "amazon-cloudwatch-agent"), "-schematest", "-config", str(TOML))
        rename(multi)
    else:
        print("all amazon-cloudwatch-agent configurations have been removed")
        TOML.unlink(missing_ok=True)
        YAML.unlink(missing_ok=True)
    if restart:
        stop()
        start(mode)


def rename(multi: str) -> None:
    """Put the new fragments into place; with fetch-config, all others go, the old file too."""
    if multi == "default":
        OLD_FILE.unlink(missing_ok=True)
    for path in sorted(FOLDER.iterdir()):
        if path.suffix == ".tmp" and multi != "remove":
            path.rename(path.with_suffix(""))
        elif multi == "default":
            path.unlink()


def remove() -> None:
    """Be called before the package goes."""
    stop()
    for action in (["disable", UNIT], ["daemon-reload"], ["reset-failed"]):
        subprocess.run(["systemctl", *action], check=True)


def main() -> None:
    """Do what the flags say."""
    if not pathlib.Path("/run/systemd/system").is_dir():
        sys.exit("unknown init system")
    parser = argparse.ArgumentParser(prog="amazon-cloudwatch-agent-ctl", allow_abbrev=False)
    parser.add_argument("-a", required=True)
    parser.add_argument("-m", default="ec2", choices=("ec2", "onPremise", "onPrem", "auto"))
    parser.add_argument("-c", default="default")
    parser.add_argument("-s", action="store_true")
    options = parser.parse_args()
    multi = {"fetch-config": "default", "append-config": "append", "remove-config": "remove"}.get(options.a)
    if multi:
        configure(options.c, multi, options.m, options.s)
    elif options.a == "start":
        start(options.m)
    elif options.a == "cond-restart":
        if RESTART.exists():
            start(options.m)
            RESTART.unlink()
    elif options.a == "prep-restart":
        if runs():
            RESTART.touch()
    else:
        {"stop": stop, "status": status, "preun": remove}[options.a]()


if __name__ == "__main__":
    main()
