# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Take the name of the IAM service role that hybrid nodes have. Pure."""

from __future__ import annotations

_ARN = "arn:"


def refusal(role: str) -> str:
    """Say why a role cannot be given so, or nothing: AWS takes its name, with or without path, and no ARN (aws-cli issue 4232)."""
    if not role.startswith(_ARN):
        return ""
    name = role.partition(":role/")[2] or "the name"
    return f"iam_role takes the name of the role and not its ARN: write {name!r}."


def same(have: str, want: str) -> bool:
    """Compare a role with its path like one without."""
    return have.rpartition("/")[2] == want.rpartition("/")[2]
