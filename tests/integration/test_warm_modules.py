# Copyright: Contributors to the fleet.ssm project
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks return does not depend on whether forks of a warm interpreter run their modules or fresh ones do."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import shutil
import typing as t

import pytest
import yaml

from tests.integration.running_emulator import Ansible, RunningEmulator

_HERE = pathlib.Path(__file__).parent
_WARM, _COLD = "web-1", "web-2"

# The first test waits for the one play that all look at: 137 tasks on two nodes, minutes where the machine has more to do.
_PLAY_SECONDS = 1000

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(_PLAY_SECONDS + 100),
    pytest.mark.skipif(os.geteuid() != 0, reason="nodes without a root folder of their own would change this machine"),
]


def _is_known(task: dict[str, t.Any]) -> bool:
    """Whether this ansible-core has a task's module: one that it has not is an error of the whole playbook."""
    names = [name.removeprefix("ansible.builtin.") for name in task if name.startswith("ansible.builtin.")]
    return all(importlib.util.find_spec(f"ansible.modules.{name}") is not None for name in names)


_TASKS: dict[str, dict[str, t.Any]] = {
    task["name"]: task for task in yaml.safe_load((_HERE / "warm_modules.yml").read_text(encoding="utf-8")) if _is_known(task)
}
#: They tell which node is the warm one, and so differ.
_PROOFS = [name for name, task in _TASKS.items() if "parent" in task]

#: What differs between any two runs, by its key: moments and durations, what the kernel gives numbers to, measurements, and a
#: machine's own number.
_PASSING_VALUES = {
    *("start", "end", "delta", "elapsed", "atime", "mtime", "ctime", "ansible_date_time", "ansible_uptime_seconds"),
    *("inode", "dev"),
    *("ansible_loadavg", "ansible_memfree_mb", "ansible_memory_mb"),
    *("block_available", "block_used", "inode_available", "inode_used", "size_available"),
    "ansible_machine_id",
}

#: What differs between any two runs, in any text.
_PASSING_WORDS = {
    "an answer's time": r"\b\w{3}, [0-9]{2} \w{3} [0-9]{4} [0-9:]{8} GMT\b",
    "a word of become": r"(?<=BECOME-SUCCESS-)[a-z]{32}",
    "a temporary folder of a task": r"(?<=ansible-tmp-)[0-9.]+-[0-9]+-[0-9]+",
    "a temporary folder of a module": r"(?<=ansible-moduletmp-)[0-9.]+-\w+",
    "a temporary folder of a module's payload": r"(?<=_payload_)\w{8}(?=/)",
    "another temporary name": r"(?<![^\W_])(?:tmp|made-|\.)[a-z0-9_]{8}\b",
    "a backup's process and time": r"\b[0-9]+\.[0-9-]{10}@[0-9:]{8}(?=~)",
    "an async job's number and process": r"\bj?[0-9]{8,}\.[0-9]+\b",
}

#: What is beneath a module's frames in a fork: tracebacks of a whole stack have it, where ANSIBLE_DISPLAY_TRACEBACK asks for them.
_BENEATH = re.compile(r'  File "<stdin>", line [0-9]+, in <module>\n  File "warm", line [0-9]+, in run\n')


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """What each task returned on both nodes, without what differs between any two runs."""

    warm: dict[str, t.Any]
    cold: dict[str, t.Any]


@pytest.fixture(scope="module")
def outcome(running_emulator: RunningEmulator, tmp_path_factory: pytest.TempPathFactory) -> _Outcome:
    """Run all tasks on a warm node and on a cold one."""
    return run(Ansible(tmp_path_factory.mktemp("warm_modules"), running_emulator))


def run(ansible: Ansible) -> _Outcome:
    """Run all tasks on both nodes."""
    ids = ansible.emulator.nodes()
    inventory = ansible.inventory(_WARM, _COLD)
    settings = {ids[_WARM]: "always", ids[_COLD]: "never"}
    lines = [f"{line} ansible_ssm_warm_modules={settings[line]}" if line in settings else line for line in _lines(inventory)]
    inventory.write_text("\n".join(lines) + "\n", encoding="utf-8")
    recorded = ansible.folder / "recorded"
    done = ansible.run(
        *("ansible-playbook", "-i", str(inventory), str(_playbook(ansible))),
        timeout=_PLAY_SECONDS,
        ANSIBLE_LIBRARY=str(_library(ansible.folder)),
        ANSIBLE_CALLBACK_PLUGINS=str(_HERE / "callback_plugins"),
        ANSIBLE_CALLBACKS_ENABLED="recorder",
        RECORDER_FILE=str(recorded),
        ANSIBLE_DEPRECATION_WARNINGS="1",
        ANSIBLE_DISPLAY_TRACEBACK="error",
        ANSIBLE_INJECT_INVOCATION="1",
    )
    assert done.code == 0, str(done)
    names = {ids[_WARM]: "(node)", ids[_COLD]: "(node)", _WARM: "(machine)", _COLD: "(machine)"}
    results: dict[str, dict[str, t.Any]] = {node: {} for node in settings}
    for line in _lines(recorded):
        node, name, result = json.loads(line)
        results[node][name] = _comparable(result, names)
    return _Outcome(results[ids[_WARM]], results[ids[_COLD]])


def _lines(path: pathlib.Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _library(folder: pathlib.Path) -> pathlib.Path:
    """Return the folder of modules, with two that are not text."""
    library = folder / "library"
    shutil.copytree(_HERE / "library", library)
    # It prints the file that a module's arguments come in, and that is JSON.
    shutil.copy(shutil.which("cat") or "", library / "binary")
    shutil.copy(shutil.which("true") or "", library / "silent_binary")
    return library


def _playbook(ansible: Ansible) -> pathlib.Path:
    """Write the playbook and the files that it takes from here."""
    folder = ansible.folder
    (folder / "script.sh").write_text('#!/bin/sh\necho "$# $1 $2"; pwd; echo aside >&2\n', encoding="utf-8")
    (folder / "bytes").write_bytes(bytes(range(256)) * 40)
    (folder / "template.j2").write_text("{% for one in ['a', '\u2603'] %}\n{{ one }} {{ here }}\n{% endfor %}\n", encoding="utf-8")
    variables = {
        "here": "/var/tmp/warm-modules",
        "emulator": ansible.emulator.url,
        "script": f"{folder}/script.sh",
        "bytes": f"{folder}/bytes",
        "template": f"{folder}/template.j2",
        "fetched": f"{folder}/fetched",
    }
    tasks = [{**task, "ignore_errors": True} for task in _TASKS.values()]
    # Freely, as the warm node would wait for the cold one all the time.
    play = {"hosts": "all", "gather_facts": False, "strategy": "free", "vars": variables, "tasks": tasks}
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    return path


def _comparable(value: t.Any, names: t.Mapping[str, str]) -> t.Any:
    """Leave out what differs between any two runs, and between any two nodes their names."""
    if isinstance(value, dict):
        return {key: _comparable(one, names) for key, one in value.items() if key not in _PASSING_VALUES}
    if isinstance(value, list):
        return [_comparable(one, names) for one in value]
    if isinstance(value, str):
        value = _BENEATH.sub("", value)
        for meaning, pattern in _PASSING_WORDS.items():
            value = re.sub(pattern, f"({meaning})", value)
        for name, meaning in names.items():
            value = value.replace(name, meaning)
    return value


@pytest.mark.parametrize("name", [name for name in _TASKS if name not in _PROOFS])
def test_a_task_returns_the_same_warm_and_cold(name: str, outcome: _Outcome) -> None:
    warm, cold = (json.dumps(one[name], indent=1, sort_keys=True).splitlines() for one in (outcome.warm, outcome.cold))
    assert warm == cold


def test_each_task_ends_as_its_tag_says(outcome: _Outcome) -> None:
    for results in (outcome.warm, outcome.cold):
        endings = {name: _ending(results[name]) for name, task in _TASKS.items() if task["tags"] != "depends"}
        assert endings == {name: _TASKS[name]["tags"] for name in endings}


def _ending(result: dict[str, t.Any]) -> str:
    if result["ending"] != "ok":
        return str(result["ending"])
    return "changed" if result.get("changed") else "unchanged"


def test_the_warm_node_runs_modules_in_forks_to_the_end(outcome: _Outcome) -> None:
    assert {name: outcome.warm[name]["forked"] for name in _PROOFS} == dict.fromkeys(_PROOFS, True)


def test_the_cold_node_runs_each_module_in_a_fresh_interpreter(outcome: _Outcome) -> None:
    assert {name: outcome.cold[name]["forked"] for name in _PROOFS} == dict.fromkeys(_PROOFS, False)
