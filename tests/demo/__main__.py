# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the collection at work on the embedded emulator: ``make demo``.

Two EC2 instances are managed nodes already; a server on premises registers itself by hybrid activation. Then one playbook runs on
all three twice, and a table tells what that took. Nothing is left running; files stay in ``.demo`` until the next run.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
import urllib.request

_HERE = pathlib.Path(__file__).resolve().parent
_CLONE = _HERE.parents[1]
_FOLDER = _CLONE / ".demo"
_DATA_SIZE = 5 * 1000 * 1000
_SERVER = "onprem-1"


class DemoFailed(Exception):
    """A step did not do what it should; the text says which."""


def main() -> int:
    """Run the demo; return its exit status."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir()
    (_FOLDER / "data.bin").write_bytes(os.urandom(_DATA_SIZE))
    environment = _environment(_emulator("up", "--state", str(_FOLDER)))
    try:
        _show("The managed nodes of the account, before", ["ansible-inventory", "--graph"], environment)
        _show("A server on premises registers itself", ["ansible-playbook", "register.yml"], environment)
        _show("The managed nodes, after", ["ansible-inventory", "--graph"], environment)
        first = _play("The playbook, for the first time", environment)
        second = _play("The same again: nothing to change", environment)
        _check(second, environment)
    except DemoFailed as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    finally:
        _emulator("down", "--state", str(_FOLDER))
    print("\n" + "\n".join(_table(first, second)))
    return 0


def _emulator(*arguments: str) -> str:
    command = [sys.executable, "-m", "tests.emulator", *arguments]
    return subprocess.run(command, cwd=_CLONE, check=True, stdout=subprocess.PIPE, text=True).stdout


def _environment(exports: str) -> dict[str, str]:
    """Return the environment a user of the emulator has, read from the lines it prints for a shell."""
    said = dict(line.removeprefix("export ").split("=", 1) for line in exports.splitlines() if line.startswith("export "))
    return {
        **os.environ,
        **{name: value.strip("'\"") for name, value in said.items()},
        "ANSIBLE_HOME": str(_FOLDER / "ansible"),
        "ANSIBLE_LOCAL_TEMP": str(_FOLDER / "ansible" / "tmp"),
        "DEMO_CLONE": str(_CLONE),
        "DEMO_DATA": str(_FOLDER / "data.bin"),
        "DEMO_FETCHED": str(_FOLDER / "fetched"),
        "DEMO_SERVER": _SERVER,
    }


def _show(title: str, command: list[str], environment: dict[str, str]) -> None:
    print(f"\n\033[1m{title}\033[0m\n$ {' '.join(command)}", flush=True)
    done = subprocess.run(command, cwd=_HERE, env=environment, check=False)
    if done.returncode != 0:
        raise DemoFailed(f"{' '.join(command)} ended with exit code {done.returncode}")


def _play(title: str, environment: dict[str, str]) -> dict[str, t.Any]:
    """Run the playbook; return its summary with what the emulator counted."""
    summary = _FOLDER / "summary.json"
    _statistics(environment, "/reset", method="POST")
    _show(title, ["ansible-playbook", "site.yml"], {**environment, "FLEET_SSM_SUMMARY_FILE": str(summary)})
    return {**json.loads(summary.read_text(encoding="utf-8")), "calls": _statistics(environment)["calls"]}


def _statistics(environment: dict[str, str], path: str = "", method: str = "GET") -> dict[str, t.Any]:
    request = urllib.request.Request(f"{environment['FLEET_EMULATOR_URL']}/_emulator/stats{path}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        statistics: dict[str, t.Any] = json.loads(answer.read() or b"{}")
    return statistics


def _check(second: dict[str, t.Any], environment: dict[str, str]) -> None:
    """Say what is wrong if the second run changed something or a greeting did not come back."""
    if second["changed"]:
        raise DemoFailed(f"the second run changed something: {second['changed']} tasks")
    greetings = sorted(pathlib.Path(environment["DEMO_FETCHED"]).iterdir())
    if len(greetings) != len(second["nodes"]):
        raise DemoFailed(f"{len(greetings)} greetings came back from {len(second['nodes'])} nodes")
    print("\n" + "\n".join(greeting.read_text(encoding="utf-8").strip() for greeting in greetings))


def _table(*runs: dict[str, t.Any]) -> list[str]:
    rows = [["", "first run", "second run"]]
    for title, figure in (
        ("nodes", lambda run: len(run["nodes"])),
        ("sessions opened", lambda run: _sum(run, "sessions")),
        ("StartSession calls", lambda run: run["calls"].get("ssm:StartSession", 0)),
        ("S3 requests", lambda run: sum(count for name, count in run["calls"].items() if name.startswith("s3:"))),
        ("tasks", lambda run: run["tasks"]),
        ("bytes sent", lambda run: f"{_sum(run, 'bytes_up'):,}"),
        ("bytes saved by the cache", lambda run: f"{_sum(run, 'bytes_saved'):,}"),
        ("seconds", lambda run: f"{run['seconds']:.1f}"),
    ):
        rows.append([title, *(str(figure(run)) for run in runs)])
    return [f"{row[0]:<26}{row[1]:>14}{row[2]:>14}" for row in rows]


def _sum(run: dict[str, t.Any], key: str) -> int:
    return sum(node[key] for node in run["nodes"].values())


if __name__ == "__main__":
    sys.exit(main())
