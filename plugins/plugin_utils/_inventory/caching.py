# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep a list of nodes in Ansible's cache together with what was asked, so that another question is not given its answer."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.joining import Record

# Another number when records change, so that those of an older version are not used.
_FORMAT = 1


def fingerprint(question: t.Mapping[str, t.Any]) -> str:
    """Tell one question from another, without keeping what it says."""
    text = json.dumps([_FORMAT, question], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def pack(nodes: list[Record], print_of_question: str) -> dict[str, t.Any]:
    """Give what to keep."""
    return {"fingerprint": print_of_question, "nodes": nodes}


def unpack(kept: t.Any, print_of_question: str) -> list[Record] | None:
    """Give the nodes kept, or None when they answer another question."""
    if not isinstance(kept, dict) or kept.get("fingerprint") != print_of_question:
        return None
    return list(kept["nodes"])
