# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for ssm-cli: who this machine is, if it is registered."""

import json
import pathlib
import sys

VAULT = pathlib.Path("/var/lib/amazon/ssm/Vault/Store/RegistrationKey")
VERSION = pathlib.Path("/usr/share/amazon-ssm-agent/VERSION")


def main() -> int:
    """Answer get-instance-information."""
    if sys.argv[1:] != ["get-instance-information"]:
        print("Invalid command", file=sys.stderr)
        return 1
    known = json.loads(VAULT.read_text(encoding="utf-8")) if VAULT.exists() else {}
    if not known:
        print("error getting instance information: no identity found", file=sys.stderr)
        return 1
    version = VERSION.read_text(encoding="utf-8").strip()
    print(json.dumps({"instance-id": known["ManagedInstanceID"], "region": known["Region"], "release-version": version}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
