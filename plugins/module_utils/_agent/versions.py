# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Compare versions of the agent and decide whether the one that is there will do. Runs on the node: Python 3.6."""

import re

PRESENT = "present"
# The CloudWatch agent's end in a build's number, "1.300073.2b1889".
_VERSION = re.compile(r"\d+(\.\d+){1,3}(b\d+)?")
# What packages add to it: "3.3.987.0-1", "3.3.987.0-1.amzn2".
_REVISION = re.compile(r"-.*$")


class VersionError(Exception):
    """The version cannot be had; the text says why."""


def is_number(text: str) -> bool:
    """Say whether it is a version such as 3.3.987.0."""
    return _VERSION.fullmatch(text) is not None


def without_revision(version: str) -> str:
    """Return the agent's version of a package's."""
    return _REVISION.sub("", version)


def is_newer(version: str, other: str) -> bool:
    """Say whether a version is newer than another, by their numbers."""
    return _numbers(version) > _numbers(other)


def must_install(installed: str, wanted: str, pinned: bool, allow_downgrade: bool) -> bool:
    """Say whether ``wanted`` is to be installed over ``installed`` (empty: nothing is); ``pinned`` is that and no newer one."""
    if not installed or is_newer(wanted, installed):
        return True
    if not is_newer(installed, wanted) or not pinned:
        return False
    if not allow_downgrade:
        raise VersionError(
            "Version {0} is installed, which is newer than {1}. Allow the downgrade (allow_downgrade), or ask for"
            " another version.".format(installed, wanted)
        )
    return True


def _numbers(version: str) -> "list[int]":
    return [int(number) for number in re.findall(r"\d+", version)]
