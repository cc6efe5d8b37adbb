# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On which values an expression depends."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._inventory.expressions import of_expression, of_template


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("ssm_region", [("ssm_region",)]),
        ("ssm_tags.env", [("ssm_tags", "env")]),
        ("ssm_tags['Patch Group']", [("ssm_tags", "Patch Group")]),
        ("ssm_tags.env | default(ssm_region)", [("ssm_tags", "env"), ("ssm_region",)]),
        ("ssm_tags.items", None),
        ("ssm_tags['items']", None),
        ("ssm_tags.items()", [("ssm_tags",)]),
        ("ssm_tags.keys() | list", [("ssm_tags",)]),
        ("ssm_ec2.security_groups[0].GroupId", [("ssm_ec2", "security_groups")]),
        ("ssm_tags[ssm_region]", [("ssm_tags",), ("ssm_region",)]),
        ("'prod' if ssm_tags.env is defined else 'x'", [("ssm_tags", "env")]),
        ("'text'", []),
        ("ssm_list | map(attribute='id') | list", [("ssm_list",)]),
        ("ssm_list | select('match', 'a') | list", [("ssm_list",)]),
    ],
)
def test_paths(text: str, paths: list[tuple[str, ...]] | None) -> None:
    found = of_expression(text)
    assert (found and list(found.paths)) == paths


@pytest.mark.parametrize(
    "text",
    [
        "lookup('env', 'HOME')",
        "now()",
        "x | random",
        "x | shuffle",
        "x | password_hash",
        "x | community.general.random_mac",
        "x | map('random') | list",
        "x | map(y) | list",
        "x | selectattr('a', y) | list",
        "x is mine.own.test",
        "x.append(1)",
        "x.pop('a')",
        "x.__class__",
        "group_names | first",
        "hostvars.other.x",
        "'{{ x }}'",
        "x(1)",
        "x | default(*y)",
        "x is match(*y)",
        "x.split(*y)",
        r"x['a\x20b']",
        "x +",
        "x y",
        "",
    ],
)
def test_what_may_depend_on_more_is_not_known(text: str) -> None:
    assert of_expression(text) is None


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("{{ssm_tags.env}}", True),
        ("{{ssm_tags.env | upper}}", False),
        ("{% if ssm_flag %} True {% else %} False {% endif %}", False),
        ("a{{ssm_tags.env}}", False),
    ],
)
def test_templates_of_before_2_19_are_known_too(text: str, plain: bool) -> None:
    found = of_template(text)
    assert found is not None
    assert found.plain is plain


@pytest.mark.parametrize(
    "text", ["{% set x = 1 %}", "{% for x in y %}{% endfor %}", "{{ x", "{{ '{{ x }}' }}", "{% raw %}{{{% endraw %}"]
)
def test_other_templates_are_not_known(text: str) -> None:
    assert of_template(text) is None
