# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module agent_config, on files of the test."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.modules import agent_config

_PROXY = {"https": "http://user:password@proxy.example:3128"}


class Place:
    """A configuration file and a folder of units."""

    def __init__(self, folder: pathlib.Path, run: t.Callable[..., t.Any]) -> None:
        self.file = folder / "amazon/ssm/amazon-ssm-agent.json"
        self.units = folder / "units"
        self.units.mkdir()
        self.drop_in = self.units / "amazon-ssm-agent.service.d/fleet-ssm-proxy.conf"
        self.reloads = 0
        self._run = run

    def write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True)
        self.file.write_text(text, encoding="utf-8")

    def ensure(self, **options: t.Any) -> t.Any:
        """Run the module after a check, which must have said the same and done nothing."""
        before, reloads = self._contents(), self.reloads
        checked = self._run(agent_config.main, path=str(self.file), check_mode=True, diff=True, **options)
        assert (self._contents(), self.reloads) == (before, reloads)
        result = self._run(agent_config.main, path=str(self.file), diff=True, **options)
        assert checked == result
        return result

    def _contents(self) -> dict[pathlib.Path, bytes]:
        return {
            path: path.read_bytes() for folder in (self.units, self.file.parent) for path in folder.rglob("*") if path.is_file()
        }


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, run: t.Callable[..., t.Any]) -> Place:
    made = Place(tmp_path, run)

    def reload(*_command: str) -> None:
        made.reloads += 1

    monkeypatch.setattr(agent_config, "_UNITS", str(made.units))
    monkeypatch.setattr(agent_config, "run", reload)
    return made


def test_the_file_is_made_where_there_is_none(place: Place) -> None:
    result = place.ensure(config={"Mds": {"CommandWorkersLimit": 10}})
    assert result["changed"]
    assert json.loads(place.file.read_text(encoding="utf-8")) == result["config"] == {"Mds": {"CommandWorkersLimit": 10}}
    assert place.file.stat().st_mode & 0o777 == 0o644


def test_a_second_run_changes_nothing(place: Place) -> None:
    options = {"config": {"Mds": {"CommandWorkersLimit": 10}}, "proxy": _PROXY}
    assert place.ensure(**options)["changed"]
    assert not place.ensure(**options)["changed"]


def test_a_file_that_says_the_same_keeps_its_form(place: Place) -> None:
    place.write('{"Mds":{"CommandWorkersLimit":10}}')
    assert not place.ensure(config={"Mds": {"CommandWorkersLimit": 10}})["changed"]
    assert place.file.read_text(encoding="utf-8") == '{"Mds":{"CommandWorkersLimit":10}}'


def test_other_options_and_the_rights_of_the_file_stay(place: Place) -> None:
    place.write('{"Agent": {"Region": "eu-west-1"}}')
    place.file.chmod(0o640)
    assert place.ensure(config={"Mds": {"CommandWorkersLimit": 10}})["config"]["Agent"] == {"Region": "eu-west-1"}
    assert place.file.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_not_json_is_told_and_left(place: Place) -> None:
    place.write("{broken")
    result = place.ensure(config={"Mds": {}})
    assert f"{place.file} cannot be changed: it is not JSON" in result["msg"]
    assert place.file.read_text(encoding="utf-8") == "{broken"


def test_a_file_that_is_not_json_is_no_matter_to_who_wants_nothing_in_it(place: Place) -> None:
    place.write("{broken")
    assert place.ensure(proxy=_PROXY)["changed"]


def test_the_proxy_is_for_nobody_else_to_read(place: Place) -> None:
    result = place.ensure(proxy=_PROXY)
    assert place.drop_in.stat().st_mode & 0o777 == 0o600
    assert "password" in place.drop_in.read_text(encoding="utf-8")
    assert "password" not in json.dumps(result)
    assert place.reloads == 1


def test_without_the_option_the_proxy_stays_and_empty_it_goes(place: Place) -> None:
    place.ensure(proxy=_PROXY)
    assert not place.ensure()["changed"]
    assert place.drop_in.exists()
    assert place.ensure(proxy={})["changed"]
    assert not place.drop_in.parent.exists()
    assert not place.ensure(proxy={})["changed"]


def test_another_drop_in_of_the_unit_is_left(place: Place) -> None:
    place.ensure(proxy=_PROXY)
    other = place.drop_in.with_name("other.conf")
    other.touch()
    place.ensure(proxy={})
    assert list(place.drop_in.parent.iterdir()) == [other]


def test_the_snap_has_its_drop_in_beside_its_own_unit(place: Place) -> None:
    place.ensure(proxy=_PROXY, unit="snap.amazon-ssm-agent.amazon-ssm-agent.service")
    assert (place.units / "snap.amazon-ssm-agent.amazon-ssm-agent.service.d/fleet-ssm-proxy.conf").exists()
