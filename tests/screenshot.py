# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the README's picture of the page that the playbook report writes: ``make screenshot``.

A fleet of records on the emulator is scanned and partly patched; the page is shown by headless Chromium, which must be installed.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t

from tests.integration.emulator.calls import post
from tests.integration.running_emulator import CLONE, Ansible, RunningEmulator

_PICTURE = CLONE / "docs" / "images" / "fleet_report.png"
_SIZE = (1240, 1072)
_MOST_BYTES = 150_000
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# Name, number of nodes, kind, platform, version, agent, patch group, and how many of a hundred lack patches.
_FLEET = (
    ("web", 420, "ec2", "Amazon Linux", "2023", "3.3.987.0", "web", 6),
    ("api", 260, "ec2", "Ubuntu", "22.04", "3.3.987.0", "web", 3),
    ("db", 96, "ec2", "Red Hat Enterprise Linux", "9.4", "3.3.859.0", "databases", 22),
    ("oslo", 130, "hybrid", "Debian GNU/Linux", "12", "3.3.987.0", "branches", 15),
    ("till", 74, "hybrid", "Ubuntu", "22.04", "3.2.2303.0", "branches", 38),
)
_LACKED = (
    ["openssl", "linux-image"],
    ["linux-image"],
    ["curl"],
    ["tzdata"],
    ["openssl", "linux-image", "curl", "tzdata"],
    ["glibc"],
)


def main() -> int:
    """Take it; return the exit status."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        print(f"There is none of {', '.join(_BROWSERS)}: install one (apt-get install chromium).", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="fleet.ssm-screenshot-") as folder:
        place = pathlib.Path(folder)
        (place / "fleet.yml").write_text("nodes: []\n", encoding="utf-8")
        emulator = RunningEmulator(place, place / "fleet.yml")
        try:
            page = _page(emulator, place)
        finally:
            emulator.command("down")
        _take(browser, page)
    print(f"{_PICTURE}: {_PICTURE.stat().st_size:,} bytes")
    return int(_PICTURE.stat().st_size > _MOST_BYTES)


def _page(emulator: RunningEmulator, place: pathlib.Path) -> pathlib.Path:
    by_chance = random.Random(7)  # the same picture each time
    emulator.add_records({"nodes": _records("Online")})
    ssm = emulator.client("ssm")
    listed = ssm.get_paginator("describe_instance_information").paginate(PaginationConfig={"PageSize": 50}).build_full_result()
    ids = {row["InstanceId"]: row["ComputerName"] for row in listed["InstanceInformationList"]}
    post(emulator, "/_emulator/patches", json.dumps(_patches(ids, by_chance)).encode())
    scanned = [node for node in ids if by_chance.random() > 0.015]
    _run_patch_baseline(ssm, scanned, "Scan")
    some = [node for node in scanned if ids[node].startswith("db") and by_chance.random() > 0.5]
    _run_patch_baseline(ssm, some, "Install", RebootOption="NoReboot")
    # Only now, for what a node that is not heard of is sent stays pending.
    emulator.add_records({"nodes": [order for order in _records("ConnectionLost") if order["name"].endswith("-old")]})
    page = place / "fleet.html"
    given = json.dumps({"report_file": str(page), "report_title": "Fleet of eu-west-1", "report_places": [{"name": "eu-west-1"}]})
    run = Ansible(place, emulator).run("ansible-playbook", "fleet.ssm.report", "-e", given)
    if run.code != 0:
        raise RuntimeError(str(run))
    return page


def _records(ping: str) -> list[dict[str, t.Any]]:
    orders = []
    for name, count, kind, platform, version, agent, group, _percent in _FLEET:
        members = {"platform_name": platform, "platform_version": version, "agent_version": agent}
        order = {"name": name, "kind": kind, "tags": {"Patch Group": group}, "members": members, "count": count}
        silent = {**order, "name": f"{name}-old", "count": max(count // 40, 1), "members": {**members, "ping_status": ping}}
        orders += [order, silent]
    return orders


def _patches(ids: dict[str, str], by_chance: random.Random) -> list[dict[str, t.Any]]:
    lacking = {name: percent for name, *_more, percent in _FLEET}
    orders = []
    for node, name in ids.items():
        is_lacking = by_chance.random() * 100 < lacking[name.split("-")[0]]
        lacked = by_chance.choice(_LACKED) if is_lacking else []
        orders.append({"nodes": [node], "missing": lacked, "fails": lacked[:1] if by_chance.random() < 0.2 else []})
    return orders


def _run_patch_baseline(ssm: t.Any, nodes: list[str], operation: str, **parameters: str) -> None:
    given = {name: [value] for name, value in {"Operation": operation, **parameters}.items()}
    for start in range(0, len(nodes), 50):
        some = nodes[start : start + 50]
        sent = ssm.send_command(DocumentName="AWS-RunPatchBaseline", InstanceIds=some, Parameters=given)["Command"]
        while ssm.list_commands(CommandId=sent["CommandId"])["Commands"][0]["Status"] in ("Pending", "InProgress"):
            time.sleep(0.05)


def _take(browser: str, page: pathlib.Path) -> None:
    _PICTURE.parent.mkdir(parents=True, exist_ok=True)
    settings = ["--headless=new", "--hide-scrollbars", f"--window-size={_SIZE[0]},{_SIZE[1]}", f"--screenshot={_PICTURE}"]
    # Chromium has no sandbox for root.
    settings += ["--no-sandbox"] if os.geteuid() == 0 else []
    subprocess.run([browser, *settings, page.as_uri()], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
