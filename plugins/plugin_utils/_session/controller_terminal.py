# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look whether a controller run has a terminal that somebody watches.

Since ansible-core 2.19 a worker has none of its own; what it has to show is shown by the controller.
"""

from __future__ import annotations

import os
import pathlib

NOBODY_WATCHES = ("AWX_ISOLATED_DATA_DIR", "AWX_HOST", "RUNNER_OMIT_EVENTS", "CI")
"""Set by AWX and ansible-runner, which give Ansible a terminal of their own, and by build servers."""


def columns(controller: int) -> int | None:
    """Return the width of the terminal that a process writes to; None when that is no terminal, or nobody's."""
    if any(os.environ.get(name) for name in NOBODY_WATCHES) or os.environ.get("TERM", "dumb") == "dumb":
        return None
    try:
        # O_NOCTTY: it must not become ours.
        terminal = os.open(pathlib.Path("/proc", str(controller), "fd", "1"), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.get_terminal_size(terminal).columns or None
    except OSError:
        return None
    finally:
        os.close(terminal)
