# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every value is text."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.ssm.plugins.plugin_utils._report.rendering import BadTemplateError, rendered


def test_values_are_escaped_also_in_macros_and_lists() -> None:
    text = "{% macro cell(x) %}<td>{{ x }}</td>{% endmacro %}{% for row in rows %}{{ cell(row.name) }}{% endfor %}"
    rows = [{"name": "<b>"}, {"name": "'\"&"}]
    assert rendered(text, {"rows": rows}) == "<td>&lt;b&gt;</td><td>&#39;&#34;&amp;</td>"


@pytest.mark.parametrize("text", ["{{ nowhere }}", "{% if %}", "{{ a.__class__.__mro__ }}"])
def test_a_template_that_cannot_be_rendered_is_told(text: str) -> None:
    with pytest.raises(BadTemplateError):
        rendered(text, {"a": 1})
