# Copyright: Contributors to the fleet.ssm project
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The fragments of the CloudWatch agent's configuration: their files, and how those differ from what is there. Python 3.6.

Source: tool/downloader and packaging/dependencies/amazon-cloudwatch-agent-ctl of aws/amazon-cloudwatch-agent: a fragment from
/folder/NAME becomes amazon-cloudwatch-agent.d/file_NAME.
"""

import collections
import json
import re
import typing as t

# The agent turns slashes, colons and spaces into underscores, so that two names could be one file.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PREFIX = "file_"
_SUFFIX = ".json"
# The one that is ours.
REGION_FILE = "fleet-ssm-region.json"

# By file name, in the order in which they were given.
Texts = t.Mapping[str, str]


class FragmentError(Exception):
    """What was given is no fragment; the text says which and why."""


class Difference(t.NamedTuple):
    """Files that are missing or say something else, and files that nobody wants."""

    changed: "list[str]"
    surplus: "list[str]"


def read(configs: "t.Sequence[t.Mapping[str, t.Any]]") -> Texts:
    """Return the texts of fragments, each of a ``name`` and a ``content``, JSON or a dictionary, by source file's name."""
    texts = collections.OrderedDict()  # type: t.Dict[str, str]
    for config in configs:
        name = str(config["name"])
        if not _NAME.fullmatch(name):
            raise FragmentError("{0!r} is no name for a fragment; use letters, digits, dots, hyphens and underscores.".format(name))
        file = name if name.endswith(_SUFFIX) else name + _SUFFIX
        if file in texts:
            raise FragmentError("There are two fragments of the name {0}.".format(name))
        texts[file] = _text(name, config["content"])
    return texts


def with_region(texts: Texts, region: str) -> Texts:
    """Add a fragment with the region, unless one of them has a region."""
    if any("region" in json.loads(text).get("agent", {}) for text in texts.values()):
        return texts
    added = collections.OrderedDict(texts)
    added[REGION_FILE] = _render({"agent": {"region": region}})
    return added


def installed_name(file: str) -> str:
    """Return the name under which the agent keeps a fragment."""
    return _PREFIX + file


def compare(there: Texts, wanted: Texts) -> Difference:
    """Compare what the agent has, by its names, with the fragments, by theirs; how a JSON is written does not count."""
    names = {installed_name(file): text for file, text in wanted.items()}
    changed = [name for name, text in names.items() if name not in there or not _same(there[name], text)]
    return Difference(changed, sorted(set(there) - set(names)))


def _text(name: str, content: t.Any) -> str:
    if isinstance(content, str):
        try:
            read_content = json.loads(content)
        except ValueError as error:
            raise FragmentError("The fragment {0} is not JSON: {1}.".format(name, error)) from error
    else:
        read_content, content = content, _render(content)
    if not isinstance(read_content, dict):
        raise FragmentError("The fragment {0} is not a JSON object.".format(name))
    if not isinstance(read_content.get("agent", {}), dict):
        raise FragmentError("The section agent of the fragment {0} is not a JSON object.".format(name))
    return str(content)


def _render(content: t.Any) -> str:
    return json.dumps(content, indent=2) + "\n"


def _same(one: str, other: str) -> bool:
    try:
        # Not the values: 1 is True to Python, and not to the agent.
        return json.dumps(json.loads(one), sort_keys=True) == json.dumps(json.loads(other), sort_keys=True)
    except ValueError:
        return False
