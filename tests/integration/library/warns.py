# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module for tests that has something to say besides its result: warnings, deprecations, secrets, facts, a diff."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.collections import count


def main() -> None:
    """Say all of it."""
    module = AnsibleModule(
        {
            "old_name": {
                "type": "str",
                "removed_in_version": "9.0.0",
                "removed_from_collection": "fleet.ssm",
                "aliases": ["older_name"],
                "deprecated_aliases": [{"name": "older_name", "date": "2099-01-01", "collection_name": "fleet.ssm"}],
            },
            "secret": {"type": "str", "no_log": True},
            "password": {"type": "str"},
            "count": {"type": "int", "default": 1},
            "fallback": {"type": "str", "choices": ["a", "b"], "default": "a"},
        },
        supports_check_mode=True,
    )
    for number in range(module.params["count"]):
        module.warn(f"warning {number}: \u2603")
        module.deprecate(f"deprecation {number}", version="9.0.0", collection_name="fleet.ssm")
        module.deprecate(f"deprecation {number} with a date", date="2099-12-31", collection_name="fleet.ssm")
    # Whose features these are, ansible-core finds out by the files of what calls it.
    module.deprecate("deprecation of nobody's", version="9.0.0")
    count(["a", "a"])
    module.log("logged")
    module.exit_json(
        changed=not module.check_mode,
        said=f"the secret is {module.params['secret']}",
        warnings=["a warning of the result"],
        deprecations=[{"msg": "a deprecation of the result", "version": "9.0.0", "collection_name": "fleet.ssm"}],
        ansible_facts={"warned": True},
        diff={"before": "quiet\n", "after": "loud\n", "before_header": "then", "after_header": "now"},
    )


if __name__ == "__main__":
    main()
