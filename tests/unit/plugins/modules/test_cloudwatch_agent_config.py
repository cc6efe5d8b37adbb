# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module cloudwatch_agent_config with the stub's programs on files of the test."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import subprocess
import sys
import types
import typing as t
import unittest.mock

import pytest
from ansible.module_utils import basic
from ansible_collections.fleet.ssm.plugins.module_utils._agent import configuration
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import node as node_module
from ansible_collections.fleet.ssm.plugins.module_utils._cloudwatch import validation
from ansible_collections.fleet.ssm.plugins.module_utils._machine import system
from ansible_collections.fleet.ssm.plugins.module_utils._machine.programs import Said
from ansible_collections.fleet.ssm.plugins.modules import cloudwatch_agent_config

_STUB = pathlib.Path(__file__).resolve().parents[3] / "machines/stub_cloudwatch_agent"
_BASE = "/opt/aws/amazon-cloudwatch-agent"
_MEMORY = {"name": "memory", "content": {"metrics": {"metrics_collected": {"mem": {"measurement": ["mem_used_percent"]}}}}}
_LOGS = {"name": "logs", "content": '{"logs": {"logs_collected": {"files": {"collect_list": [{"file_path": "/var/log/syslog"}]}}}}'}
_ON_PREMISES = {"region": "eu-west-1", "credentials": "ssm"}


class Systemd:
    """The agent's unit. It does not come up for the user "nobody-such", as the real one does not."""

    def __init__(self, base: pathlib.Path) -> None:
        self._toml = base / "etc/amazon-cloudwatch-agent.toml"
        self.active = self.enabled = False
        self.asked: list[str] = []

    def systemctl(self, action: str) -> int:
        if action in ("is-active", "is-enabled"):
            return 0 if (self.active if action == "is-active" else self.enabled) else 3
        self.asked.append(action)
        if action in ("enable", "disable"):
            self.enabled = action == "enable"
        if action in ("restart", "stop"):
            self.active = action == "restart" and "nobody-such" not in self._toml.read_text(encoding="utf-8")
        return 0


class Programs:
    """The stub's programs, run in this process: each run of the module starts a dozen."""

    def __init__(self, base: pathlib.Path) -> None:
        self.systemd = Systemd(base)
        self._agent = _load("amazon-cloudwatch-agent", base)
        self._control = _load("amazon-cloudwatch-agent-ctl", base)
        self._control.__dict__["subprocess"] = types.SimpleNamespace(run=self._start, DEVNULL=None, PIPE=None)

    def run(self, *command: str) -> Said:
        """Be programs.run of the collection."""
        output, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
            try:
                code = self._main(pathlib.Path(command[0]).name, list(command[1:]))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        return Said(code, output.getvalue(), error.getvalue())

    def _main(self, name: str, arguments: list[str]) -> int:
        if name == "systemctl":
            return self.systemd.systemctl(arguments[0])
        if name == "amazon-cloudwatch-agent-ctl":
            with unittest.mock.patch.object(sys, "argv", [name, *arguments]):
                self._control.main()
            return 0
        return 0 if name == "journalctl" else int(self._agent.main(name, arguments))

    def _start(self, command: list[str], check: bool, **_options: t.Any) -> subprocess.CompletedProcess[str]:
        said = self.run(*command)
        print(said.error, file=sys.stderr, end="")
        assert not (check and said.code), said
        return subprocess.CompletedProcess(command, said.code, said.output, "")


def _load(name: str, base: pathlib.Path) -> types.ModuleType:
    text = (_STUB / f"{name}.py").read_text(encoding="utf-8").replace(_BASE, str(base)).replace("/run/systemd/system", "/")
    module = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
    return module


class Place:
    """An installed agent, and the module."""

    def __init__(self, folder: pathlib.Path, run: t.Callable[..., t.Any]) -> None:
        self.base = folder / "agent"
        self.etc = self.base / "etc"
        self.fragments = self.etc / "amazon-cloudwatch-agent.d"
        self.common_config = self.etc / "common-config.toml"
        self.profile_config = folder / "root/.aws/config"
        self.systemd: Systemd | None = None
        self._folder = folder
        self._run = run

    def install(self) -> Programs:
        for path in (self.fragments, self.base / "bin"):
            path.mkdir(parents=True)
        (self.base / "bin/amazon-cloudwatch-agent-ctl").touch()
        (self.base / "bin/CWAGENT_VERSION").write_text("1.300001.0b1\n", encoding="utf-8")
        self.common_config.write_text("# AWS's\n", encoding="utf-8")
        programs = Programs(self.base)
        self.systemd = programs.systemd
        return programs

    def ensure(self, **options: t.Any) -> t.Any:
        """Run the module after a check, which must have said the same and done nothing."""
        before = self.contents()
        checked = self.run(check_mode=True, **options)
        assert self.contents() == before
        result = self.run(**options)
        assert "msg" not in result, result
        for key in ("changed", "diff", "fragments", "agent"):
            assert checked[key] == result[key], key
        return result

    def have(self, **options: t.Any) -> None:
        """Run the module once, as what comes before a test."""
        assert self.run(**options)["changed"]

    def refused(self, **options: t.Any) -> str:
        """Run what must fail, in the check with the same words, and leave everything as it is."""
        before = self.contents()
        words = [self.run(check_mode=check, **options)["msg"] for check in (True, False)]
        assert self.contents() == before
        assert words[0] == words[1]
        return str(words[0])

    def run(self, **options: t.Any) -> t.Any:
        wanted = {"configs": [_MEMORY], **_ON_PREMISES, "diff": True, **options}
        return self._run(cloudwatch_agent_config.main, **{name: value for name, value in wanted.items() if value is not None})

    def contents(self) -> dict[str, bytes]:
        paths = [path for path in self._folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self._folder)): path.read_bytes() for path in paths}


@pytest.fixture
def bare(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, run: t.Callable[..., t.Any]) -> Place:
    made = Place(tmp_path, run)
    monkeypatch.setattr(cloudwatch_agent_config, "_BASE", str(made.base))
    monkeypatch.setattr(configuration, "SHARED_CREDENTIALS", str(made.profile_config.with_name("credentials")))
    monkeypatch.setattr(system, "is_booted", lambda: True)
    monkeypatch.setattr(node_module, "_SETTLE_SECONDS", 0.0)
    return made


@pytest.fixture
def place(bare: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    pytest.importorskip("tomllib", reason="the stub agent reads TOML as Python 3.11 does")
    programs = bare.install()
    monkeypatch.setattr(node_module, "run", programs.run)
    monkeypatch.setattr(validation, "run", programs.run)
    return bare


def _unit(place: Place) -> Systemd:
    assert place.systemd is not None
    return place.systemd


def test_fragments_are_taken_and_the_agent_runs_with_them(place: Place) -> None:
    result = place.ensure(configs=[_MEMORY, _LOGS])
    assert result["changed"]
    assert result["agent"] == {"running": True, "configured": True, "version": "1.300001.0b1", "enabled": True}
    assert result["fragments"] == ["file_memory.json", "file_logs.json", "file_fleet-ssm-region.json"]
    assert sorted(path.name for path in place.fragments.iterdir()) == sorted(result["fragments"])
    assert json.loads((place.fragments / "file_memory.json").read_text(encoding="utf-8")) == _MEMORY["content"]
    assert _unit(place).active
    # Once, whatever the number of fragments.
    assert _unit(place).asked.count("restart") == 1


def test_credentials_and_region_of_a_hybrid_node_are_where_the_agent_looks_for_them(place: Place) -> None:
    place.profile_config.parent.mkdir(parents=True)
    place.profile_config.write_text("[default]\noutput = json\n", encoding="utf-8")
    place.have()
    assert place.profile_config.read_text(encoding="utf-8") == "[default]\noutput = json\nregion = eu-west-1\n"
    text = place.common_config.read_text(encoding="utf-8")
    assert text.startswith("# AWS's\n")
    assert f'shared_credential_file = "{place.profile_config.with_name("credentials")}"' in text


def test_a_second_run_idempotent(place: Place) -> None:
    place.ensure(configs=[_MEMORY, _LOGS], proxy={"https": "http://proxy.example:3128"}, ca_bundle="/ca.pem")
    before = place.contents()
    _unit(place).asked.clear()
    again = place.ensure(configs=[_LOGS, _MEMORY], proxy={"https": "http://proxy.example:3128"}, ca_bundle="/ca.pem")
    assert (again["changed"], again["diff"]) == (False, [])
    assert place.contents() == before
    assert _unit(place).asked == []


def test_a_bare_machine_check_mode(bare: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(basic.AnsibleModule, "warn", lambda _self, warning: warnings.append(warning))
    result = bare.run(check_mode=True)
    assert (result["changed"], result["agent"]) == (True, None)
    assert ["no translator that could check" in warning for warning in warnings] == [True]
    assert "is not installed" in bare.run()["msg"]


@pytest.mark.parametrize(
    "drift",
    [
        lambda place: (place.fragments / "file_memory.json").write_text("{}", encoding="utf-8"),
        lambda place: (place.fragments / "file_memory.json").unlink(),
        lambda place: (place.fragments / "file_other.json").write_text("{}", encoding="utf-8"),
        lambda place: (place.fragments / "default.yaml").touch(),
        lambda place: (place.etc / "amazon-cloudwatch-agent.json").write_text("{}", encoding="utf-8"),
        lambda place: (place.etc / "amazon-cloudwatch-agent.toml").unlink(),
        lambda place: place.common_config.write_text("# AWS's\n", encoding="utf-8"),
        lambda place: place.profile_config.unlink(),
    ],
    ids=["changed", "gone", "another", "yaml", "old file", "not configured", "settings", "region"],
)
def test_whatever_was_changed_is_repaired_with_a_restart(place: Place, drift: t.Callable[[Place], None]) -> None:
    place.have()
    before = place.contents()
    _unit(place).asked.clear()
    drift(place)
    assert place.ensure()["changed"]
    assert place.contents() == before
    assert _unit(place).asked.count("restart") == 1


def test_how_a_fragment_is_written_does_not_count(place: Place) -> None:
    place.have()
    (place.fragments / "file_memory.json").write_text(json.dumps(_MEMORY["content"]), encoding="utf-8")
    assert not place.ensure()["changed"]


def test_a_stopped_agent_is_started_without_touching_its_configuration(place: Place) -> None:
    place.have()
    _unit(place).active = False
    result = place.ensure()
    assert (result["changed"], result["diff"]) == (True, [])
    assert _unit(place).active


def test_an_agent_that_is_not_to_run_is_stopped_and_configured_all_the_same(place: Place) -> None:
    place.have()
    result = place.ensure(state="stopped", enabled=False, configs=[_LOGS])
    assert (result["agent"]["running"], result["agent"]["enabled"], _unit(place).active) == (False, False, False)
    assert (place.fragments / "file_logs.json").exists()
    assert not place.ensure(state="stopped", enabled=False, configs=[_LOGS])["changed"]


def test_an_agent_is_started_and_not_enabled_though_its_own_program_enables_it(place: Place) -> None:
    result = place.ensure(enabled=False)
    assert (result["agent"]["running"], result["agent"]["enabled"]) == (True, False)
    assert not place.ensure(enabled=False)["changed"]


def test_a_fragment_that_is_refused_is_named_with_the_translators_words_and_nothing_changes(place: Place) -> None:
    place.have()
    bad = {"name": "bad", "content": {"agent": {"metrics_collection_interval": "often"}}}
    words = place.refused(configs=[_LOGS, bad], proxy={"http": "http://p"})
    assert words == (
        "The fragment bad.json is refused by the agent's config-translator: E! Invalid Json input schema. / Under path :"
        " /agent/metrics_collection_interval | Error : Invalid type. Expected: integer, given: string / E! configuration validation"
        " first phase failed. Agent version: 1.0. Verify the JSON input is only using features supported by this version"
    )


def test_fragments_that_contradict_each_other_are_told(place: Place) -> None:
    one, other = ({"name": str(seconds), "content": {"agent": {"metrics_collection_interval": seconds}}} for seconds in (10, 20))
    words = place.refused(configs=[one, other])
    assert "Each fragment is well by itself" in words
    assert "Different values are specified for metrics_collection_interval" in words


def test_a_server_on_premises_without_a_region_is_told_what_it_lacks(place: Place) -> None:
    words = place.refused(region=None, credentials=None)
    assert "please make sure the credentials and region set correctly on your hosts" in words
    assert words.endswith("set credentials and region.")


def test_an_agent_that_does_not_come_up_gets_back_what_it_had(place: Place) -> None:
    place.have()
    before = place.contents()
    bad = {"name": "user", "content": {"agent": {"run_as_user": "nobody-such"}}}
    assert "was started and does not run" in place.run(configs=[bad])["msg"]
    assert place.contents() == before
    assert _unit(place).active


def test_an_agent_that_did_not_run_is_left_so_when_it_cannot(place: Place) -> None:
    before = place.contents()
    bad = {"name": "user", "content": {"agent": {"run_as_user": "nobody-such"}}}
    assert "was started and does not run" in place.run(configs=[bad])["msg"]
    assert place.contents() == before


def test_the_password_of_a_proxy_is_not_shown(place: Place) -> None:
    place.have(proxy={"https": "http://user:before@proxy.example"})
    result = place.ensure(proxy={"https": "http://user:after@proxy.example"})
    assert result["changed"]
    assert "before" not in json.dumps([entry["before"] + entry["after"] for entry in result["diff"]])
    assert "after@" not in json.dumps(result)
    assert "user:after@" in place.common_config.read_text(encoding="utf-8")


def test_no_fragment_at_all_is_told(place: Place) -> None:
    assert "at least one" in place.refused(configs=[])


def test_where_systemd_does_not_run_the_agents_own_program_would_not_work(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "is_booted", lambda: False)
    assert "systemd does not run this machine" in place.refused()
