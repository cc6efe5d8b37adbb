# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests under coverage and hold the lines they run against what is promised.

Pure files must be covered whole; all code that runs on the controller to nine tenths. Ansible's workers and the broker are
processes of their own, which coverage's patches measure; files that nothing runs count too.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_DATA = _CLONE / ".cache" / "coverage"

_PURE = (
    "bootstrap", "bundle", "channel_events", "cksum", "cutting", "diagnosis", "encryption", "escalation", "failures",
    "figures", "flags", "frames", "liveness", "messages", "openings", "pacing", "parcels", "payloads", "pieces",
    "posix_bundle", "posix_job", "posix_lines", "program_output", "protocol", "requests", "retransmission", "session_logging",
    "settings", "terminal_output", "unacknowledged",
)  # fmt: skip
_SESSION = "plugins/plugin_utils/_session"
_LEAST = 90.0
_TOGETHER = ("-n", "3", "--dist", "loadfile")


def measure(arguments: list[str]) -> dict[str, tuple[int, int]]:
    """Run pytest; return covered and all lines by file."""
    coverage = [sys.executable, "-m", "coverage"]
    # Whole paths, because ansible-playbook and the broker run in other folders.
    measured = ["--parallel-mode", f"--source={_CLONE / 'plugins'}", f"--data-file={_DATA / 'lines'}"]
    shutil.rmtree(_DATA, ignore_errors=True)
    _DATA.mkdir(parents=True)
    tests = subprocess.run([*coverage, "run", *measured, "-m", "pytest", *_TOGETHER, *arguments], cwd=_CLONE, check=False)
    subprocess.run([*coverage, "combine", "--quiet", f"--data-file={_DATA / 'lines'}"], cwd=_CLONE, check=True)
    report = _DATA / "report.json"
    subprocess.run([*coverage, "json", "--quiet", f"--data-file={_DATA / 'lines'}", "-o", str(report)], cwd=_CLONE, check=True)
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    if tests.returncode != 0:
        sys.exit(tests.returncode)
    return {name: (file["summary"]["covered_lines"], file["summary"]["num_statements"]) for name, file in files.items()}


def verdict(files: dict[str, tuple[int, int]]) -> list[str]:
    """Return what falls short."""
    short = [
        f"{_SESSION}/{name}.py is pure and must be covered whole"
        for name in _PURE
        if (counts := files.get(f"{_SESSION}/{name}.py", (0, 1)))[0] < counts[1]
    ]
    covered, lines = (sum(counts[at] for counts in files.values()) for at in (0, 1))
    share = 100 * covered / lines
    print(f"{covered} of {lines} lines of the controller's code: {share:.1f} %")
    if share < _LEAST:
        short.append(f"{share:.1f} % is less than {_LEAST} %")
    return short


if __name__ == "__main__":
    measured = measure(sys.argv[1:])
    for path, (hit, of) in sorted(measured.items()):
        print(f"{hit:5} / {of:5}  {path}")
    missing = verdict(measured)
    print(*missing, sep="\n")
    sys.exit(bool(missing))
