# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Run a program of the machine and read what it says. Runs on the node: Python 3.6."""

import os
import subprocess
import typing as t

# SUSE has the agent's programs there, and not every shell looks there.
_MORE = ("/usr/local/sbin", "/usr/sbin", "/sbin")


class Said(t.NamedTuple):
    """How a program ended: 127 when there is none of that name, 124 when it took too long."""

    code: int
    output: str
    error: str


def run(*command: str, seconds: "float | None" = None, **environment: str) -> Said:
    """Run it to its end, in English; kill it when it takes longer than so many seconds."""
    try:
        # Not run_command: there is no AnsibleModule on this layer.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, LC_ALL="C", LANG="C", PATH=_path(), **environment),
        )
    except OSError as error:
        return Said(127, "", str(error))
    try:
        output, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, said = process.communicate()
        return Said(124, output.decode("utf-8", "replace"), "Timeout: it took longer than {0} s and was killed".format(seconds))
    return Said(process.returncode, output.decode("utf-8", "replace"), said.decode("utf-8", "replace"))


def _path() -> str:
    there = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    return os.pathsep.join(there + [folder for folder in _MORE if folder not in there])
