# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role agent on Windows, as far as it can be seen without one: which modules of ansible.windows are asked for what, and when.

Stand-ins take the part of these modules: they write down what they are asked, and answer what a test says. That the scripts are
PowerShell is all that is tested of them, in tests/unit/roles.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.fleet.ssm.plugins.module_utils._agent import sources

pytestmark = pytest.mark.long

_HERE = pathlib.Path(__file__).resolve().parent
_SCRIPTS = _HERE.parents[1] / "roles/agent/files/windows"
_VERSION, _NEWER = "3.3.1.0", "3.3.2.0"
_CONFIG = r"C:\Program Files\Amazon\SSM\amazon-ssm-agent.json"

# As the real module does, a script that does not say that it knows checks is not run in one.
_STAND_IN = '''
"""Write down what a module of ansible.windows is asked, and answer what a test says."""
import json
import os
import pathlib

from ansible.plugins.action import ActionBase

FOLDER = pathlib.Path(os.environ["STAND_IN_FOLDER"])


class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        host, name, arguments = task_vars["inventory_hostname"], self._task.action.rpartition(".")[2], dict(self._task.args)
        if "script" in arguments:
            script = arguments.pop("script").strip()
            scripts = pathlib.Path(os.environ["SCRIPTS"]).iterdir()
            name = next(path.stem for path in scripts if path.read_text().strip() == script)
            assert not self._task.check_mode or "[CmdletBinding(SupportsShouldProcess)]" in script
        with (FOLDER / "asked").open("a") as asked:
            asked.write(json.dumps([host, name, arguments]) + "\\n")
        answers = json.loads((FOLDER / "answers").read_text())
        return {**result, "changed": True, **answers.get(host, {}).get(name, {})}
'''
_MODULES = ("win_copy", "win_file", "win_powershell", "win_regedit", "win_service")


def _looked(version: str | None = None, config: str = "", environment: t.Sequence[str] = (), **agent: t.Any) -> dict[str, t.Any]:
    """Give what the first script answers: a bare machine, unless there is a version."""
    known = {"kind": "exe", "version": version, "unit": "AmazonSSMAgent", "running": True, "enabled": True}
    nothing = dict.fromkeys([*known, "node_id", "region"])
    result = {
        "agent": {**nothing, **known, **agent} if version else nothing,
        "installed": [{"kind": "exe", "version": version}] if version else [],
        "system": {"kind": "exe", "architecture": "amd64", "booted": True},
        "environment": list(environment),
        "config_path": _CONFIG,
        "config": config,
    }
    return {"changed": False, "result": result}


def _packaged(version: str, before: str = "") -> dict[str, t.Any]:
    return {"changed": version != before, "result": {"version": version, "previous_version": before}}


class Windows:
    """Runs the role on hosts that are told to be Windows."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        plugins = folder / "ansible_collections/ansible/windows/plugins"
        for kind in ("action", "modules"):
            (plugins / kind).mkdir(parents=True)
        for name in _MODULES:
            (plugins / f"action/{name}.py").write_text(_STAND_IN, encoding="utf-8")
            (plugins / f"modules/{name}.ps1").touch()
        self.hosts: dict[str, dict[str, t.Any]] = {}
        self.answers: dict[str, dict[str, t.Any]] = {}
        self.output = ""

    def host(self, name: str, *, look: dict[str, t.Any], variables: dict[str, t.Any] | None = None, **answers: t.Any) -> None:
        """Have one more host, with what the modules say there."""
        told = {"ansible_connection": "local", "ansible_shell_type": "powershell", **(variables or {})}
        self.hosts[name] = {variable: value for variable, value in told.items() if value is not None}
        self.answers[name] = {"look": look, **answers}

    def run(self, entry: str = "main", *arguments: str) -> None:
        """Run an entry point of the role on all hosts."""
        for name in ("asked", "record"):
            (self._folder / name).unlink(missing_ok=True)
        (self._folder / "answers").write_text(json.dumps(self.answers), encoding="utf-8")
        inventory = {"all": {"hosts": self.hosts}}
        (self._folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
        role = {"name": "Role", "ansible.builtin.import_role": {"name": "fleet.ssm.agent", "tasks_from": entry}}
        (self._folder / "play.yml").write_text(
            json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [role]}]), encoding="utf-8"
        )
        command = ["ansible-playbook", "-i", str(self._folder / "hosts.json"), str(self._folder / "play.yml"), *arguments]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AWS_", "FLEET_"))},
            "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(self._folder),
            "ANSIBLE_HOME": str(self._folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(self._folder / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACK_PLUGINS": str(_HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "RECORDER_FILE": str(self._folder / "record"),
            "STAND_IN_FOLDER": str(self._folder),
            "SCRIPTS": str(_SCRIPTS),
        }
        done = subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
        self.output = done.stdout + done.stderr

    def asked(self, host: str) -> list[tuple[str, dict[str, t.Any]]]:
        """Give the modules and scripts that were run there, with what they were asked."""
        lines = (self._folder / "asked").read_text(encoding="utf-8").splitlines()
        return [(name, arguments) for where, name, arguments in map(json.loads, lines) if where == host]

    def names(self, host: str) -> list[str]:
        """Name them."""
        return [name for name, _arguments in self.asked(host)]

    def results(self, host: str) -> list[tuple[str, dict[str, t.Any]]]:
        """Give each task's name and result."""
        lines = (self._folder / "record").read_text(encoding="utf-8").splitlines()
        return [(task.rpartition(" : ")[2], result) for where, task, result in map(json.loads, lines) if where == host]

    def changed(self, host: str) -> list[str]:
        """Name the tasks that changed something, or would."""
        return [task for task, result in self.results(host) if result.get("changed")]

    def found(self, host: str) -> dict[str, t.Any]:
        """Give the fact agent_found."""
        facts = [result["ansible_facts"] for _task, result in self.results(host) if "ansible_facts" in result]
        found: dict[str, t.Any] = facts[-1]["agent_found"]
        return found

    def failure(self, host: str) -> str:
        """Give what the task that failed said."""
        (said,) = [str(result["msg"]) for _task, result in self.results(host) if result["ending"] == "failed"]
        return said


_WISHES: dict[str, t.Any] = {
    "agent_region": "eu-west-1",
    "agent_config": {"Mds": {"CommandWorkersLimit": 8}},
    "agent_proxy": {"https": "http://proxy.example:3128", "no": ".amazonaws.com"},
}
_CONFIGURED = json.dumps({**_WISHES["agent_config"], "Agent": {"Region": "x"}})
_ENVIRONMENT = ["https_proxy=http://proxy.example:3128", "no_proxy=.amazonaws.com,169.254.169.254"]
_STOPPED: dict[str, t.Any] = {"agent_service_state": "stopped", "agent_service_enabled": False, "agent_proxy": {}}
_PLACES: dict[str, dict[str, t.Any]] = {
    "regional": {"agent_region": "us-gov-west-1"},
    "china": {"agent_region": "cn-north-1"},
    "global": {"agent_source": "global"},
    "mirror": {"agent_source": "mirror", "agent_mirror": "https://files.example/ssm/"},
    "quoted": {"agent_region": "\u201ceu-west-1\u201d"},
}
_PRESENT = _packaged(_VERSION, _VERSION)
_SETUP = "Have the agent's setup program run, verified"


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    """All hosts of one run, which takes longer than all else."""
    made = Windows(tmp_path_factory.mktemp("windows"))
    made.host("bare", look=_looked(), variables=_WISHES, package=_packaged(_VERSION))
    done = _looked(_VERSION, _CONFIGURED, ["OTHER=1", *_ENVIRONMENT])
    made.host("done", look=done, variables=_WISHES, package=_PRESENT, win_service={"changed": False})
    others = _looked(_VERSION, environment=["OTHER=1", "HTTP_PROXY=http://old:1"])
    made.host("stopped", look=others, variables=_STOPPED, package=_PRESENT)
    made.host("alone", look=_looked(_VERSION, environment=["http_proxy=http://old:1"]), variables=_STOPPED, package=_PRESENT)
    made.host("conflict", look=_looked(_VERSION), variables={"agent_version": _NEWER, "agent_auto_update": True})
    made.host("signed-by-others", look=_looked(), package={"failed": True, "msg": "signed by Example"})
    for name, variables in _PLACES.items():
        made.host(name, look=_looked(), variables=variables, package=_packaged(_VERSION))
    for connection in ("winrm", "ansible.builtin.psrp"):
        told = {"ansible_shell_type": None, "ansible_connection": connection}
        made.host(connection, look=_looked(_VERSION), variables=told, package=_PRESENT)
    made.run()
    return made


@pytest.fixture
def own(tmp_path: pathlib.Path) -> Windows:
    """Hosts to be told of."""
    return Windows(tmp_path)


def test_a_bare_windows_gets_a_configured_agent(windows: Windows) -> None:
    assert windows.names("bare") == ["look", "package", "win_copy", "win_regedit", "win_service"], windows.output
    asked = dict(windows.asked("bare"))
    assert asked["package"]["parameters"] == {
        "Version": "present",
        "Installed": "",
        "Place": "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1",
        "Architecture": "amd64",
        "Publishers": ["Amazon.com Services LLC"],
        "Proxy": "http://proxy.example:3128",
    }
    assert asked["win_copy"]["dest"] == _CONFIG
    assert json.loads(asked["win_copy"]["content"]) == _WISHES["agent_config"]
    assert (asked["win_regedit"]["data"], asked["win_regedit"]["state"]) == (_ENVIRONMENT, "present")
    assert asked["win_service"] == {"name": "AmazonSSMAgent", "start_mode": "auto", "state": "restarted"}
    assert windows.found("bare") == {
        "kind": "exe",
        "version": _VERSION,
        "previous_version": None,
        "unit": "AmazonSSMAgent",
        "running": True,
        "enabled": True,
        "node_id": None,
        "region": None,
    }


def test_an_agent_that_is_as_wanted_stays_as_it_is(windows: Windows) -> None:
    assert windows.names("done") == ["look", "package", "win_service"], windows.output
    assert dict(windows.asked("done"))["win_service"]["state"] == "started"
    assert windows.changed("done") == []


def test_a_service_that_is_not_to_run_is_stopped(windows: Windows) -> None:
    asked = dict(windows.asked("stopped"))
    assert asked["win_service"] == {"name": "AmazonSSMAgent", "start_mode": "manual", "state": "stopped"}, windows.output


def test_an_environment_of_others_stays_without_the_proxies(windows: Windows) -> None:
    asked = dict(windows.asked("stopped"))["win_regedit"]
    assert (asked["data"], asked["state"]) == (["OTHER=1"], "present")
    assert dict(windows.asked("alone"))["win_regedit"]["state"] == "absent"


def test_what_cannot_be_is_refused_before_anything_is_changed(windows: Windows) -> None:
    assert "from which agent_auto_update would update" in windows.failure("conflict"), windows.output
    assert windows.names("conflict") == ["look"]


def test_a_setup_program_that_is_not_trusted_ends_it(windows: Windows) -> None:
    assert windows.names("signed-by-others") == ["look", "package"], windows.output


@pytest.mark.parametrize("name", _PLACES)
def test_the_setup_program_is_looked_for_where_packages_for_linux_are(windows: Windows, name: str) -> None:
    variables = _PLACES[name]
    source, region = variables.get("agent_source", "regional"), variables.get("agent_region", "")
    place = "" if name == "quoted" else sources.BUCKET.place(source, region, variables.get("agent_mirror", ""))
    assert dict(windows.asked(name))["package"]["parameters"]["Place"] == place, windows.output


@pytest.mark.parametrize("connection", ["winrm", "ansible.builtin.psrp"])
def test_windows_is_also_told_by_its_connections(windows: Windows, connection: str) -> None:
    assert windows.names(connection) == ["look", "package", "win_service"], windows.output


def test_a_check_runs_only_what_knows_checks_and_foretells_the_rest(own: Windows) -> None:
    own.host("bare", look=_looked(), variables=_WISHES, package=_packaged(_VERSION))
    own.host("old", look=_looked(_VERSION), variables={"agent_version": "latest"}, package=_packaged(_NEWER, _VERSION))
    own.run("main", "--check")
    assert own.names("bare") == ["look", "package"], own.output
    assert own.changed("bare") == [_SETUP, "Foresee what the agent will need that is not there yet"]
    assert own.names("old") == ["look", "package"]
    assert own.changed("old") == [_SETUP]
    assert (own.found("old")["version"], own.found("old")["previous_version"]) == (_NEWER, _VERSION)


def test_an_agent_is_uninstalled_with_its_data_when_that_is_wanted(own: Windows) -> None:
    own.host("one", look=_looked(_VERSION), variables={"agent_remove_data": True})
    own.host("two", look=_looked(_VERSION))
    own.run("uninstall")
    assert own.names("one") == ["look", "uninstall", "win_file", "win_file"], own.output
    assert own.names("two") == ["look", "uninstall"]


def test_every_script_is_run_by_a_task() -> None:
    tasks = "".join(path.read_text(encoding="utf-8") for path in (_SCRIPTS.parents[1] / "tasks").iterdir())
    assert set(re.findall(r"windows/(\w+)\.ps1", tasks)) == {path.stem for path in _SCRIPTS.iterdir()}
