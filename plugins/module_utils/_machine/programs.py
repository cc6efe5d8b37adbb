# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Run a program of the machine and read what it says. Runs on the node: Python 3.6."""

import os
import subprocess
import typing as t


class Said(t.NamedTuple):
    """How a program ended: 127 when there is none of that name."""

    code: int
    output: str
    error: str


def run(*command: str, **environment: str) -> Said:
    """Run it to its end, in English."""
    try:
        # Not run_command: there is no AnsibleModule on this layer.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, LC_ALL="C", LANG="C", **environment),
        )
    except OSError as error:
        return Said(127, "", str(error))
    output, said = process.communicate()
    return Said(process.returncode, output.decode("utf-8", "replace"), said.decode("utf-8", "replace"))
