# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation as HTML in docs/build, and fail on any warning that is ours."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

_CLONE = pathlib.Path(__file__).resolve().parents[1]
_BUILD = _CLONE / "docs" / "build"

# Links into other projects' documentation need their inventories from the network, which a build machine need not have.
_NOT_OURS = re.compile(
    r"intersphinx|failed to reach any of the inventories|HTTPS?ConnectionPool"
    r"|undefined label: '(?!ansible_collections\.fleet)|'envvar' reference target not found: (?!FLEET_SSM_)"
)


def build() -> list[str]:
    """Build, and return our warnings."""
    shutil.rmtree(_BUILD, ignore_errors=True)
    _BUILD.mkdir(parents=True)
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    layout = ["antsibull-docs", "sphinx-init", "--use-current", "--squash-hierarchy", "--dest-dir", str(_BUILD), "fleet.ssm"]
    subprocess.run(layout, check=True, env=environment, stdout=subprocess.DEVNULL)
    done = subprocess.run(["./build.sh"], cwd=_BUILD, env=environment, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    # build.sh fails on any warning, also on those that are not ours.
    if not (_BUILD / "build" / "html" / "index.html").is_file():
        return lines[-20:]
    # Of a plugin whose documentation cannot be read there is a page that says so, and an error.
    return [line for line in lines if re.search("WARNING|ERROR", line) and not _NOT_OURS.search(line)]


if __name__ == "__main__":
    warnings = build()
    print(*warnings, f"{_BUILD / 'build' / 'html' / 'index.html'}: {len(warnings)} warnings", sep="\n")
    sys.exit(bool(warnings))
