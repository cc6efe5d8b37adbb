# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.machines build`` makes the bases, or says why it cannot; ``down`` removes what killed test runs left."""

from __future__ import annotations

import sys

from tests.machines import bases, prerequisites, site


def main(verb: str) -> int:
    """Do what the verb says; return the exit code."""
    if verb == "down":
        removed = site.remove_orphans()
        print(*(f"removed {name}" for name in removed), sep="\n", end="\n" if removed else "")
        return 0
    # Tests skip what needs machines where there can be none, and say so too.
    reason = prerequisites.missing()
    try:
        for name in bases.BASES if not reason else ():
            bases.root_of(name)
    except bases.NoBaseError as error:
        reason = str(error)
    if reason:
        print(f"No machines for tests of roles: {reason}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    if sys.argv[1:] not in (["build"], ["down"]):
        sys.exit(f"usage: python -m tests.machines build|down\n{__doc__}")
    sys.exit(main(sys.argv[1]))
