# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the role report, rendered as its task does."""

from __future__ import annotations

import html.parser
import pathlib
import re
import time
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from tests.unit.plugins.plugin_utils._report.fleet import Row, lacking, listed, patch, patched

_ROLE = pathlib.Path(__file__).parents[3] / "roles" / "report"
_DEFAULTS = yaml.safe_load((_ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
_TASKS = yaml.safe_load((_ROLE / "tasks/main.yml").read_text(encoding="utf-8"))
_MANY = 5000
_MOST_BYTES_A_NODE = 300
_MOST_SECONDS = 10
_HOSTILE = "<script>alert('\"&')</script>"
_VOID = {"meta", "br", "rect", "path", "use"}


def _trusted(text: str) -> str:
    """Take a text for a template; ansible-core below 2.19 takes every text for one."""
    try:
        from ansible.template import trust_as_template
    except ImportError:
        return text
    return trust_as_template(text)


def _returned(rows: list[Row]) -> t.Any:
    """Mark what a module returned as ansible-core below 2.19 does; later ones take no text for a template that is not marked."""
    try:
        from ansible.template import trust_as_template  # noqa: F401
    except ImportError:
        from ansible.utils.unsafe_proxy import wrap_var

        return wrap_var(rows)
    return rows


def _page(nodes: list[Row], states: list[Row], **variables: t.Any) -> str:
    known = {
        **_DEFAULTS,
        "role_path": str(_ROLE),
        "report_places": [{"name": "here"}],
        "report_group_by": "platform",
        "__report_listed": {"results": [{"managed_nodes": _returned(nodes)}]},
        "__report_patched": {"results": [{"nodes": _returned(states)}]},
        **variables,
    }
    content = _trusted(_TASKS[-1]["ansible.builtin.copy"]["content"])
    return str(Templar(loader=DataLoader(), variables=known).template(content))


class _Checked(html.parser.HTMLParser):
    """Has every element closed, counts them, and keeps what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.references: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.references += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag


def _fleet(count: int) -> tuple[list[Row], list[Row]]:
    """Give nodes of which one in seven lacks patches and one in fifty is not heard of."""
    silent = {"ping_status": "ConnectionLost", "last_ping_date_time": "2030-01-01T00:00:00+00:00"}
    nodes = [listed(number, **({} if number % 50 else silent)) for number in range(count)]
    some = patch("openssl:3.0.15-1"), patch("linux-image:6.1.115-1", "Important")
    return nodes, [patched(number) if number % 7 else lacking(number, *some) for number in range(count)]


def test_a_large_fleet_is_a_page_of_bounded_size_in_a_few_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    nodes, states = _fleet(_MANY)
    began = time.monotonic()
    page = _page(nodes, states)
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{_MANY} nodes: a page of {len(page.encode()):,} bytes in {seconds:.1f} s")
    assert len(page.encode()) < _MANY * _MOST_BYTES_A_NODE
    assert seconds < _MOST_SECONDS
    checked = _Checked(page)
    assert checked.open == []
    assert len(checked.ids) == len(set(checked.ids))
    # A square for each node, and the keys and signs beside them.
    assert page.count("<use href=") - page.count('aria-hidden="true"><use') == _MANY


def test_every_reference_is_to_something_on_the_page() -> None:
    page = _page(*_fleet(300))
    checked = _Checked(page)
    assert {reference for reference in checked.references if reference.removeprefix("#") not in checked.ids} == set()
    assert "url(" not in page
    assert "@import" not in page
    assert {"script", "link", "img", "iframe"}.isdisjoint(checked.counts)


def test_what_comes_from_nodes_and_AWS_is_no_markup() -> None:  # noqa: N802
    bad = {"name": _HOSTILE, "platform_name": _HOSTILE, "agent_version": _HOSTILE, "ping_status": _HOSTILE}
    state = lacking(1, patch(_HOSTILE, _HOSTILE), patch_group=_HOSTILE)
    change = {"instance_id": _HOSTILE, "before": patched(1, missing_count=2), "after": patched(1), "failure": _HOSTILE}
    given: dict[str, t.Any] = {"report_title": _HOSTILE, "report_changes": [change], "report_places": [{"name": _HOSTILE}]}
    page = _page([listed(1, **bad), listed(2, **{**bad, "ping_status": "Online"})], [state, patched(2)], **given)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(") >= 15
    checked = _Checked(page)
    assert checked.open == []
    assert "script" not in checked.counts


def test_a_name_that_is_a_template_is_told_as_it_is() -> None:
    assert "{{ 6 * 7 }}" in _page([listed(1, name="{{ 6 * 7 }}")], [patched(1)])


def test_the_same_data_makes_the_same_page() -> None:
    nodes, states = _fleet(20)
    assert _page(nodes, states) == _page(nodes[::-1], states[::-1])


def test_rows_after_the_first_ones_are_folded_up() -> None:
    nodes, states = _fleet(70)
    page = _page(nodes, states, report_most_rows=3)
    shown = re.search(r'<section id="needing">(.*?)<details>\n<summary>(\d+) more', page, re.DOTALL)
    assert shown is not None
    assert (shown[1].count('<tr id="n-'), shown[2]) == (3, "7")


@pytest.mark.parametrize(("nodes", "sentence"), [([], "There are none."), ([listed(1)], "AWS hears of every node.")])
def test_a_page_of_few_nodes_says_what_there_is_not(nodes: list[Row], sentence: str) -> None:
    assert sentence in _page(nodes, [patched(1)])
