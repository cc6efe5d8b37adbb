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

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="nodes without a root folder of their own would change this machine")


def _is_known(task: dict[str, t.Any]) -> bool:
    """Whether this ansible-core has a task's module: one that it has not is an error of the whole playbook."""
    names = [name.removeprefix("ansible.builtin.") for name in task if name.startswith("ansible.builtin.")]
    return all(importlib.util.find_spec(f"ansible.modules.{name}") is not None for name in names)


_TASKS: dict[str, dict[str, t.Any]] = {
    task["name"]: task for task in yaml.safe_load((_HERE / "warm_modules.yml").read_text(encoding="utf-8")) if _is_known(task)
}
_PROOFS = [name for name, task in _TASKS.items() if "parent" in task]
_COMPARED = [name for name in _TASKS if name not in _PROOFS]

#: What differs between any two runs, by its key: moments, measurements, and the name of a machine for good.
_PASSING_VALUES = {
    *("start", "end", "delta", "elapsed", "atime", "mtime", "ctime", "inode", "dev"),
    *("ansible_date_time", "ansible_loadavg", "ansible_memfree_mb", "ansible_memory_mb", "ansible_uptime_seconds"),
    *("block_available", "block_used", "inode_available", "inode_used", "size_available"),
    "ansible_machine_id",
}

#: What differs between any two runs, in any text.
_PASSING_WORDS = {
    "an answer's time": r"\b\w{3}, [0-9]{2} \w{3} [0-9]{4} [0-9:]{8} GMT\b",
    "a word of become": r"(?<=BECOME-SUCCESS-)[a-z]{32}",
    "a temporary folder of a task": r"(?<=ansible-tmp-)[0-9.]+-[0-9]+-[0-9]+",
    "a temporary folder of a module": r"(?<=ansible-moduletmp-)[0-9.]+-\w+",
    "a temporary folder of a module's files": r"(?<=_payload_)\w{8}(?=/)",
    "another temporary name": r"(?<![^\W_])(?:tmp|made-|\.)[a-z0-9_]{8}\b",
    "a backup's process and time": r"\b[0-9]+\.[0-9-]{10}@[0-9:]{8}(?=~)",
    "an async job's number and process": r"\bj?[0-9]{8,}\.[0-9]+\b",
}


#: What is beneath the frames of a module in a fork; the whole stack that ANSIBLE_DISPLAY_TRACEBACK asks for shows it.
_BENEATH = re.compile(r'  File "<stdin>", line [0-9]+, in <module>\n  File "warm", line [0-9]+, in run\n')


@dataclasses.dataclass(frozen=True)
class _Outcome:
    """What each task returned on both nodes."""

    warm: dict[str, t.Any]
    cold: dict[str, t.Any]


@pytest.fixture(scope="module")
def outcome(running_emulator: RunningEmulator, tmp_path_factory: pytest.TempPathFactory) -> _Outcome:
    """Run the playbook on a warm node and on a cold one."""
    ansible = Ansible(tmp_path_factory.mktemp("warm_modules"), running_emulator)
    return run(ansible)


def run(ansible: Ansible) -> _Outcome:
    """Run the playbook."""
    ids = ansible.emulator.nodes()
    inventory = ansible.folder / "hosts.ini"
    inventory.write_text(
        f"{ids[_WARM]} ansible_ssm_warm_modules=always\n"
        f"{ids[_COLD]} ansible_ssm_warm_modules=never\n"
        "[all:vars]\nansible_connection=fleet.ssm.session\nansible_python_interpreter=/usr/bin/python3\n",
        encoding="utf-8",
    )
    recorded = ansible.folder / "recorded"
    run = ansible.run(
        *("ansible-playbook", "-i", str(inventory), str(_playbook(ansible))),
        timeout=280,
        ANSIBLE_LIBRARY=str(_library(ansible.folder)),
        ANSIBLE_CALLBACK_PLUGINS=str(_HERE / "callback_plugins"),
        ANSIBLE_CALLBACKS_ENABLED="recorder",
        RECORDER_FILE=str(recorded),
        ANSIBLE_DEPRECATION_WARNINGS="1",
        ANSIBLE_DISPLAY_TRACEBACK="error",
        ANSIBLE_INJECT_INVOCATION="1",
    )
    assert run.code == 0, str(run)
    names = {ids[_WARM]: "(node)", ids[_COLD]: "(node)", _WARM: "(machine)", _COLD: "(machine)"}
    results: dict[str, dict[str, t.Any]] = {ids[_WARM]: {}, ids[_COLD]: {}}
    for line in recorded.read_text(encoding="utf-8").splitlines():
        node, name, result = json.loads(line)
        results[node][name] = _comparable(result, names)
    return _Outcome(results[ids[_WARM]], results[ids[_COLD]])


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
    tasks = [{"ignore_errors": True, **task} for task in _TASKS.values()]
    # Each node goes on by itself: most of the time is the controller's.
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


@pytest.mark.parametrize("name", _COMPARED)
def test_a_task_returns_the_same_warm_and_cold(name: str, outcome: _Outcome) -> None:
    warm, cold = (json.dumps(one[name], indent=1, sort_keys=True).splitlines() for one in (outcome.warm, outcome.cold))
    assert warm == cold
