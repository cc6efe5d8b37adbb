# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook report on nodes of two regions, and on those that the playbook patch has patched."""

from __future__ import annotations

import collections.abc
import html.parser
import json
import pathlib
import re
import sys
import time
import typing as t

import pytest

from tests.integration.emulator.calls import post
from tests.integration.running_emulator import Ansible, Run

pytestmark = pytest.mark.long

_ELSEWHERE = "eu-central-1"


class _Tables(html.parser.HTMLParser):
    """Reads the texts of rows, by the section they are in, and the numbers of the tiles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = collections.defaultdict(list)
        self.squares: list[str] = []
        self.tiles: dict[str, str] = {}
        self._section = ""
        self._in_cell = self._in_title = False
        self.feed(text)
        found = re.findall(r'<div class="tile \w+"><b>(\d+)</b> ([^<]+)</div>', text)
        self.tiles = {label: figure for figure, label in found}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section" or (tag in ("div", "table") and given.get("id")):
            self._section = given.get("id") or ""
        if tag == "tr":
            self.rows[self._section].append([])
        if tag in ("td", "th"):
            self._in_cell = True
            self.rows[self._section][-1].append("")
        self._in_title = self._in_title or tag == "title"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False
        if tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title and self._section == "map":
            self.squares.append(data)
        elif self._in_cell and not self._in_title:
            row = self.rows[self._section][-1]
            row[-1] = " ".join(f"{row[-1]} {data}".split())

    def without_head(self, section: str) -> list[list[str]]:
        """Give the rows of a section, with no empty cells."""
        return [[cell for cell in row if cell] for row in self.rows[section][1:]]


@pytest.fixture
def nodes(ansible: Ansible) -> collections.abc.Iterator[list[str]]:
    """Six nodes, the first with a hostile name, the second with an old agent; the third's patch cannot be installed."""
    orders: list[dict[str, t.Any]] = [
        {"name": "plain", "count": 4, "kind": "hybrid", "tags": {"Patch Group": "web"}},
        {"name": "old", "kind": "hybrid", "members": {"agent_version": "3.1.1.0", "platform_name": "Ubuntu"}},
        {"name": "<script>alert(1)</script>", "kind": "hybrid"},
        {"name": "far", "kind": "hybrid", "region": _ELSEWHERE, "members": {"ping_status": "ConnectionLost"}},
    ]
    ansible.emulator.add_records({"nodes": orders})
    listed = ansible.emulator.client("ssm").get_paginator("describe_instance_properties").paginate().build_full_result()
    by_name = {row.get("Name", ""): row["InstanceId"] for row in listed["InstanceProperties"]}
    names = ["plain-1", "plain-2", "plain-3", "plain-4", "old-1", "<script>alert(1)</script>-1"]
    ids = [by_name[name] for name in names]
    _order(ansible, {"nodes": ids, "missing": [], "fails": []}, {"nodes": ids[:3], "missing": ["openssl", "curl"]})
    yield ids
    ansible.emulator.add_records({"clear": True})


def _order(ansible: Ansible, *orders: dict[str, t.Any]) -> None:
    assert post(ansible.emulator, "/_emulator/patches", json.dumps(orders).encode())[0] == 200


def _scan(ansible: Ansible, nodes: list[str]) -> None:
    ssm = ansible.emulator.client("ssm")
    sent = ssm.send_command(DocumentName="AWS-RunPatchBaseline", InstanceIds=nodes, Parameters={"Operation": ["Scan"]})["Command"]
    deadline = time.monotonic() + 20
    while ssm.list_commands(CommandId=sent["CommandId"])["Commands"][0]["Status"] in ("Pending", "InProgress"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _report(ansible: Ansible, nodes: list[str], *arguments: str, **variables: t.Any) -> Run:
    given = {"report_file": "fleet.html", "report_instance_ids": nodes, **variables}
    return ansible.run("ansible-playbook", "fleet.ssm.report", "-e", json.dumps(given), *arguments)


def _page(ansible: Ansible, name: str = "fleet.html") -> _Tables:
    text = (ansible.folder / name).read_text(encoding="utf-8")
    assert "<script" not in text
    return _Tables(text)


def test_the_page_tells_of_every_node_and_is_written_once(ansible: Ansible, nodes: list[str]) -> None:
    _scan(ansible, nodes[:5])
    checked = _report(ansible, nodes, "--check")
    assert checked.code == 0, str(checked)
    assert "changed=1" in checked.output
    assert not (ansible.folder / "fleet.html").exists()

    ansible.emulator.reset()
    run = _report(ansible, nodes)
    assert run.code == 0, str(run)
    # Of three nodes the patches are read.
    calls = {name: ansible.emulator.calls(f"ssm:{name}") for name in ("DescribeInstanceInformation", "DescribeInstancePatchStates")}
    assert calls == {"DescribeInstanceInformation": 1, "DescribeInstancePatchStates": 1}
    assert ansible.emulator.calls("ssm:DescribeInstancePatches") == 3
    page = _page(ansible)
    expected = {"managed nodes": "6", "compliant": "2", "lack patches": "3", "never scanned": "1", "not heard of": "0"}
    assert {name: page.tiles[name] for name in expected} == expected
    assert page.tiles["with an old agent"] == "1"
    assert page.without_head("patch-groups") == [
        ["web", "1 of 4 25 %"],
        ["in no patch group", "1 of 1 100 %"],
        ["never scanned", "0 of 1 0 %"],
    ]
    assert page.without_head("severities") == [["Critical", "3", "3"], ["Medium", "3", "3"]]
    assert page.without_head("platforms") == [["Debian GNU/Linux 12", "5"], ["Ubuntu 12", "1"]]
    assert page.without_head("agents") == [["3.3.987.0 latest", "5"], ["3.1.1.0", "1"]]
    assert page.without_head("needing")[0][0].startswith("plain-1")
    assert len(page.squares) == 6
    assert "<script>alert(1)</script>-1: Online, never scanned" in page.squares

    again = _report(ansible, nodes)
    assert again.code == 0, str(again)
    assert "changed=0" in again.output


def test_places_are_on_one_page_with_the_nodes_that_are_not_heard_of(ansible: Ansible, nodes: list[str]) -> None:
    places = [{"name": "Here"}, {"region": _ELSEWHERE}]
    run = _report(ansible, [], report_places=places, report_patches=False, report_title="Both")
    assert run.code == 0, str(run)
    page = _page(ansible)
    (row,) = [row for row in page.without_head("silent") if row[1] == _ELSEWHERE]
    assert row[0].startswith("far-1")
    assert row[2] == "ConnectionLost"
    assert row[3].startswith("2030-01-02 03:04 UTC")
    text = (ansible.folder / "fleet.html").read_text(encoding="utf-8")
    assert re.findall(r"<figcaption>([^<]+?) <span", text) == ["Here", _ELSEWHERE]
    assert ansible.emulator.calls("ssm:DescribeInstancePatches") == 0


def _patch(ansible: Ansible, nodes: t.Sequence[str], *arguments: str, **variables: t.Any) -> Run:
    path = ansible.folder / "hosts.json"
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    path.write_text(json.dumps({"all": {"hosts": {node: {} for node in nodes}, "vars": local}}), encoding="utf-8")
    given = json.dumps({"patch_hosts": "all", "patch_report": "patched.html", "patch_serial": 3, **variables})
    return ansible.run("ansible-playbook", "-i", str(path), "fleet.ssm.patch", "-e", given, *arguments)


def test_patching_ends_with_a_page_of_what_it_did(ansible: Ansible, nodes: list[str]) -> None:
    checked = _patch(ansible, nodes, "--check")
    assert checked.code == 0, str(checked)
    assert not (ansible.folder / "patched.html").exists()

    run = _patch(ansible, nodes)
    assert run.code == 0, str(run)
    page = _page(ansible, "patched.html")
    assert page.without_head("before-after") == [["missing", "6", "0"]]
    text = (ansible.folder / "patched.html").read_text(encoding="utf-8")
    assert "3 of 6 nodes were changed, 0 failed, 3 had nothing to change." in text
    assert page.tiles["compliant"] == "6"


def test_a_run_that_is_stopped_writes_the_page_all_the_same(ansible: Ansible, nodes: list[str], tmp_path: pathlib.Path) -> None:
    _order(ansible, {"nodes": [nodes[2]], "fails": ["curl"]})
    hook = tmp_path / "hook.yml"
    hook.write_text(
        f"- ansible.builtin.fail: {{msg: 'The load balancer is down.'}}\n  when: inventory_hostname == '{nodes[1]}'\n",
        encoding="utf-8",
    )
    run = _patch(ansible, nodes, patch_before_tasks=str(hook), patch_max_fail_percentage=40)
    assert run.code == 2, str(run)
    assert run.says(f"{nodes[2]}: Failed. Could not be installed: curl.")
    page = _page(ansible, "patched.html")
    text = (ansible.folder / "patched.html").read_text(encoding="utf-8")
    assert "1 of 3 nodes were changed, 2 failed, 0 had nothing to change." in text, str(run)
    reasons = {row[0].split()[0]: row[-1] for row in page.without_head("failed")}
    assert reasons == {"plain-2": "The load balancer is down.", "plain-3": f"{nodes[2]}: Failed. Could not be installed: curl."}
    # The one that could not be taken out was not patched, and the next batch was not begun.
    states = ansible.emulator.client("ssm").describe_instance_patch_states(InstanceIds=nodes)["InstancePatchStates"]
    assert {row["InstanceId"]: (row["Operation"], row["MissingCount"]) for row in states if row["InstanceId"] != nodes[2]} == {
        nodes[0]: ("Install", 0),
        nodes[1]: ("Scan", 2),
        **dict.fromkeys(nodes[3:], ("Scan", 0)),
    }
